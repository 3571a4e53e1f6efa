import { describe, expect, test } from 'vitest';
import { counter } from './kernel.ts';
import type { PairStage } from './pair.ts';
import type { SuiteOptions } from './session-suite.ts';
import { eventually } from './stage.ts';

export function describeSecurity(stage: () => PairStage, options: Pick<SuiteOptions, 'checksTtl'>): void {
  describe('TCP MD5 (RFC 2385)', () => {
    test.each([{ ipv6: false }, { ipv6: true }])('one key on both sides, IPv6: $ipv6', async ({ ipv6 }) => {
      const key = { password: 'correct-horse' };
      await stage().establishedPair({ ipv6, neighbor: key, peer: key });
    });

    test('another key: no session, whoever connects, and no word of the keys', async () => {
      const { speaker, router, haleAddress } = await stage().pair({
        neighbor: { password: 'theirs-secret' },
        peer: { password: 'ours-secret', connectRetryMs: 1000 },
      });
      await eventually(() => counter(stage().hale, 'TcpExtTCPMD5Failure')).toBeGreaterThan(1);
      await eventually(() => counter(stage().host, 'TcpExtTCPMD5Failure')).toBeGreaterThan(1);
      expect(speaker.status().state).toMatch(/^(Connect|Active)$/);
      expect((await router.session(haleAddress)).established).toBe(false);
      expect(JSON.stringify([speaker.status(), speaker.events])).not.toContain('secret');
    });
  });

  describe('GTSM (RFC 5082)', () => {
    test.each([{ ipv6: false }, { ipv6: true }])('both sides ask for 255, IPv6: $ipv6', async ({ ipv6 }) => {
      await stage().establishedPair({ ipv6, neighbor: { ttlSecurity: true }, peer: { ttlSecurityHops: 1 } });
    });

    test.skipIf(!options.checksTtl)('hale that does not send 255 is not heard', async () => {
      const { speaker, router, haleAddress } = await stage().pair({
        neighbor: { ttlSecurity: true },
        peer: { ttl: 64, connectRetryMs: 1000 },
      });
      await eventually(() => counter(stage().host, 'TcpExtTCPMinTTLDrop')).toBeGreaterThan(1);
      expect([speaker.status().counters.established, (await router.session(haleAddress)).established]).toEqual([0, false]);
    });

    test('a router that does not send 255 is not heard', async () => {
      const { speaker, router, haleAddress } = await stage().pair({ peer: { ttlSecurityHops: 1, connectRetryMs: 1000 } });
      await eventually(() => counter(stage().hale, 'TcpExtTCPMinTTLDrop')).toBeGreaterThan(1);
      expect([speaker.status().counters.established, (await router.session(haleAddress)).established]).toEqual([0, false]);
    });
  });
}
