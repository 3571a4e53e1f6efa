import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DrillResult } from '../../src/core/drill/result.ts';
import { SCENARIOS, type Scenario, scenarioByName } from '../../src/core/drill/scenario.ts';
import { hale, haleJson } from '../support/hale.ts';
import { labImpossible } from '../support/lab.ts';

const lab = `e2e-${process.pid}`;

describe.skipIf(labImpossible !== undefined)(`drills on a lab of three hosts with real etcd ${labImpossible ?? ''}`, () => {
  const cwd = mkdtempSync(join(tmpdir(), 'hale-e2e-'));
  beforeAll(async () => {
    await haleJson(['lab', 'up', '--name', lab]);
  });
  afterAll(async () => {
    await hale(['lab', 'down', '--name', lab]);
    rmSync(cwd, { recursive: true, force: true });
  });

  // How long an outage lasts is judged by the drill and measured in bench/; here only what no slow machine excuses.
  test.each(SCENARIOS.map((scenario) => scenario.name))('%s: one holder at a time, and every client is served or told', async (name) => {
    const scenario = scenarioByName(name) as Scenario;
    const { stdout } = await hale(['drill', 'run', name, '--name', lab, '--json'], { cwd });
    const result = JSON.parse(stdout) as DrillResult;
    expect(result).toMatchObject({ scenario: name, endpoint: '10.66.0.100:8443', holders: { maxSimultaneous: 1, overlapMs: 0 } });
    if (scenario.expect.holder === 'changes') expect(result.holderAfter).not.toBe(result.holderBefore);
    else expect(result.holderAfter).toBe(result.holderBefore);
    expect(result.holderAfter).not.toBeNull();
    expect(result.requests.failed).toBeLessThanOrEqual(scenario.expect.failedMax ?? result.requests.total);
    expect(result.connections.hung).toBeLessThanOrEqual(scenario.expect.hungMax ?? result.connections.total);
    expect(result.apiserver).toMatch(/^stand-in$|^kube-apiserver v/);
    const { total, kept, reset, hung } = result.connections;
    expect([kept + reset + hung, total]).toEqual([total, 300]);
    expect(readFileSync(result.report as string, 'utf8')).toContain('<svg');
  });
});
