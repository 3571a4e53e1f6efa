/** Routers that tell hale all they know: nothing of it is taken, and it costs no session. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { netnsProblem } from '../support/netns.ts';
import { bird } from '../support/routers/bird.ts';
import { frr } from '../support/routers/frr.ts';
import { hostRoutes } from '../support/routers/speaker.ts';
import { eventually, Stage } from '../support/routers/stage.ts';

const netns = netnsProblem();

describe.each([
  { kind: bird, count: 200_000 },
  { kind: frr, count: 20_000 },
])('a table of $count routes from $kind.title', ({ kind: routerKind, count }) => {
  const problem = netns ?? routerKind.problem;
  let stage: Stage;
  beforeEach(() => {
    stage = new Stage('hale', 'router');
  });
  afterEach(() => stage.end());

  test.skipIf(problem !== undefined)(
    `is heard, counted and forgotten, in a session of 3 s hold time${problem === undefined ? '' : ` (skipped: ${problem})`}`,
    async () => {
      const [hale, host] = [stage.hostAt(0), stage.hostAt(1)];
      const announces = Array.from({ length: count }, (_, i) =>
        i % 4 === 0
          ? `2001:db8:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::/64`
          : `${20 + (i >> 16)}.${(i >> 8) & 0xff}.${i & 0xff}.0/24`,
      );
      const before = hale.run('ip', 'route') + hale.run('ip', '-6', 'route');
      const router = await stage.router(routerKind, { host, asn: 65_001, announces, neighbors: [{ address: hale.address4, asn: 65_000 }] });
      const peers = [{ address: host.address4, remoteAsn: 65_001, holdTimeMs: 3000 }];
      const speaker = stage.speaker(hale, { asn: 65_000, peers, routes: hostRoutes('10.77.0.100', 'fd77::100') });
      await eventually(() => speaker.status().counters.prefixesReceived).toBeGreaterThanOrEqual(count);
      expect(hale.run('ip', 'route') + hale.run('ip', '-6', 'route')).toBe(before);
      await router.daemon.kill();
      await eventually(() => speaker.events.map(({ kind }) => kind)).toContain('down');
      expect(speaker.status().counters).toMatchObject({ established: 1, treatedAsWithdraw: 0, attributesDiscarded: 0 });
      expect(speaker.events.filter(({ kind }) => kind === 'warned')).toEqual([]);
    },
  );
});
