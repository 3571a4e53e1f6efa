import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../../src/lab/host.ts';
import { STAND_IN } from '../../src/lab/kubernetes/programs.ts';
import { createLab, type Lab, listLabs, removeLab } from '../../src/lab/lab.ts';
import { hale } from '../support/hale.ts';
import { dataFolder, etcdServes, everyStep, fingerprint, journalOf, killedAt, put, succeeds, value } from '../support/etcd-operation.ts';
import { labImpossible } from '../support/lab.ts';

const PATIENCE_MS = 600_000;

let base: string;

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'hale-recover-test-'));
  process.env['HALE_LAB_DIR'] = base;
});

afterEach(async () => {
  for (const { name } of listLabs()) await removeLab(name);
}, PATIENCE_MS);

afterAll(() => {
  rmSync(base, { recursive: true });
  delete process.env['HALE_LAB_DIR'];
});

/** A lab in which a write was acknowledged. */
async function written(hosts: number): Promise<Lab> {
  const lab = await createLab({ name: 'r', hosts, kubernetes: STAND_IN, services: ['etcd', 'apiserver'] });
  await put(lab.host('cp1'), 'kept', 'then');
  return lab;
}

/** Ends etcd there and destroys its data, as a disk that fails does. */
async function loseData(host: LabHost): Promise<void> {
  await host.kill('etcd');
  await host.exec(['sh', '-c', 'rm -rf /var/lib/etcd/member']);
}

const recover = (...args: string[]) => ['etcd', 'recover', '--lab', 'r', ...args];

describe.skipIf(labImpossible !== undefined)(`hale etcd recover ${labImpossible ?? ''}`, { timeout: PATIENCE_MS }, () => {
  test('two of three that are off for good: the third goes on alone, with all that it knew', async () => {
    const lab = await written(3);
    expect(await hale(recover('--yes'))).toMatchObject({ code: 2, stderr: expect.stringContaining('[etcd_quorum_there]') });
    for (const name of ['cp1', 'cp3']) await lab.host(name).powerOff();
    expect(await hale(recover('--yes'))).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/etcd_hosts_unreachable[^]*--lost cp1,cp3/),
    });
    const shown = await hale(recover('--lost', 'cp1,cp3', '--dry-run'));
    expect(shown.stdout).toMatch(/cp1 and cp3 may have acknowledged[^]*must never start etcd again/);
    expect(journalOf(lab)).toEqual([]);
    const { stdout } = await succeeds(recover('--lost', 'cp1,cp3', '--yes', '--json'));
    expect(JSON.parse(stdout)).toMatchObject({
      state: 'finished',
      afterwards: expect.arrayContaining([expect.stringContaining('bears no failure')]),
    });
    const cp2 = lab.host('cp2');
    expect(await value(cp2, 'kept')).toBe('then');
    expect((await fingerprint(cp2)).members.map(({ name }) => name)).toEqual(['cp2']);
    expect(dataFolder(cp2)).toEqual(['member', expect.stringMatching(/^member-before-recover-/)]);
    // Its own start, with the flags that it always had, is one of the new cluster.
    await cp2.kill('etcd');
    await cp2.restart('etcd');
    await etcdServes(cp2);
    expect((await fingerprint(cp2)).members).toHaveLength(1);
    expect(cp2.running('apiserver')).toBe(true);
  });

  test('killed at every step, it goes on, and the others join with empty folders', async () => {
    const lab = await written(3);
    for (const name of ['cp2', 'cp3']) await loseData(lab.host(name));
    await killedAt(lab, 'stop-apiserver', recover('--yes'));
    expect(await hale(recover('--yes'))).toMatchObject({ code: 2, stderr: expect.stringContaining('[operation_open]') });
    const steps = [
      'stop-etcd',
      'furthest',
      'keep',
      'force',
      'normal',
      'join-cp2',
      'join-cp3',
      'compare',
      'start-apiserver',
      'start-apiservers',
    ];
    for (const step of steps) await killedAt(lab, step, recover('--resume'));
    await succeeds(recover('--resume'));
    const found = await fingerprint(lab.host('cp3'));
    expect(found.members.map(({ name }) => name)).toEqual(['cp1', 'cp2', 'cp3']);
    expect(await value(lab.host('cp2'), 'kept')).toBe('then');
    for (const host of lab.controlPlane) expect(host.running('apiserver')).toBe(true);
  });

  test.each(everyStep(['keep', 'normal', 'join-cp3'], { usually: ['normal'] }))(
    'killed at %s, it puts the data of before back',
    async (step) => {
      const lab = await written(3);
      const before = (await lab.host('cp1').exec(['sh', '-c', 'cd /var/lib/etcd/member/wal && ls'])).stdout;
      for (const name of ['cp2', 'cp3']) await loseData(lab.host(name));
      await killedAt(lab, step, recover('--yes'));
      await succeeds(recover('--rollback'));
      expect((await lab.host('cp1').exec(['sh', '-c', 'cd /var/lib/etcd/member/wal && ls'])).stdout).toBe(before);
      // The quorum is lost as it was, and what can be read is what was there.
      await succeeds(recover('--yes'));
      expect(await value(lab.host('cp2'), 'kept')).toBe('then');
    },
  );

  test('five with three dead: the one that got furthest is taken, and all five are one cluster again', async () => {
    const lab = await written(5);
    await lab.host('cp4').kill('etcd');
    // It may have been the leader.
    await etcdServes(lab.host('cp1'));
    await put(lab.host('cp1'), 'late', 'known to cp5, not to cp4');
    expect(await value(lab.host('cp5'), 'late')).toBe('known to cp5, not to cp4');
    for (const name of ['cp1', 'cp2', 'cp3']) await loseData(lab.host(name));
    const shown = await hale(recover('--dry-run'));
    expect(shown.stdout).toMatch(/cp5 is taken because it has committed most/);
    await succeeds(recover('--yes'));
    const found = await fingerprint(lab.host('cp4'));
    expect(found.members.map(({ name }) => name)).toEqual(['cp1', 'cp2', 'cp3', 'cp4', 'cp5']);
    expect(await value(lab.host('cp4'), 'late')).toBe('known to cp5, not to cp4');
  });

  test('members that are only stopped are started, not given up', async () => {
    const lab = await written(3);
    for (const name of ['cp1', 'cp2']) await lab.host(name).kill('etcd');
    expect(await hale(recover('--yes'))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/cp1, cp2, cp3.*\[etcd_quorum_possible\]/),
    });
    expect(lab.host('cp3').running('etcd')).toBe(true);
  });
});
