import { expect, test } from 'vitest';
import { type BfdArrival, type BfdMember, demultiplex, passesGtsm } from '../../../src/core/bfd/demultiplex.ts';
import type { ControlPacket } from '../../../src/core/bfd/packet.ts';
import { firstPacket } from './packets.ts';

const ends = { localAddress: '10.0.0.1', remoteAddress: '10.0.0.2' };
const direct: BfdMember = { ...ends, multihop: false, localDiscriminator: 11, minimumTtl: 1 };
const distant: BfdMember = { ...ends, multihop: true, localDiscriminator: 12, minimumTtl: 250 };
const other: BfdMember = { ...ends, remoteAddress: '10.0.0.3', multihop: false, localDiscriminator: 13, minimumTtl: 1 };
const sessions = [direct, distant, other];
const arrival: BfdArrival = { from: '10.0.0.2', to: '10.0.0.1', ttl: 255, multihop: false };

function select(packet: Partial<ControlPacket>, how: Partial<BfdArrival> = {}): BfdMember | string {
  const found = demultiplex(sessions, { packet: { ...firstPacket, ...packet }, arrival: { ...arrival, ...how } });
  return found.ok ? found.session : found.reason;
}

test('RFC 5880 section 6.3: Your Discriminator alone selects the session, whatever the addresses', () => {
  expect(select({ yourDiscriminator: 11, state: 'Up' }, { from: '192.0.2.7' })).toBe(direct);
  expect(select({ yourDiscriminator: 13 })).toBe(other);
  expect(select({ yourDiscriminator: 14 })).toBe('your_discriminator_unknown');
});

test('RFC 5881 section 3, RFC 5883 section 4: before it is known both addresses and the port do', () => {
  expect(select({})).toBe(direct);
  expect(select({ state: 'AdminDown' }, { from: '10.0.0.3' })).toBe(other);
  expect(select({}, { multihop: true })).toBe(distant);
  expect(select({}, { to: '10.0.0.9' })).toBe('no_session');
  expect(select({}, { from: '10.0.0.9' })).toBe('no_session');
});

test('RFC 5880 section 6.8.6: a peer that is Init or Up must say Your Discriminator', () => {
  for (const state of ['Init', 'Up'] as const) expect(select({ state })).toBe('your_discriminator_zero');
});

test('RFC 5881 section 5: on one hop only a TTL of 255 will do; the port of multihop is no way around it', () => {
  expect(passesGtsm(arrival)).toBe(true);
  expect(passesGtsm({ ...arrival, ttl: 254 })).toBe(false);
  expect(select({ yourDiscriminator: 11 }, { multihop: true, ttl: 3 })).toBe('other_hops');
  expect(select({ yourDiscriminator: 12 })).toBe('other_hops');
});

test('RFC 5883 section 5: a multihop peer may be so far away and no farther', () => {
  expect(passesGtsm({ ...arrival, multihop: true, ttl: 3 })).toBe(true);
  expect(select({ yourDiscriminator: 12 }, { multihop: true, ttl: 250 })).toBe(distant);
  expect(select({ yourDiscriminator: 12 }, { multihop: true, ttl: 249 })).toBe('ttl_below_minimum');
});
