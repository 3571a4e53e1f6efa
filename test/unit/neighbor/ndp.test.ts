import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatIp, formatMac } from '../../../src/base/address.ts';
import { claimOfNdp } from '../../../src/core/neighbor/claim.ts';
import {
  duplicateAddressSolicitation,
  multicastMac,
  neighborSolicitation,
  parseNdp,
  solicitedNode,
  unsolicitedAdvertisement,
} from '../../../src/core/neighbor/ndp.ts';

const mac = '02:00:5e:10:00:01';
const address = 'fd00::1:2:3:64';
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const macs = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => formatMac(bytes.with(0, ((bytes[0] as number) & 0xfe) | 2)));
const ips = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => formatIp(bytes.with(0, 0xfd)));
const reasonOf = (frame: Uint8Array) => {
  const parsed = parseNdp(frame);
  return parsed.ok ? undefined : parsed.reason;
};

const claimIn = (frame: Uint8Array) => {
  const parsed = parseNdp(frame);
  return parsed.ok ? claimOfNdp(parsed.value) : parsed.reason;
};

/** Changes one byte and mends the checksum, so that the rule under test is the one that declines. Offsets count from the frame's start. */
function changed(frame: Uint8Array, at: number, value: number): Uint8Array {
  const bytes = frame.with(at, value);
  bytes.set([0, 0], 56);
  let sum = 58 + (bytes.length - 54);
  for (let i = 22; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) + (bytes[i + 1] as number);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  bytes.set([(~sum >> 8) & 0xff, ~sum & 0xff], 56);
  return bytes;
}

test('solicited-node group and its MAC (RFC 4291 section 2.7.1, RFC 2464 section 7)', () => {
  expect(solicitedNode('4037::1:800:200e:8c6c')).toBe('ff02::1:ff0e:8c6c');
  expect(multicastMac('ff02::1:ff0e:8c6c')).toBe('33:33:ff:0e:8c:6c');
});

test('bytes on the wire: unsolicited advertisement with override to all nodes (RFC 4861 sections 4.4 and 7.2.6)', () => {
  const frame = hex(unsolicitedAdvertisement({ mac, address }));
  const own = 'fd000000000000000001000200030064';
  expect(frame).toMatch(/^33330000000102005e10000186dd6000000000203aff/);
  expect(frame.slice(44, 108)).toBe(`${own}ff020000000000000000000000000001`);
  expect(frame.slice(108, 112)).toBe('8800');
  expect(frame.slice(116)).toBe(`20000000${own}020102005e100001`);
});

test('duplicate address detection asks from :: and carries no option (RFC 4862 section 5.4.2)', () => {
  const parsed = parseNdp(duplicateAddressSolicitation({ mac, address }));
  expect(parsed).toMatchObject({
    ok: true,
    value: { source: '::', destination: 'ff02::1:ff03:64', target: address, linkAddress: undefined },
  });
});

test('what each packet claims', () => {
  fc.assert(
    fc.property(macs, ips, ips, (sender, own, target) => {
      expect(claimIn(unsolicitedAdvertisement({ mac: sender, address: own }))).toEqual({ address: own, mac: sender, kind: 'announcement' });
      expect(claimIn(duplicateAddressSolicitation({ mac: sender, address: own }))).toEqual({ address: own, mac: sender, kind: 'probe' });
      expect(claimIn(neighborSolicitation({ mac: sender, address: own, target }))).toEqual({
        address: own,
        mac: sender,
        kind: 'announcement',
      });
    }),
  );
});

test('a frame with any one bit turned is declined or, outside the checksum, says the same (RFC 4443 section 2.3)', () => {
  const frame = unsolicitedAdvertisement({ mac, address });
  fc.assert(
    fc.property(fc.integer({ min: 22, max: frame.length - 1 }), fc.nat(7), (at, bit) => {
      expect(reasonOf(frame.with(at, (frame[at] as number) ^ (1 << bit)))).toMatch(/^(checksum|not_neighbor_discovery)$/);
    }),
  );
});

const advertisement = unsolicitedAdvertisement({ mac, address });
const probe = duplicateAddressSolicitation({ mac, address });
test.each([
  ['hop_limit_not_255', advertisement, 21, 254],
  ['not_neighbor_discovery', advertisement, 20, 17],
  ['not_neighbor_discovery', advertisement, 54, 134],
  ['not_ipv6', advertisement, 13, 0],
  ['code_not_0', advertisement, 55, 1],
  ['target_is_multicast', advertisement, 62, 0xff],
  ['solicited_to_multicast', advertisement, 58, 0x60],
  ['option_length', advertisement, 79, 0],
  ['option_length', advertisement, 79, 2],
  ['link_address_not_a_station', advertisement, 80, 0x03],
  ['unspecified_source', probe, 53, 0x65],
  ['truncated', advertisement, 19, 0x21],
])('declined as %s (RFC 4861 section 7.1)', (reason, frame, at, value) => {
  expect(reasonOf(changed(frame, at, value))).toBe(reason);
});

test('a solicitation from :: with a link-layer option is declined (RFC 4861 section 7.1.1)', () => {
  const asked = neighborSolicitation({ mac, address: '::', target: address });
  expect(reasonOf(asked)).toBe('unspecified_source');
});

test('every truncation and arbitrary bytes are a value and never an exception', () => {
  for (let length = 0; length < advertisement.length; length++) expect(reasonOf(advertisement.subarray(0, length))).toBe('truncated');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(advertisement.length), (bytes, kept) => {
      parseNdp(Uint8Array.of(...advertisement.subarray(0, kept), ...bytes));
    }),
  );
});
