import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DrillResult } from '../../src/core/drill/result.ts';
import { SCENARIOS } from '../../src/core/drill/scenario.ts';
import { hale, haleJson } from '../support/hale.ts';
import { labImpossible } from '../support/lab.ts';

const name = `e2e-${process.pid}`;

describe.skipIf(labImpossible !== undefined)(`drills on a lab of three hosts with real etcd ${labImpossible ?? ''}`, () => {
  const cwd = mkdtempSync(join(tmpdir(), 'hale-e2e-'));
  beforeAll(async () => {
    await haleJson(['lab', 'up', '--name', name]);
  });
  afterAll(async () => {
    await hale(['lab', 'down', '--name', name]);
    rmSync(cwd, { recursive: true, force: true });
  });

  test.each(SCENARIOS.map((scenario) => scenario.name))('%s: the verdict is a pass, and never two hosts answer', async (scenario) => {
    const result = await haleJson<DrillResult>(['drill', 'run', scenario, '--name', name], { cwd });
    expect(result.reasons).toEqual([]);
    expect(result).toMatchObject({ scenario, endpoint: '10.66.0.100:8443', verdict: 'pass', holders: { maxSimultaneous: 1, overlapMs: 0 } });
    expect(result.apiserver).toMatch(/^stand-in$|^kube-apiserver v/);
    const { total, kept, reset, hung } = result.connections;
    expect([kept + reset + hung, total]).toEqual([total, 300]);
    expect(readFileSync(result.report as string, 'utf8')).toContain('<svg');
  });
});
