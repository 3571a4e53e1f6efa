import { describe, expect, test } from 'vitest';
import type { VirtualRouterConfig, VirtualRouterInput } from '../../../src/core/vrrp/state.ts';
import { active, backup, type Heard, SHARED, US, words } from './story.ts';

const from = '10.0.0.12';
const warned = (warning: object) => expect.objectContaining({ kind: 'warned', warning });
const declined = (reason: string) => expect.objectContaining({ kind: 'declined', reason });

describe('RFC 9568 section 7.1: what is heard and does not count, or counts with a warning', () => {
  test.each<[string, Heard, Partial<VirtualRouterConfig>, object[]]>([
    ['another virtual router', { message: { virtualRouterId: 8 } }, {}, [declined('other-virtual-router')]],
    ['a TTL of 254', { ttl: 254 }, {}, [warned({ kind: 'ttl', from, ttl: 254 }), declined('ttl')]],
    ['our own address', { from: US }, {}, [warned({ kind: 'own-address', from: US }), declined('own-address')]],
    [
      'version 2 where 3 is configured',
      { message: { version: 2 } },
      {},
      [warned({ kind: 'version-differs', from, theirs: 2, ours: 3 }), declined('other-version')],
    ],
    [
      'none of our addresses: another cluster, that says nothing about ours',
      { message: { addresses: ['10.0.0.200'] } },
      {},
      [warned({ kind: 'other-cluster', from, virtualRouterId: 7, theirs: ['10.0.0.200'], ours: [SHARED] }), declined('other-addresses')],
    ],
    [
      'some of our addresses',
      { message: { addresses: ['10.0.0.200', SHARED] } },
      {},
      [warned({ kind: 'address-list-differs', from, theirs: ['10.0.0.200', SHARED], ours: [SHARED] })],
    ],
    [
      'another interval, which version 3 learns',
      { message: { maxAdvertiseIntervalMs: 100 } },
      {},
      [warned({ kind: 'interval-differs', from, theirsMs: 100, oursMs: 1000 })],
    ],
    ['to our own address, where we send to the group', { to: US }, {}, [warned({ kind: 'delivery-differs', from, theirs: 'unicast' })]],
    [
      'to the group, where we send to peers',
      {},
      { links: [{ family: 'IPv4', source: US, addresses: [SHARED], peers: [from] }] },
      [warned({ kind: 'delivery-differs', from, theirs: 'multicast' })],
    ],
    [
      'from none of our peers',
      { to: US },
      { links: [{ family: 'IPv4', source: US, addresses: [SHARED], peers: ['10.0.0.13'] }] },
      [warned({ kind: 'unknown-peer', from }), declined('unknown-peer')],
    ],
    [
      'from none of our peers, with other addresses: a group of others',
      { message: { addresses: ['10.0.0.200'] } },
      { links: [{ family: 'IPv4', source: US, addresses: [SHARED], peers: ['10.0.0.13'] }] },
      [declined('unknown-peer')],
    ],
  ])('%s', (_, heard, config, outputs) => {
    const story = backup(config);
    const before = story.wakeAt;
    const said = story.at(3000).hear(200, heard);
    expect(said).toEqual(outputs);
    expect(story.wakeAt === before).toBe(said.some(({ kind }) => kind === 'declined'));
  });

  test('the hop limit of unicast over IPv6, which keepalived 2.2.7 leaves at 64', () => {
    const link = { family: 'IPv6', source: 'fd00::11', addresses: ['fd00::100'] } as const;
    const heard = { from: 'fd00::12', to: 'fd00::11', ttl: 64 };
    expect(words(backup({ links: [{ ...link, peers: ['fd00::12'] }] }).hear(200, heard))).toEqual([]);
    expect(words(backup({ links: [link] }).hear(200, heard))).toContain('declined ttl');
  });

  test('the same list in another order is no difference', () => {
    const links = [{ family: 'IPv4', source: US, addresses: [SHARED, '10.0.0.101'] }] as const;
    expect(words(backup({ links }).hear(200, { message: { addresses: ['10.0.0.101', SHARED] } }))).toEqual([]);
  });

  test('a checksum that the peer computes the other way', () => {
    const input: VirtualRouterInput = {
      kind: 'advertisement',
      link: 0,
      from,
      to: '224.0.0.18',
      ttl: 255,
      checksumForm: 'message-only',
      message: { version: 3, virtualRouterId: 7, priority: 200, maxAdvertiseIntervalMs: 1000, addresses: [SHARED] },
    };
    expect(backup().tell(input)).toEqual([
      warned({ kind: 'checksum-form-differs', from, theirs: 'message-only', ours: 'with-pseudo-header' }),
    ]);
  });
});

describe('malformed messages', () => {
  const hear = (facts: Partial<Extract<VirtualRouterInput, { kind: 'malformed' }>>, config: Partial<VirtualRouterConfig> = {}) =>
    backup(config).tell({ kind: 'malformed', reason: 'checksum', link: 0, from, to: '224.0.0.18', ttl: 255, virtualRouterId: 7, ...facts });
  const version2 = { version: 2, authType: 'simple-text' } as const;

  test('are declined with their reason, and warned of where somebody has to mend something', () => {
    expect(hear({ version: 3 })).toEqual([warned({ kind: 'checksum', from }), declined('checksum')]);
    expect(hear({ reason: 'packet-length' })).toEqual([declined('packet-length')]);
    expect(hear({ reason: 'auth-password', version: 2 }, version2)).toEqual([
      warned({ kind: 'auth-password', from }),
      declined('auth-password'),
    ]);
    expect(hear({ reason: 'auth-type', version: 2, authType: 0 }, version2)).toEqual([
      warned({ kind: 'auth-type', from, theirs: 0, ours: 'simple-text' }),
      declined('auth-type'),
    ]);
  });

  test('of another version are that, not a matter of passwords', () => {
    expect(hear({ reason: 'auth-type', version: 2, authType: 1 })).toEqual([
      warned({ kind: 'version-differs', from, theirs: 2, ours: 3 }),
      declined('other-version'),
    ]);
  });

  test('of another virtual router are not ours to warn of', () => {
    expect(hear({ reason: 'auth-type', virtualRouterId: 8 })).toEqual([declined('other-virtual-router')]);
    expect(hear({ reason: 'checksum', ttl: 3, virtualRouterId: 8 })).toEqual([declined('other-virtual-router')]);
  });
});

describe('warnings', () => {
  test('each kind at most once a minute', () => {
    const story = backup();
    const hear = (now: number, heard: Heard) => words(story.at(now).hear(200, heard)).filter((word) => word.startsWith('warned'));
    expect(hear(0, { ttl: 1 })).toEqual(['warned ttl']);
    expect(hear(1, { ttl: 2 })).toEqual([]);
    expect(hear(2, { message: { version: 2 } })).toEqual(['warned version-differs']);
    expect(hear(59_999, { ttl: 1 })).toEqual([]);
    expect(hear(60_000, { ttl: 1 })).toEqual(['warned ttl']);
  });

  test('several at once: an Active that hears another and stays', () => {
    expect(active().hear(99)).toContainEqual(warned({ kind: 'several-active', actives: [US, from] }));
  });

  test('several at once: a backup that hears one, another, and the first again; not when one takes the place of the other', () => {
    const story = backup();
    const hear = (now: number, who: string) => story.at(now).hear(200, { from: who });
    expect(words([...hear(0, from), ...hear(500, '10.0.0.13'), ...hear(1500, '10.0.0.13')])).toEqual([]);
    expect(words(hear(9000, from))).toEqual([]);
    expect(hear(9500, '10.0.0.13')).toEqual([]);
    expect(hear(9600, from)).toEqual([warned({ kind: 'several-active', actives: [from, '10.0.0.13'] })]);
  });
});
