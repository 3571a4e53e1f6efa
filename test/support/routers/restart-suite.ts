import { describe, expect, test } from 'vitest';
import { BOTH, HALE_ASN, type PairStage, ROUTER_ASN, SHARED } from './pair.ts';
import type { Router } from './router.ts';
import type { SuiteOptions } from './session-suite.ts';
import { hostRoutes } from './speaker.ts';
import { eventually } from './stage.ts';

export function describeRestart(stage: () => PairStage, options: Pick<SuiteOptions, 'restartTimeS'>): void {
  describe('RFC 4724: graceful restart, as the side that restarts', () => {
    const gracefulRestart = { restartTimeS: options.restartTimeS, restarted: false, forwardingPreserved: true };
    const staleness = async (router: Router) =>
      (await router.routes()).map(({ prefix, stale }) => `${prefix} ${stale ? 'stale' : 'fresh'}`).toSorted();
    const stale = BOTH.map((prefix) => `${prefix} stale`);
    const fresh = BOTH.map((prefix) => `${prefix} fresh`);

    const restarting = async () => {
      const { speaker, router, haleAddress } = await stage().establishedPair({ peer: { gracefulRestart } });
      await eventually(() => staleness(router)).toEqual(fresh);
      speaker.engine.stop({ message: 'restart', restarting: true });
      await eventually(() => staleness(router)).toEqual(stale);
      return { router, haleAddress };
    };
    const again = () => [
      { address: stage().host.address4, remoteAsn: ROUTER_ASN, gracefulRestart: { ...gracefulRestart, restarted: true } },
    ];

    test('its routes stay while it is away, and are fresh when it is back', async () => {
      const { router } = await restarting();
      const speaker = stage().speaker(stage().hale, { asn: HALE_ASN, peers: again(), routes: hostRoutes(...SHARED) });
      await eventually(() => speaker.status().state).toBe('Established');
      await eventually(() => staleness(router)).toEqual(fresh);
    });

    test('what it does not announce any more is gone with End-of-RIB, and not before', async () => {
      const { router } = await restarting();
      const speaker = stage().speaker(stage().hale, { asn: HALE_ASN, peers: again() });
      await eventually(() => speaker.status().state).toBe('Established');
      expect(await staleness(router)).toEqual(stale);
      speaker.engine.setRoutes(hostRoutes('fd77::100'));
      await eventually(() => staleness(router)).toEqual(['fd77::100/128 fresh']);
    });

    test('when it does not come back its routes go after the restart time', async () => {
      const { router } = await restarting();
      await eventually(() => staleness(router)).toEqual([]);
      expect(stage().host.run('ip', 'route')).not.toContain('10.77.0.100 ');
    });
  });
}
