/** What every router has to see of hale's BGP speaker, and hale of it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GRACEFUL_SHUTDOWN } from '../../../src/core/bgp/community.ts';
import type { BgpRoute } from '../../../src/core/bgp/route.ts';
import { netnsProblem, type TestHost } from '../netns.ts';
import type { Router, RouterKind, RouterNeighbor, RouterOptions } from './router.ts';
import { hostRoutes, type Speaker, type SpeakerPeer } from './speaker.ts';
import { eventually, Stage } from './stage.ts';

/** Of 32 bits, so that two octets cannot hold it (RFC 6793). */
const HALE_ASN = 4_200_000_001;
const ROUTER_ASN = 65_001;
const SHARED = ['10.77.0.100', 'fd77::100'];

export interface SuiteOptions {
  /** Words of the router for a session that hale ended with a text for people; it may not tell any. */
  shutdownWords: string | undefined;
  /** Long enough for it to be ready for hale's return. */
  restartTimeS: number;
  /** What hale says of a session that the router ended with the text "maintenance until 14:00" (RFC 9003). */
  ended: string;
  /** It keeps what hale announced while hale restarts (RFC 4724 section 4.2). */
  helpsRestart: boolean;
  /** It sends a ROUTE-REFRESH when asked to. */
  asksAgain: boolean;
  /** It checks the TTL of a neighbour that connects to it. */
  checksTtl: boolean;
}

interface Pair {
  speaker: Speaker;
  router: Router;
  /** hale's address, at the router. */
  haleAddress: string;
}

export function describeSessions(kind: RouterKind, options: SuiteOptions): void {
  const problem = netnsProblem() ?? kind.problem;

  describe.skipIf(problem !== undefined)(`BGP sessions with ${kind.title}${problem === undefined ? '' : ` (skipped: ${problem})`}`, () => {
    let stage: Stage;
    let [hale, host]: TestHost[] = [];
    beforeEach(() => {
      stage = new Stage('hale', 'router');
      [hale, host] = [stage.host(0), stage.host(1)];
    });
    afterEach(() => stage.end());

    interface PairOptions {
      ipv6?: boolean;
      haleAsn?: number;
      haleFirst?: boolean;
      routes?: BgpRoute[];
      neighbor?: Partial<RouterNeighbor>;
      peer?: Partial<SpeakerPeer>;
      router?: Partial<RouterOptions>;
    }

    const pair = async ({
      ipv6 = false,
      haleAsn = HALE_ASN,
      haleFirst = false,
      routes = hostRoutes(...SHARED),
      ...more
    }: PairOptions = {}) => {
      const [haleAddress, address] = ipv6 ? [hale!.address6, host!.address6] : [hale!.address4, host!.address4];
      const neighbors = [{ address: haleAddress, asn: haleAsn, ...more.neighbor }];
      const startRouter = () => stage.router(kind, { host: host!, asn: ROUTER_ASN, ...more.router, neighbors });
      const peers = [{ address, remoteAsn: ROUTER_ASN, ...more.peer }];
      const startHale = () => stage.speaker(hale!, { asn: haleAsn, peers, routes });
      if (haleFirst) return { speaker: startHale(), router: await startRouter(), haleAddress };
      return { router: await startRouter(), speaker: startHale(), haleAddress };
    };

    const established = async ({ speaker, router, haleAddress }: Pair) => {
      await eventually(() => speaker.status().state).toBe('Established');
      await eventually(async () => (await router.session(haleAddress)).established).toBe(true);
    };

    const prefixes = async (router: Router) => (await router.routes()).map(({ prefix }) => prefix).toSorted();
    const both = ['10.77.0.100/32', 'fd77::100/128'];

    test.each([
      { name: 'eBGP over IPv4', ipv6: false, haleAsn: HALE_ASN },
      { name: 'eBGP over IPv6', ipv6: true, haleAsn: HALE_ASN },
      { name: 'iBGP over IPv4', ipv6: false, haleAsn: ROUTER_ASN },
      { name: 'iBGP over IPv6', ipv6: true, haleAsn: ROUTER_ASN },
    ])('$name: routes of both families in one session (RFC 4760), and their attributes', async ({ ipv6, haleAsn }) => {
      const { speaker, router, ...rest } = await pair({ ipv6, haleAsn });
      await established({ speaker, router, ...rest });
      const attributes = { communities: [65_000 * 65_536 + 100, 65_000 * 65_536 + 200], med: 50, localPreference: 250 };
      speaker.engine.setRoutes(hostRoutes(...SHARED).map((route) => ({ ...route, ...attributes })));
      const internal = haleAsn === ROUTER_ASN;
      await eventually(async () => (await router.routes()).map(({ communities }) => communities)).toEqual([
        ['65000:100', '65000:200'],
        ['65000:100', '65000:200'],
      ]);
      const routes = (await router.routes()).toSorted((a, b) => a.prefix.localeCompare(b.prefix));
      expect(routes).toMatchObject([
        { prefix: '10.77.0.100/32', nextHop: hale!.address4, med: 50, asPath: internal ? '' : `${HALE_ASN}` },
        { prefix: 'fd77::100/128', nextHop: hale!.address6, med: 50, asPath: internal ? '' : `${HALE_ASN}` },
      ]);
      // RFC 4271 section 5.1.5: to internal peers alone.
      for (const { localPreference } of routes) expect([100, undefined].includes(localPreference)).toBe(!internal);
      if (internal) expect(routes.map(({ localPreference }) => localPreference)).toEqual([250, 250]);
      expect(speaker.status()).toMatchObject({
        announced: both,
        unannounced: [],
        session: { families: ['IPv4', 'IPv6'], remoteRouterId: host!.address4, capabilities: { fourOctetAsn: true, routeRefresh: true } },
      });
    });

    test('a route that is withdrawn is gone, and one that stays is not sent again', async () => {
      const { speaker, router, ...rest } = await pair();
      await established({ speaker, router, ...rest });
      await eventually(() => prefixes(router)).toEqual(both);
      const before = speaker.status().counters.sent.update;
      speaker.engine.setRoutes(hostRoutes('10.77.0.100'));
      await eventually(() => prefixes(router)).toEqual(['10.77.0.100/32']);
      speaker.engine.setRoutes([]);
      await eventually(() => prefixes(router)).toEqual([]);
      speaker.engine.setRoutes(hostRoutes('10.77.0.100'));
      await eventually(() => prefixes(router)).toEqual(['10.77.0.100/32']);
      expect(speaker.status().counters.sent.update).toBe(before + 3);
    });

    test('RFC 8326: a route that is being drained carries GRACEFUL_SHUTDOWN', async () => {
      const { speaker, router, ...rest } = await pair({ haleAsn: ROUTER_ASN });
      await established({ speaker, router, ...rest });
      speaker.engine.setRoutes(hostRoutes(...SHARED).map((route) => ({ ...route, communities: [GRACEFUL_SHUTDOWN], localPreference: 0 })));
      await eventually(async () => (await router.routes()).map((route) => [...route.communities, route.localPreference])).toEqual([
        ['65535:0', 0],
        ['65535:0', 0],
      ]);
    });

    test('what the router announces is counted, and taken nowhere', async () => {
      const announces = ['203.0.113.0/24', '198.51.100.0/24', '2001:db8::/48'];
      const before = hale!.run('ip', 'route') + hale!.run('ip', '-6', 'route');
      const { speaker, ...rest } = await pair({ routes: [], router: { announces } });
      await established({ speaker, ...rest });
      await eventually(() => speaker.status().counters.prefixesReceived).toBe(3);
      expect(hale!.run('ip', 'route') + hale!.run('ip', '-6', 'route')).toBe(before);
      expect(speaker.status()).toMatchObject({ state: 'Established', counters: { treatedAsWithdraw: 0, attributesDiscarded: 0 } });
    });

    describe('TCP MD5 (RFC 2385)', () => {
      test.each([{ ipv6: false }, { ipv6: true }])('one key on both sides, IPv6: $ipv6', async ({ ipv6 }) => {
        const password = 'correct horse';
        const both = await pair({ ipv6, neighbor: { password: 'correct-horse' }, peer: { password: password.replace(' ', '-') } });
        await established(both);
      });

      test('another key: no session, whoever connects, and no word of the keys', async () => {
        const { speaker, router, haleAddress } = await pair({
          neighbor: { password: 'theirs-secret' },
          peer: { password: 'ours-secret', connectRetryMs: 1000 },
        });
        await eventually(() => failures(hale!)).toBeGreaterThan(1);
        await eventually(() => failures(host!)).toBeGreaterThan(1);
        expect(speaker.status().state).toMatch(/^(Connect|Active)$/);
        expect((await router.session(haleAddress)).established).toBe(false);
        expect(JSON.stringify([speaker.status(), speaker.events])).not.toContain('secret');
      });
    });

    describe('GTSM (RFC 5082)', () => {
      test.each([{ ipv6: false }, { ipv6: true }])('both sides ask for 255, IPv6: $ipv6', async ({ ipv6 }) => {
        await established(await pair({ ipv6, neighbor: { ttlSecurity: true }, peer: { ttlSecurityHops: 1 } }));
      });

      test.skipIf(!options.checksTtl)('hale that does not send 255 is not heard', async () => {
        const { speaker, router, haleAddress } = await pair({ neighbor: { ttlSecurity: true }, peer: { ttl: 64, connectRetryMs: 1000 } });
        await eventually(() => counter(host!, 'TcpExtTCPMinTTLDrop')).toBeGreaterThan(1);
        expect([speaker.status().counters.established, (await router.session(haleAddress)).established]).toEqual([0, false]);
      });

      test('a router that does not send 255 is not heard', async () => {
        const { speaker, router, haleAddress } = await pair({ peer: { ttlSecurityHops: 1, connectRetryMs: 1000 } });
        await eventually(() => counter(hale!, 'TcpExtTCPMinTTLDrop')).toBeGreaterThan(1);
        expect([speaker.status().counters.established, (await router.session(haleAddress)).established]).toEqual([0, false]);
      });
    });

    describe('hold time (RFC 4271 sections 4.2, 6.5)', () => {
      test.each([
        { ours: 90_000, theirs: 9 },
        { ours: 6000, theirs: 90 },
      ])('the smaller one of $ours ms here and $theirs s there is kept', async ({ ours, theirs }) => {
        const both = await pair({ peer: { holdTimeMs: ours }, router: { holdTimeS: theirs } });
        await established(both);
        expect(both.speaker.status().session?.holdTimeMs).toBe(Math.min(ours, theirs * 1000));
      });

      test('a router that is silent is told Hold Timer Expired, and is met again when it is back', async () => {
        const { speaker, router, ...rest } = await pair({ peer: { holdTimeMs: 3000 } });
        await established({ speaker, router, ...rest });
        router.daemon.freeze();
        await eventually(() => speaker.events.find(({ kind }) => kind === 'down')).toMatchObject({
          error: { notification: 'sent', code: 4, subcode: 0, text: 'Hold Timer Expired' },
        });
        router.daemon.resume();
        await eventually(() => speaker.status().counters.established, 50_000).toBe(2);
        await eventually(() => prefixes(router)).toEqual(both);
      });

      test('a router that does not hear hale says Hold Timer Expired, and hale says that it was said', async () => {
        const { speaker, ...rest } = await pair({ peer: { holdTimeMs: 3000 } });
        await established({ speaker, ...rest });
        // Acknowledgements pass, messages do not.
        drop(hale!, 'output', 'meta length > 60');
        await eventually(() => speaker.events.find(({ kind }) => kind === 'down')).toMatchObject({
          error: { notification: 'received', code: 4, text: 'Hold Timer Expired' },
        });
      });
    });

    describe('NOTIFICATIONs', () => {
      test('RFC 4271 section 6.2: a number that is not the configured one is a Bad Peer AS, for whichever side looks first', async () => {
        const { speaker, router, haleAddress } = await pair({ neighbor: { asn: 65_099 } });
        await eventually(() => speaker.status().lastError).toMatchObject({ code: 2, subcode: 2, text: 'OPEN Message Error/Bad Peer AS' });
        expect(speaker.status().counters.established).toBe(0);
        expect((await router.session(haleAddress)).established).toBe(false);
      });

      test('RFC 9003: hale that stops says why, and its routes are gone at once', async () => {
        const { speaker, router, haleAddress } = await pair();
        await established({ speaker, router, haleAddress });
        await eventually(() => prefixes(router)).toEqual(both);
        speaker.engine.stop({ message: 'Wartung bis 14 Uhr – über hale' });
        const { shutdownWords } = options;
        if (shutdownWords !== undefined) {
          await eventually(async () => router.daemon.log + (await router.session(haleAddress)).text).toContain(shutdownWords);
        }
        await eventually(() => prefixes(router)).toEqual([]);
      });

      test('a router that ends the session is understood, with its text', async () => {
        const { speaker, router, haleAddress } = await pair();
        await established({ speaker, router, haleAddress });
        await router.shutDown(haleAddress, 'maintenance until 14:00');
        await eventually(() => speaker.events.find(({ kind }) => kind === 'down')).toMatchObject({
          error: {
            notification: 'received',
            code: 6,
            subcode: 2,
            text: options.ended,
          },
        });
      });
    });

    test.skipIf(!options.asksAgain)('RFC 2918: asked for its routes again, hale sends them again', async () => {
      const { speaker, router, haleAddress } = await pair();
      await established({ speaker, router, haleAddress });
      await eventually(() => prefixes(router)).toEqual(both);
      const before = speaker.status().counters.sent.update;
      await router.refresh(haleAddress);
      await eventually(() => speaker.status().counters.received.routeRefresh).toBe(2);
      expect(speaker.status().counters.sent.update).toBe(before + 2);
      expect(await prefixes(router)).toEqual(both);
      expect(speaker.status()).toMatchObject({ state: 'Established', counters: { established: 1 } });
    });

    test.each([
      { name: 'higher', routerId: '10.77.255.255' },
      { name: 'lower', routerId: '10.77.0.0' },
    ])('RFC 4271 section 6.8: both sides connect at once, hale with the $name identifier: one connection stays', async ({ routerId }) => {
      const remove = drop(hale!, 'output', 'tcp flags & (syn | ack) == syn', 'tcp flags & (syn | ack) == syn | ack');
      const { speaker, router, haleAddress } = await pair({
        haleFirst: true,
        neighbor: { connectRetryS: 60 },
        peer: { routerId, connectRetryMs: 60_000 },
      });
      // While the router stands still its kernel makes both connections, so that each side has sent its OPEN on both before one is answered.
      await eventually(() => sockets(host!, 'syn-sent')).toBe(1);
      router.daemon.freeze();
      remove();
      await eventually(() => [sockets(hale!, 'established'), sockets(host!, 'established')]).toEqual([2, 2]);
      await eventually(() => speaker.status().counters.sent.open).toBe(2);
      router.daemon.resume();
      await established({ speaker, router, haleAddress });
      await eventually(() => prefixes(router)).toEqual(both);
      await eventually(() => [sockets(hale!, 'established'), sockets(host!, 'established')]).toEqual([1, 1]);
      // Where one side is Established already and the other is not quite (section 6.8), each closes another one, and they meet again.
      expect(speaker.status().state).toBe('Established');
    });

    describe.skipIf(!options.helpsRestart)('RFC 4724: graceful restart, as the side that restarts', () => {
      const gracefulRestart = { restartTimeS: options.restartTimeS, restarted: false, forwardingPreserved: true };
      const staleness = async (router: Router) =>
        (await router.routes()).map(({ prefix, stale }) => `${prefix} ${stale ? 'stale' : 'fresh'}`).toSorted();
      const stale = both.map((prefix) => `${prefix} stale`);
      const fresh = both.map((prefix) => `${prefix} fresh`);

      const restarting = async () => {
        const { speaker, router, haleAddress } = await pair({ peer: { gracefulRestart } });
        await established({ speaker, router, haleAddress });
        await eventually(() => staleness(router)).toEqual(fresh);
        speaker.engine.stop({ message: 'restart', restarting: true });
        await eventually(() => staleness(router)).toEqual(stale);
        return { router, haleAddress };
      };
      const again = () => [{ address: host!.address4, remoteAsn: ROUTER_ASN, gracefulRestart: { ...gracefulRestart, restarted: true } }];

      test('its routes stay while it is away, and are fresh when it is back', async () => {
        const { router } = await restarting();
        const speaker = stage.speaker(hale!, { asn: HALE_ASN, peers: again(), routes: hostRoutes(...SHARED) });
        await eventually(() => speaker.status().state).toBe('Established');
        await eventually(() => staleness(router)).toEqual(fresh);
      });

      test('what it does not announce any more is gone with End-of-RIB, and not before', async () => {
        const { router } = await restarting();
        const speaker = stage.speaker(hale!, { asn: HALE_ASN, peers: again() });
        await eventually(() => speaker.status().state).toBe('Established');
        expect(await staleness(router)).toEqual(stale);
        speaker.engine.setRoutes(hostRoutes('fd77::100'));
        await eventually(() => staleness(router)).toEqual(['fd77::100/128 fresh']);
      });

      test('when it does not come back its routes go after the restart time', async () => {
        const { router } = await restarting();
        await eventually(() => staleness(router)).toEqual([]);
        expect(host!.run('ip', 'route')).not.toContain('10.77.0.100 ');
      });
    });
  });
}

/** TCP sockets of the host in this state, from or to port 179. */
function sockets(host: TestHost, state: string): number {
  return host.run('ss', '-tnH', 'state', state, '( sport = :179 or dport = :179 )').split('\n').length - 1;
}

/** Drops what TCP sends that matches one of these. */
function drop(host: TestHost, hook: 'output', ...matches: string[]): () => void {
  const chain = `add chain inet mute ${hook} { type filter hook ${hook} priority 0; }`;
  const rules = matches.map((match) => `add rule inet mute ${hook} meta l4proto tcp ${match} drop`);
  host.run('nft', ['add table inet mute', chain, ...rules].join('; '));
  return () => void host.run('nft', 'delete table inet mute');
}

function counter(host: TestHost, name: string): number {
  return Number(new RegExp(`^${name} +(\\d+)`, 'm').exec(host.run('nstat', '-asz', name))?.[1]);
}

function failures(host: TestHost): number {
  return counter(host, 'TcpExtTCPMD5Failure');
}
