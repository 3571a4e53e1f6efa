import { describe, expect, test } from 'vitest';
import { GRACEFUL_SHUTDOWN } from '../../../src/core/bgp/community.ts';
import type { BgpPeerConfig } from '../../../src/core/bgp/config.ts';
import { createRandom } from '../../../src/base/random.ts';
import { BgpEngine, type BgpEvent } from '../../../src/engine/bgp.ts';
import { BgpAdvertiser } from '../../../src/engine/bgp-advertiser.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { Tap } from '../../../src/sim/bgp/tap.ts';
import { SimTcp } from '../../../src/sim/bgp/tcp.ts';
import { Schedule } from '../../../src/sim/schedule.ts';
import { config } from '../../support/bgp-peer.ts';

const HOST = '192.0.2.1';
const ROUTER = '192.0.2.2';

interface StageOptions {
  host?: Partial<BgpPeerConfig>;
  router?: Partial<BgpPeerConfig>;
  given?: { onEstablished: () => void };
}

/** The speaker of this host, and a router on simulated TCP that hears it. */
function stage({ host = {}, router = {}, given }: StageOptions = {}) {
  const schedule = new Schedule();
  const clock: Clock = { now: () => schedule.now, at: (time, callback) => schedule.plan(time, callback) };
  const tcp = new SimTcp({ schedule, random: createRandom(1), latencyMs: { min: 1, max: 2 } });
  const events: BgpEvent[] = [];
  const hear = (event: BgpEvent) => {
    events.push(event);
    if (event.kind === 'established') given?.onEstablished();
  };
  const engineAt = (address: string, other: string, peerConfig: BgpPeerConfig, tap: Tap) =>
    new BgpEngine({
      clock,
      transport: tap.of(tcp.host(address)),
      peers: [{ address: { address: other, port: 179, ttl: 1 }, config: peerConfig }],
      seed: 1,
      onEvent: (event) => address === HOST && hear(event),
    });
  const hostConfig: BgpPeerConfig = { ...config, ...host };
  const routerConfig: BgpPeerConfig = {
    ...config,
    localAsn: config.remoteAsn,
    remoteAsn: hostConfig.localAsn,
    routerId: ROUTER,
    ...router,
  };
  const tapOf = (peerConfig: BgpPeerConfig) => new Tap({ configOf: () => peerConfig, now: () => schedule.now });
  const routerTap = tapOf(routerConfig);
  const startRouter = () => engineAt(ROUTER, HOST, routerConfig, routerTap);
  const engine = engineAt(HOST, ROUTER, hostConfig, tapOf(hostConfig));
  return {
    engine,
    events,
    tcp,
    startRouter,
    run: (forMs: number) => schedule.runUntil(schedule.now + forMs),
    /** What the router has from this host. */
    table: () => Object.fromEntries([...routerTap.connections].flatMap(({ routes }) => [...routes])),
    status: () => engine.status()[0] as ReturnType<BgpEngine['status']>[number],
  };
}

describe('engine', () => {
  test('status: a router that is not there, then one that is', () => {
    const { run, status, startRouter } = stage();
    run(10);
    expect(status()).toMatchObject({ address: ROUTER, asn: 65_002, state: 'Active', session: undefined });
    expect(status().lastError).toEqual({ notification: 'none', text: 'TcpConnectionFails: connection refused' });
    startRouter();
    run(6000);
    expect(status()).toMatchObject({
      state: 'Established',
      session: {
        localAddress: HOST,
        remoteRouterId: ROUTER,
        holdTimeMs: 9000,
        keepaliveMs: 3000,
        families: ['IPv4'],
        capabilities: { families: ['IPv4'], fourOctetAsn: true, routeRefresh: true, gracefulRestart: undefined, unknown: [] },
      },
      announced: [],
      counters: { established: 1, sent: { open: 1 }, received: { open: 1 } },
    });
    expect(status().since).toBeLessThan(6010);
  });

  test('events tell what happened, in the words of the RFC', () => {
    const { engine, events, run, startRouter } = stage();
    const router = startRouter();
    run(2000);
    router.stop({ message: 'new line cards' });
    run(100);
    expect(events.filter(({ kind }) => kind === 'established')).toHaveLength(1);
    expect(events.find(({ kind }) => kind === 'down')).toEqual({
      peer: ROUTER,
      kind: 'down',
      error: { notification: 'received', code: 6, subcode: 2, text: 'Cease/Administrative Shutdown: new line cards' },
    });
    engine.stop({ message: '' });
  });

  test('stop says why, then nothing more happens', () => {
    const { engine, run, status, startRouter, tcp } = stage();
    const router = startRouter();
    run(2000);
    engine.stop({ message: 'bye' });
    run(100);
    expect(router.status()[0]).toMatchObject({ lastError: { text: 'Cease/Administrative Shutdown: bye' } });
    const { counters } = status();
    tcp.reset(HOST, ROUTER);
    engine.setRoutes([{ prefix: '10.0.0.100/32', communities: [] }]);
    engine.bfdChanged(ROUTER, 'up');
    run(600_000);
    expect(status()).toMatchObject({ state: 'Idle', counters });
  });

  test('a connection from an address that is no peer is closed', () => {
    const { engine, run, tcp, status } = stage();
    const stranger = tcp.host('192.0.2.66');
    const closed: string[] = [];
    stranger.connect(
      { address: HOST, port: 179, ttl: 1 },
      { onConnected: (one) => one.onClosed((why) => closed.push(why)), onFailed: () => {} },
    );
    run(20);
    expect(closed).toEqual(['closed by the peer']);
    expect(status().counters.accepted).toBe(0);
    engine.stop({ message: '' });
  });

  test('BFD down ends the session, for the peer that is meant', () => {
    const { engine, run, status, startRouter } = stage();
    startRouter();
    run(2000);
    engine.bfdChanged('192.0.2.77', 'up');
    engine.bfdChanged(ROUTER, 'up');
    engine.bfdChanged(ROUTER, 'down');
    expect(status()).toMatchObject({ state: 'Idle', lastError: { text: 'Cease/BFD Down' } });
    run(10_000);
    expect(status().state).toBe('Established');
  });

  test('other routes that are wanted because a session is there come after those that were wanted before', () => {
    const given = { onEstablished: () => {} };
    const { engine, run, startRouter, table } = stage({ given });
    engine.setRoutes([{ prefix: '10.0.0.100/32', communities: [], med: 1 }]);
    given.onEstablished = () => engine.setRoutes([{ prefix: '10.0.0.100/32', communities: [], med: 2 }]);
    startRouter();
    run(10_000);
    expect(table()).toMatchObject({ '10.0.0.100/32': { med: 2 } });
  });

  test('a connection that ends while it is written to does not confuse the machine', () => {
    const schedule = new Schedule();
    let fail = (_reason: string) => {};
    let attempts = 0;
    const engine = new BgpEngine({
      clock: { now: () => schedule.now, at: (time, callback) => schedule.plan(time, callback) },
      transport: {
        connect: (_, { onConnected }) => {
          attempts += 1;
          const send = () => fail('broken pipe');
          schedule.plan(schedule.now + 1, () =>
            onConnected({
              localAddress: HOST,
              remoteAddress: ROUTER,
              send,
              onReceived: () => {},
              onClosed: (handler) => (fail = handler),
              close: () => {},
            }),
          );
          return { cancel: () => {} };
        },
        onAccepted: () => {},
        close: () => {},
      },
      peers: [{ address: { address: ROUTER, port: 179, ttl: 1 }, config }],
      seed: 1,
      onEvent: () => {},
    });
    schedule.runUntil(20_000);
    expect(engine.status()[0]).toMatchObject({ lastError: { text: 'TcpConnectionFails: broken pipe' } });
    expect(attempts).toBeGreaterThan(2);
  });
});

describe('advertiser', () => {
  const advertised = (given: Parameters<typeof stage>[0] = {}) => {
    const both = stage({
      host: { families: ['IPv4', 'IPv6'], nextHops: { IPv6: 'fd00::1' }, ...given.host },
      router: { families: ['IPv4', 'IPv6'], ...given.router },
    });
    both.startRouter();
    const advertiser = new BgpAdvertiser({
      engine: both.engine,
      addresses: ['10.0.0.100', 'fd00::100'],
      attributes: { communities: [7], med: 10, localPreference: 150 },
    });
    both.run(3000);
    return { ...both, advertiser };
  };

  test('announced: host routes with communities and MED as configured', () => {
    const { advertiser, run, table } = advertised();
    expect(table()).toEqual({});
    advertiser.want('announced');
    run(10);
    const attributes = { origin: 'IGP', asPath: [{ kind: 'AS_SEQUENCE', asns: [65_001] }], med: 10, communities: [7] };
    expect(table()).toEqual({
      '10.0.0.100/32': { ...attributes, nextHop: HOST },
      'fd00::100/128': { ...attributes, mpReach: { family: 'IPv6', nextHop: 'fd00::1', prefixes: ['fd00::100/128'] } },
    });
    expect(advertiser.problem()).toBeUndefined();
  });

  test('draining: GRACEFUL_SHUTDOWN, and local preference 0 in the own AS (RFC 8326); then announced again; withdrawn', () => {
    const { advertiser, run, table } = advertised({ host: { localAsn: 65_002 } });
    const preference = () => Object.values(table()).map(({ localPreference, communities, med }) => [localPreference, communities, med]);
    const seen = (['announced', 'draining', 'announced', 'withdrawn'] as const).map((wanted) => {
      advertiser.want(wanted);
      run(10);
      return preference();
    });
    const normal = [150, [7], 10];
    const drained = [0, [7, GRACEFUL_SHUTDOWN], 10];
    expect(seen).toEqual([[normal, normal], [drained, drained], [normal, normal], []]);
  });

  test('what is said again is not sent again', () => {
    const { advertiser, run, status } = advertised();
    advertiser.want('announced');
    run(10);
    const { update } = status().counters.sent;
    advertiser.want('announced');
    run(10);
    expect(status().counters.sent.update).toBe(update);
  });

  test('problem: peers that are not Established, and routes that cannot be told', () => {
    const alone = stage();
    const lonely = new BgpAdvertiser({ engine: alone.engine, addresses: ['10.0.0.100'], attributes: { communities: [] } });
    lonely.want('announced');
    alone.run(10);
    expect(lonely.problem()).toBe(`${ROUTER} is Active: TcpConnectionFails: connection refused`);
    const { advertiser, run } = advertised({ router: { families: ['IPv4'] } });
    advertiser.want('announced');
    run(10);
    expect(advertiser.problem()).toBe(`${ROUTER} is not told of fd00::100/128 (family-not-negotiated)`);
  });

  test('close withdraws, then says goodbye', async () => {
    const { advertiser, events, run, table, status } = advertised();
    advertiser.want('announced');
    run(10);
    const { update } = status().counters.sent;
    await advertiser.close();
    expect(status()).toMatchObject({ state: 'Idle', counters: { sent: { update: update + 2 } } });
    expect(events.at(-1)).toMatchObject({ kind: 'down', error: { text: 'Cease/Administrative Shutdown: hale stops' } });
    run(10);
    expect(table()).toEqual({});
  });
});
