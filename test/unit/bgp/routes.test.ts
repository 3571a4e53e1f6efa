import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatCommunity, GRACEFUL_SHUTDOWN, parseCommunity } from '../../../src/core/bgp/community.ts';
import { encodeFrame } from '../../../src/core/bgp/frame.ts';
import { decodeOpen } from '../../../src/core/bgp/open.ts';
import type { BgpRoute } from '../../../src/core/bgp/route.ts';
import type { PeerInput } from '../../../src/core/bgp/peer-state.ts';
import {
  capabilities,
  KEEPALIVE,
  kindsOf,
  LOCAL,
  messagesIn,
  notificationFrom,
  notificationsIn,
  openFrom,
  PlayedPeer,
  updatesIn,
} from '../../support/bgp-peer.ts';

const V4 = '10.0.0.100/32';
const V6 = 'fd00::100/128';
const route = (given: Partial<BgpRoute> = {}): BgpRoute => ({ prefix: V4, communities: [], ...given });
const want = (...routes: BgpRoute[]): PeerInput => ({ kind: 'routes', routes });
const END_OF_RIB = { withdrawn: [], attributes: {}, announced: [] };
const cease = notificationFrom({ code: 6, subcode: 4, data: new Uint8Array(0) });

/** Both families, with what each needs. */
const dual = (given: ConstructorParameters<typeof PlayedPeer>[0] = {}) => new PlayedPeer({ families: ['IPv4', 'IPv6'], ...given });
const dualOpen = (given = {}) => openFrom({ capabilities: capabilities({ families: ['IPv4', 'IPv6'], ...given }) });

describe('RFC 4271 section 5.1: attributes of an announcement', () => {
  test('eBGP: ORIGIN IGP, AS_PATH of the own number, NEXT_HOP self, MED; no LOCAL_PREF', () => {
    const peer = new PlayedPeer();
    peer.establish();
    const outputs = peer.input(want(route({ med: 10, localPreference: 200, communities: [1, 2] })));
    expect(updatesIn(outputs)[0]).toEqual({
      withdrawn: [],
      attributes: { origin: 'IGP', asPath: [{ kind: 'AS_SEQUENCE', asns: [65_001] }], nextHop: LOCAL, med: 10, communities: [1, 2] },
      announced: [V4],
    });
  });

  test('iBGP: empty AS_PATH, and LOCAL_PREF, 100 by default', () => {
    const peer = new PlayedPeer({ localAsn: 65_002 });
    peer.establish();
    const of = (given: BgpRoute) => updatesIn(peer.input(want(given)), { internal: true })[0]?.attributes;
    expect(of(route())).toEqual({ origin: 'IGP', asPath: [], nextHop: LOCAL, localPreference: 100 });
    expect(of(route({ localPreference: 0, communities: [GRACEFUL_SHUTDOWN] }))).toMatchObject({
      localPreference: 0,
      communities: [0xffff_0000],
    });
  });

  test('RFC 6793 section 4.2.2: to a speaker of 2-octet numbers AS_TRANS, and the true path in AS4_PATH', () => {
    const peer = new PlayedPeer({ localAsn: 4_200_000_001 });
    peer.establish(openFrom({ capabilities: capabilities({ fourOctetAsn: undefined }) }));
    const [update] = updatesIn(peer.input(want(route())), { fourOctetAsn: false });
    expect(update?.attributes).toMatchObject({
      asPath: [{ kind: 'AS_SEQUENCE', asns: [23_456] }],
      as4Path: [{ kind: 'AS_SEQUENCE', asns: [4_200_000_001] }],
    });
    const short = new PlayedPeer();
    short.establish(openFrom({ capabilities: capabilities({ fourOctetAsn: undefined }) }));
    expect(updatesIn(short.input(want(route())), { fourOctetAsn: false })[0]?.attributes.as4Path).toBeUndefined();
  });

  test('RFC 6793 section 4.1: My Autonomous System is AS_TRANS where the number needs four octets', () => {
    const peer = new PlayedPeer({ localAsn: 4_200_000_001 }).start();
    peer.connected();
    const [open] = peer.sent();
    expect(decodeOpen(open?.body as Uint8Array)).toMatchObject({ value: { asn: 23_456, capabilities: { fourOctetAsn: 4_200_000_001 } } });
  });
});

test('RFC 4271 section 4.3: an attribute of more than 255 bytes has the extended length', () => {
  const peer = new PlayedPeer();
  peer.establish();
  const communities = Array.from({ length: 128 }, (_, i) => i);
  expect(updatesIn(peer.input(want(route({ communities }))))[0]?.attributes.communities).toEqual(communities);
});

describe('RFC 4760, RFC 2545: IPv6', () => {
  test('over IPv4 the next hop is the configured one, with a link-local one where given', () => {
    const peer = dual({ nextHops: { IPv6: 'fd00::11', linkLocal: 'fe80::11' } });
    peer.establish(dualOpen());
    const [update] = updatesIn(peer.input(want(route({ prefix: V6 }))));
    expect(update?.attributes.mpReach).toEqual({ family: 'IPv6', nextHop: 'fd00::11', linkLocal: 'fe80::11', prefixes: [V6] });
    expect(update?.attributes.nextHop).toBeUndefined();
    const [gone] = updatesIn(peer.input(want()));
    expect(gone).toEqual({ withdrawn: [], attributes: { mpUnreach: { family: 'IPv6', prefixes: [V6] } }, announced: [] });
  });

  test('over IPv6 it is this end of the connection, and IPv4 goes with the configured one', () => {
    const peer = dual({ nextHops: { IPv4: '10.0.0.11' } });
    peer.start();
    peer.receive(peer.connected('fd00::11'), dualOpen(), KEEPALIVE);
    const [v4, v6] = updatesIn(peer.input(want(route(), route({ prefix: V6 }))));
    expect([v4?.attributes.nextHop, v6?.attributes.mpReach?.nextHop]).toEqual(['10.0.0.11', 'fd00::11']);
  });

  test.each(['fe80::11', 'fe80::11%eth0'])('%s of this end is no next hop for others', (address) => {
    const peer = dual();
    peer.start();
    peer.receive(peer.connected(address), dualOpen(), KEEPALIVE);
    peer.input(want(route({ prefix: V6 })));
    expect(peer.state.unannounced).toEqual([{ prefix: V6, reason: 'no-next-hop' }]);
  });

  test('without a next hop, and without its family, a route is not announced, and the reason is said once', () => {
    const peer = dual();
    peer.establish(dualOpen());
    const warned = peer.input(want(route({ prefix: V6 }))).filter(({ kind }) => kind === 'warned');
    expect(warned).toEqual([{ kind: 'warned', warning: `${V6} is not announced: this session has no next hop for its family` }]);
    expect(kindsOf(peer.input(want(route({ prefix: V6, med: 1 }))))).toEqual([]);
    const narrow = dual({ nextHops: { IPv6: 'fd00::11' } });
    narrow.establish();
    narrow.input(want(route({ prefix: V6 }), route()));
    expect(narrow.state.unannounced).toEqual([{ prefix: V6, reason: 'family-not-negotiated' }]);
    expect([...narrow.state.announced.keys()]).toEqual([V4]);
  });

  test('section 8: a peer that offers no family means IPv4 unicast; one that offers others does not', () => {
    const old = dual();
    old.establish(openFrom({ capabilities: capabilities({ families: [] }) }));
    expect(old.state.connections[0]?.session?.families).toEqual(['IPv4']);
    const bytes = openFrom({ capabilities: capabilities({ families: ['IPv4'] }) });
    // SAFI 128 (VPN) instead of 1.
    const at = bytes.indexOf(4, 29 + 3) + 4;
    const vpn = new PlayedPeer();
    vpn.start().connected();
    expect(notificationsIn(vpn.receive(1, bytes.with(at, 128)))).toEqual(['OPEN Message Error/Unsupported Capability']);
  });
});

describe('RFC 4271 section 9.2: the difference is sent', () => {
  test('routes that were said before are sent when the session is there, and again after the next one', () => {
    const peer = new PlayedPeer();
    peer.input(want(route()));
    peer.establish();
    expect(updatesIn(peer.outputs.splice(0)).map(({ announced }) => announced)).toEqual([[V4], []]);
    peer.receive(1, cease);
    expect(peer.state.announced.size).toBe(0);
    peer.wait(1000);
    peer.sent();
    peer.receive(peer.connected(), openFrom(), KEEPALIVE);
    expect(updatesIn(peer.outputs).map(({ announced }) => announced)).toEqual([[V4], []]);
  });

  test('nothing is sent for what the peer knows already', () => {
    const peer = new PlayedPeer();
    peer.establish();
    peer.input(want(route({ communities: [7] })));
    expect(peer.input(want(route({ communities: [7] })))).toEqual([]);
  });

  test('RFC 8326: draining replaces the announcement, it does not withdraw', () => {
    const peer = new PlayedPeer();
    peer.establish();
    peer.input(want(route({ communities: [7] })));
    const updates = updatesIn(peer.input(want(route({ communities: [7, GRACEFUL_SHUTDOWN] }))));
    expect(updates).toHaveLength(1);
    expect(updates[0]).toMatchObject({ withdrawn: [], announced: [V4], attributes: { communities: [7, 0xffff_0000] } });
  });

  test('whatever is wanted one after the other, the peer’s table is what is wanted last', () => {
    const prefixes = fc.constantFrom(V4, '10.0.0.101/32', V6, 'fd00::101/128');
    const routes = fc.uniqueArray(fc.record({ prefix: prefixes, med: fc.nat(2), communities: fc.array(fc.nat(2), { maxLength: 2 }) }), {
      selector: ({ prefix }) => prefix,
    });
    fc.assert(
      fc.property(fc.array(routes, { minLength: 1, maxLength: 8 }), (wants) => {
        const peer = dual({ nextHops: { IPv6: 'fd00::11' } });
        peer.establish(dualOpen());
        const table = new Map<string, { med: number | undefined; communities: number[] }>();
        for (const one of wants) {
          for (const { withdrawn, announced, attributes } of updatesIn(peer.input(want(...one)))) {
            const { mpReach, mpUnreach, med, communities = [] } = attributes;
            for (const prefix of [...withdrawn, ...(mpUnreach?.prefixes ?? [])]) table.delete(prefix);
            for (const prefix of [...announced, ...(mpReach?.prefixes ?? [])]) table.set(prefix, { med, communities });
          }
        }
        const last = wants.at(-1) as BgpRoute[];
        expect(table).toEqual(new Map(last.map(({ prefix, med, communities }) => [prefix, { med, communities }])));
        expect(new Set(peer.state.announced.keys())).toEqual(new Set(table.keys()));
      }),
    );
  });
});

describe('RFC 4724: graceful restart as the restarting side', () => {
  const gracefulRestart = { restartTimeS: 120, restarted: true, forwardingPreserved: true };
  const helper = () => capabilities({ gracefulRestart: { restarting: false, restartTimeS: 90, families: [] } });
  const offered = (peer: PlayedPeer) => {
    const decoded = decodeOpen(messagesIn(peer.outputs.splice(0)).at(-1)?.body as Uint8Array);
    return decoded.ok ? decoded.value.capabilities.gracefulRestart : undefined;
  };

  test('section 2: End-of-RIB of each family after the first routes, and only then', () => {
    const peer = dual({ nextHops: { IPv6: 'fd00::11' } });
    peer.establish(dualOpen());
    expect(updatesIn(peer.outputs.splice(0))).toEqual([]);
    const first = updatesIn(peer.input(want(route())));
    expect(first.slice(1)).toEqual([END_OF_RIB, { ...END_OF_RIB, attributes: { mpUnreach: { family: 'IPv6', prefixes: [] } } }]);
    expect(updatesIn(peer.input(want()))).toHaveLength(1);
  });

  test('section 2: End-of-RIB also where there is no route', () => {
    const peer = new PlayedPeer();
    peer.input(want());
    peer.establish();
    expect(updatesIn(peer.outputs)).toEqual([END_OF_RIB]);
  });

  test('section 3: restart time, R bit until the first session, F bit as configured', () => {
    const peer = new PlayedPeer({ gracefulRestart }).start();
    const families = [{ family: 'IPv4', forwardingPreserved: true }];
    peer.connected();
    expect(offered(peer)).toEqual({ restarting: true, restartTimeS: 120, families });
    peer.receive(1, cease);
    peer.wait(1000);
    peer.receive(peer.connected(), openFrom(), KEEPALIVE, cease);
    peer.wait(2000);
    peer.connected();
    expect(offered(peer)).toEqual({ restarting: false, restartTimeS: 120, families });
    const none = new PlayedPeer().start();
    none.connected();
    expect(offered(none)).toBeUndefined();
  });

  test('section 4: to restart, the connection is closed without a NOTIFICATION, where the peer does graceful restart', () => {
    const stop = { kind: 'stop', message: 'restart', restarting: true } as const;
    const peer = new PlayedPeer({ gracefulRestart });
    peer.establish(openFrom({ capabilities: helper() }));
    peer.sent();
    expect(kindsOf(peer.input(stop))).toEqual(['close', 'down']);
    const told = new PlayedPeer({ gracefulRestart });
    told.establish(openFrom({ capabilities: helper() }));
    expect(notificationsIn(told.input({ ...stop, restarting: false }))).toEqual(['Cease/Administrative Shutdown: restart']);
    const other = new PlayedPeer({ gracefulRestart });
    other.establish();
    expect(notificationsIn(other.input(stop))).toEqual(['Cease/Administrative Shutdown: restart']);
  });

  test('section 5: a peer that connects anew has restarted: the old session ends without a NOTIFICATION', () => {
    const peer = new PlayedPeer({ gracefulRestart });
    peer.establish(openFrom({ capabilities: helper() }));
    peer.sent();
    const second = peer.accepted();
    expect(notificationsIn(peer.outputs)).toEqual([]);
    expect(peer.state.connections.map(({ id, state }) => [id, state])).toEqual([[second, 'OpenSent']]);
    peer.receive(second, openFrom({ capabilities: helper() }), KEEPALIVE);
    expect(peer.state.fsm).toBe('Established');
  });
});

describe('RFC 2918: route refresh', () => {
  const refresh = (afi: number, safi = 1) => encodeFrame('routeRefresh', Uint8Array.of(0, afi, 0, safi));

  test('all routes of the family are sent again', () => {
    const peer = dual({ nextHops: { IPv6: 'fd00::11' } });
    peer.establish(dualOpen());
    peer.input(want(route({ med: 5 }), route({ prefix: V6 })));
    expect(updatesIn(peer.receive(1, refresh(1)))).toMatchObject([{ announced: [V4], attributes: { med: 5 } }]);
    expect(updatesIn(peer.receive(1, refresh(2)))).toMatchObject([{ attributes: { mpReach: { prefixes: [V6] } } }]);
  });

  test('of a family that is not of the session it is ignored; before Established it is unexpected', () => {
    const peer = new PlayedPeer();
    peer.establish();
    peer.input(want(route()));
    expect([refresh(2), refresh(1, 128), refresh(25, 70)].flatMap((message) => peer.receive(1, message))).toEqual([]);
    const early = new PlayedPeer().start();
    early.connected();
    expect(notificationsIn(early.receive(1, refresh(1)))).toEqual([
      'Finite State Machine Error/Receive Unexpected Message in OpenSent State',
    ]);
  });
});

describe('RFC 1997: communities as text', () => {
  test('numbers and names, and nothing else', () => {
    expect(['65000:100', '0:0', '65535:0', 'graceful-shutdown', 'no-export', 'NO-PEER'].map(parseCommunity)).toEqual([
      65_000 * 65_536 + 100,
      0,
      GRACEFUL_SHUTDOWN,
      GRACEFUL_SHUTDOWN,
      0xffff_ff01,
      0xffff_ff04,
    ]);
    expect(['65536:0', '1:65536', '1', '1:2:3', '-1:0', 'drain', ''].map(parseCommunity)).toEqual(Array.from({ length: 7 }));
  });

  test('what is formatted is parsed as the same', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), (community) => {
        expect(parseCommunity(formatCommunity(community))).toBe(community);
      }),
    );
  });
});

describe('RFC 9003: shutdown communication', () => {
  const stopped = (message: string) => {
    const peer = new PlayedPeer();
    peer.establish();
    return messagesIn(peer.input({ kind: 'stop', message, restarting: false }))[0]?.body as Uint8Array;
  };

  test('a text is cut at 255 bytes, between two characters', () => {
    const body = stopped('ü'.repeat(200));
    expect([body.length, body[2]]).toEqual([3 + 254, 254]);
    expect(Buffer.from(body.subarray(3)).toString()).toBe('ü'.repeat(127));
  });

  test('what a peer says is made printable', () => {
    const peer = new PlayedPeer();
    peer.establish();
    peer.receive(1, notificationFrom({ code: 6, subcode: 2, data: Uint8Array.from([6, ...Buffer.from('a\u001B[2Jb').subarray(0, 6)]) }));
    expect(peer.state.lastError?.text).toBe('Cease/Administrative Shutdown: a [2Jb');
  });

  test('a length that is longer than the data is no text; RFC 8538: the reason inside a Hard Reset is shown', () => {
    const said = (subcode: number, ...data: number[]) => {
      const peer = new PlayedPeer();
      peer.establish();
      peer.receive(1, notificationFrom({ code: 6, subcode, data: Uint8Array.from(data) }));
      return peer.state.lastError?.text;
    };
    expect(said(2, 9, 0x61)).toBe('Cease/Administrative Shutdown');
    expect(said(4, 1, 0x61)).toBe('Cease/Administrative Reset: a');
    expect(said(9, 6, 4, 1, 0x61)).toBe('Cease/Hard Reset: Cease/Administrative Reset: a');
  });
});
