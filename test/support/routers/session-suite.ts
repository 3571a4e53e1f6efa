/** What every router has to see of hale's BGP speaker, and hale of it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GRACEFUL_SHUTDOWN } from '../../../src/core/bgp/community.ts';
import { netnsProblem } from '../netns.ts';
import { bgpSockets, dropSent } from './kernel.ts';
import { areEstablished, BOTH, HALE_ASN, PairStage, prefixesOf, ROUTER_ASN, SHARED } from './pair.ts';
import { describeRestart } from './restart-suite.ts';
import type { RouterKind } from './router.ts';
import { describeSecurity } from './security-suite.ts';
import { hostRoutes } from './speaker.ts';
import { eventually } from './stage.ts';

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

export function describeSessions(router: RouterKind, options: SuiteOptions): void {
  const problem = netnsProblem() ?? router.problem;

  describe.skipIf(problem !== undefined)(
    `BGP sessions with ${router.title}${problem === undefined ? '' : ` (skipped: ${problem})`}`,
    () => {
      let current: PairStage;
      const stage = () => current;
      beforeEach(() => {
        current = new PairStage(router);
      });
      afterEach(() => current.end());

      describeRoutes(stage, options);
      describeSecurity(stage, options);
      describeHoldTime(stage);
      describeNotifications(stage, options);
      describeCollision(stage);
      if (options.helpsRestart) describeRestart(stage, options);
    },
  );
}

function describeRoutes(stage: () => PairStage, options: SuiteOptions): void {
  test.each([
    { name: 'eBGP over IPv4', ipv6: false, haleAsn: HALE_ASN },
    { name: 'eBGP over IPv6', ipv6: true, haleAsn: HALE_ASN },
    { name: 'iBGP over IPv4', ipv6: false, haleAsn: ROUTER_ASN },
    { name: 'iBGP over IPv6', ipv6: true, haleAsn: ROUTER_ASN },
  ])('$name: routes of both families in one session (RFC 4760), and their attributes', async ({ ipv6, haleAsn }) => {
    const { speaker, router } = await stage().establishedPair({ ipv6, haleAsn });
    const attributes = { communities: [65_000 * 65_536 + 100, 65_000 * 65_536 + 200], med: 50, localPreference: 250 };
    speaker.engine.setRoutes(hostRoutes(...SHARED).map((route) => ({ ...route, ...attributes })));
    const internal = haleAsn === ROUTER_ASN;
    await eventually(async () => (await router.routes()).map(({ communities }) => communities)).toEqual([
      ['65000:100', '65000:200'],
      ['65000:100', '65000:200'],
    ]);
    const routes = (await router.routes()).toSorted((a, b) => a.prefix.localeCompare(b.prefix));
    expect(routes).toMatchObject([
      { prefix: '10.77.0.100/32', nextHop: stage().hale.address4, med: 50, asPath: internal ? '' : `${HALE_ASN}` },
      { prefix: 'fd77::100/128', nextHop: stage().hale.address6, med: 50, asPath: internal ? '' : `${HALE_ASN}` },
    ]);
    // RFC 4271 section 5.1.5: to internal peers alone.
    for (const { localPreference } of routes) expect([100, undefined].includes(localPreference)).toBe(!internal);
    if (internal) expect(routes.map(({ localPreference }) => localPreference)).toEqual([250, 250]);
    expect(speaker.status()).toMatchObject({
      announced: BOTH,
      unannounced: [],
      session: {
        families: ['IPv4', 'IPv6'],
        remoteRouterId: stage().host.address4,
        capabilities: { fourOctetAsn: true, routeRefresh: true },
      },
    });
  });

  test('a route that is withdrawn is gone, and one that stays is not sent again', async () => {
    const { speaker, router } = await stage().establishedPair();
    await eventually(() => prefixesOf(router)).toEqual(BOTH);
    const before = speaker.status().counters.sent.update;
    speaker.engine.setRoutes(hostRoutes('10.77.0.100'));
    await eventually(() => prefixesOf(router)).toEqual(['10.77.0.100/32']);
    speaker.engine.setRoutes([]);
    await eventually(() => prefixesOf(router)).toEqual([]);
    speaker.engine.setRoutes(hostRoutes('10.77.0.100'));
    await eventually(() => prefixesOf(router)).toEqual(['10.77.0.100/32']);
    expect(speaker.status().counters.sent.update).toBe(before + 3);
  });

  test('RFC 8326: a route that is being drained carries GRACEFUL_SHUTDOWN', async () => {
    const { speaker, router } = await stage().establishedPair({ haleAsn: ROUTER_ASN });
    speaker.engine.setRoutes(hostRoutes(...SHARED).map((route) => ({ ...route, communities: [GRACEFUL_SHUTDOWN], localPreference: 0 })));
    await eventually(async () => (await router.routes()).map((route) => [...route.communities, route.localPreference])).toEqual([
      ['65535:0', 0],
      ['65535:0', 0],
    ]);
  });

  test('what the router announces is counted, and taken nowhere', async () => {
    const announces = ['203.0.113.0/24', '198.51.100.0/24', '2001:db8::/48'];
    const before = stage().hale.run('ip', 'route') + stage().hale.run('ip', '-6', 'route');
    const { speaker } = await stage().establishedPair({ routes: [], router: { announces } });
    await eventually(() => speaker.status().counters.prefixesReceived).toBe(3);
    expect(stage().hale.run('ip', 'route') + stage().hale.run('ip', '-6', 'route')).toBe(before);
    expect(speaker.status()).toMatchObject({ state: 'Established', counters: { treatedAsWithdraw: 0, attributesDiscarded: 0 } });
  });

  test.skipIf(!options.asksAgain)('RFC 2918: asked for its routes again, hale sends them again', async () => {
    const { speaker, router, haleAddress } = await stage().establishedPair();
    await eventually(() => prefixesOf(router)).toEqual(BOTH);
    const before = speaker.status().counters.sent.update;
    await router.refresh(haleAddress);
    await eventually(() => speaker.status().counters.received.routeRefresh).toBe(2);
    expect(speaker.status().counters.sent.update).toBe(before + 2);
    expect(await prefixesOf(router)).toEqual(BOTH);
    expect(speaker.status()).toMatchObject({ state: 'Established', counters: { established: 1 } });
  });
}

function describeHoldTime(stage: () => PairStage): void {
  describe('hold time (RFC 4271 sections 4.2, 6.5)', () => {
    test.each([
      { ours: 90_000, theirs: 9 },
      { ours: 6000, theirs: 90 },
    ])('the smaller one of $ours ms here and $theirs s there is kept', async ({ ours, theirs }) => {
      const { speaker } = await stage().establishedPair({ peer: { holdTimeMs: ours }, router: { holdTimeS: theirs } });
      expect(speaker.status().session?.holdTimeMs).toBe(Math.min(ours, theirs * 1000));
    });

    test('a router that is silent is told Hold Timer Expired, and is met again when it is back', async () => {
      const { speaker, router } = await stage().establishedPair({ peer: { holdTimeMs: 3000 } });
      router.daemon.freeze();
      await eventually(() => speaker.events.find(({ kind }) => kind === 'down')).toMatchObject({
        error: { notification: 'sent', code: 4, subcode: 0, text: 'Hold Timer Expired' },
      });
      router.daemon.resume();
      await eventually(() => speaker.status().counters.established, 50_000).toBe(2);
      await eventually(() => prefixesOf(router)).toEqual(BOTH);
    });

    test('a router that does not hear hale says Hold Timer Expired, and hale says that it was said', async () => {
      const { speaker } = await stage().establishedPair({ peer: { holdTimeMs: 3000 } });
      // Acknowledgements pass, with the 12 bytes of a selective one too, or the router could say nothing either; messages do not.
      dropSent(stage().hale, 'meta length > 68');
      await eventually(() => speaker.events.find(({ kind }) => kind === 'down')).toMatchObject({
        error: { notification: 'received', code: 4, text: 'Hold Timer Expired' },
      });
    });
  });
}

function describeNotifications(stage: () => PairStage, options: SuiteOptions): void {
  describe('NOTIFICATIONs', () => {
    test('RFC 4271 section 6.2: a number that is not the configured one is a Bad Peer AS, for whichever side looks first', async () => {
      const { speaker, router, haleAddress } = await stage().pair({ neighbor: { asn: 65_099 } });
      await eventually(() => speaker.status().lastError).toMatchObject({ code: 2, subcode: 2, text: 'OPEN Message Error/Bad Peer AS' });
      expect(speaker.status().counters.established).toBe(0);
      expect((await router.session(haleAddress)).established).toBe(false);
    });

    test('RFC 9003: hale that stops says why, and its routes are gone at once', async () => {
      const { speaker, router, haleAddress } = await stage().establishedPair();
      await eventually(() => prefixesOf(router)).toEqual(BOTH);
      speaker.engine.stop({ message: 'Wartung bis 14 Uhr – über hale' });
      const { shutdownWords } = options;
      if (shutdownWords !== undefined) {
        await eventually(async () => router.daemon.log + (await router.session(haleAddress)).text).toContain(shutdownWords);
      }
      await eventually(() => prefixesOf(router)).toEqual([]);
    });

    test('a router that ends the session is understood, with its text', async () => {
      const { speaker, router, haleAddress } = await stage().establishedPair();
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
}

function describeCollision(stage: () => PairStage): void {
  test.each([
    { name: 'higher', routerId: '10.77.255.255' },
    { name: 'lower', routerId: '10.77.0.0' },
  ])('RFC 4271 section 6.8: both sides connect at once, hale with the $name identifier: one connection stays', async ({ routerId }) => {
    const remove = dropSent(stage().hale, 'tcp flags & (syn | ack) == syn', 'tcp flags & (syn | ack) == syn | ack');
    const { speaker, router, haleAddress } = await stage().pair({
      haleFirst: true,
      neighbor: { connectRetryS: 60 },
      peer: { routerId, connectRetryMs: 60_000 },
    });
    // While the router stands still its kernel makes both connections, so that each side has sent its OPEN on both before one is answered.
    await eventually(() => bgpSockets(stage().host, 'syn-sent')).toBe(1);
    router.daemon.freeze();
    remove();
    await eventually(() => [bgpSockets(stage().hale, 'established'), bgpSockets(stage().host, 'established')]).toEqual([2, 2]);
    await eventually(() => speaker.status().counters.sent.open).toBe(2);
    router.daemon.resume();
    await areEstablished({ speaker, router, haleAddress });
    await eventually(() => prefixesOf(router)).toEqual(BOTH);
    await eventually(() => [bgpSockets(stage().hale, 'established'), bgpSockets(stage().host, 'established')]).toEqual([1, 1]);
    // Where one side is Established already and the other is not quite (section 6.8), each closes another one, and they meet again.
    expect(speaker.status().state).toBe('Established');
  });
}
