import { describe, expect, test } from 'vitest';
import { timingProfiles } from '../../../src/core/lease/timing.ts';
import { SCENARIOS, scenarioByName } from '../../../src/core/drill/scenario.ts';
import { outageBoundMs } from '../../../src/core/drill/verdict.ts';

describe('drills as data', () => {
  test('names are unique and found', () => {
    expect(new Set(SCENARIOS.map(({ name }) => name)).size).toBe(SCENARIOS.length);
    for (const scenario of SCENARIOS) expect(scenarioByName(scenario.name)).toBe(scenario);
    expect(scenarioByName('no-such-drill')).toBeUndefined();
  });

  test.each(SCENARIOS)(
    '$name: is watched past its undo, and past what makes a connection hang',
    ({ undoAfterMs, observeMs, description }) => {
      expect(observeMs).toBeGreaterThan(undoAfterMs);
      expect(observeMs).toBeGreaterThan(5000);
      expect(description).toMatch(/^[A-Z].*\.$/);
    },
  );

  test.each(SCENARIOS)(
    '$name: no connection may hang, and with dsr, or where the address stays, none is lost but on the struck host',
    (scenario) => {
      const { hungMax, survivorsLostMax, holder } = scenario.expect;
      expect(hungMax).toBe(0);
      expect(survivorsLostMax).toEqual(holder === 'stays' ? { dsr: 0, nat: 0, ipvs: 0, proxy: 0 } : { dsr: 0 });
    },
  );

  test.each(SCENARIOS)('$name: an address that stays costs no lease, one that moves without its holder’s help at most one', (scenario) => {
    const { holder, outage } = scenario.expect;
    const leases = holder === 'stays' || scenario.fault === 'drain' ? 0 : scenario.fault === 'agent-kill' ? 0.5 : 1;
    expect(outage.leases).toBe(leases);
    for (const { leaseMs } of Object.values(timingProfiles)) {
      expect(outageBoundMs(scenario, { leaseMs })).toBe(outage.leases * leaseMs + outage.plusMs);
    }
  });
});
