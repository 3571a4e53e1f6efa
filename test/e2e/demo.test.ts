import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { DrillResult } from '../../src/core/drill/result.ts';
import { listLabs } from '../../src/lab/lab.ts';
import { hale } from '../support/hale.ts';
import { labImpossible } from '../support/lab.ts';

interface Demo {
  lab: { apiserver: string; hosts: { name: string; services: string[] }[] };
  drills: DrillResult[];
  report: string;
}

describe.skipIf(labImpossible !== undefined)(`the demo ${labImpossible ?? ''}`, () => {
  const cwd = mkdtempSync(join(tmpdir(), 'hale-demo-'));
  afterAll(() => rmSync(cwd, { recursive: true, force: true }));

  test.each(['4', '6', '46'])('with IP %s: one JSON document, a report, one holder at a time, and no lab left', async (families) => {
    const before = listLabs().length;
    const { stdout, stderr } = await hale(['demo', '--ip', families, '--kubernetes', 'stand-in', '--json'], { cwd });
    expect(stdout, stderr).toMatch(/^\{.*\}\n$/);
    const demo = JSON.parse(stdout) as Demo;
    expect(demo.lab.hosts.map((host) => host.services)).toEqual(Array.from({ length: 3 }, () => ['etcd', 'apiserver', 'agent']));
    expect(demo.drills).toMatchObject([{ scenario: 'owner-crash', holders: { maxSimultaneous: 1 }, report: demo.report }]);
    const report = readFileSync(demo.report, 'utf8');
    expect(report).toContain(demo.lab.apiserver);
    expect(listLabs()).toHaveLength(before);
  });
});
