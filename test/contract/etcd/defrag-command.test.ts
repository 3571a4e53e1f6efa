import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test, vi } from 'vitest';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import type { EtcdAdmin } from '../../../src/ports/etcd-admin.ts';
import { type EtcdCluster, startEtcdCluster, untilLed } from '../../support/etcd-cluster.ts';
import { type EtcdCommand, etcdCommand } from '../../support/etcd-command.ts';
import { fragment } from '../../support/etcd-fragment.ts';
import { HALE, until } from '../../support/hale.ts';

vi.setConfig({ testTimeout: 150_000 });

const bytes = (text: string) => Buffer.from(text);

let cluster: EtcdCluster | undefined;
let etcd: EtcdAdmin | undefined;

afterEach(async () => {
  etcd?.close();
  await cluster?.close();
  cluster = undefined;
});

async function start(members: number): Promise<{ rig: EtcdCluster; client: EtcdAdmin; command: EtcdCommand }> {
  cluster = await startEtcdCluster({ members });
  etcd = createEtcdAdmin({ ...cluster, timeoutMs: 5000 });
  return { rig: cluster, client: etcd, command: etcdCommand(cluster) };
}

test('killed with -9 at any step, the next run goes on where it was', async () => {
  const { rig, client, command } = await start(3);
  await fragment(rig, client, { liveMib: 1, goneMib: 16 });
  for (const moment of [/: defragmenting/, /leadership moves/, /(: defragmenting[^]*){3}/]) {
    // As when the lease of the killed one has ended.
    await client.deleteRange(bytes('/hale/etcd/operation'));
    const child = spawn(HALE, command.words('defrag', '--yes', '--all'), { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (moment.test(said)) child.kill('SIGKILL');
    });
    await once(child, 'close');
  }
  // Who is gone is known to be so on the same host, and its lock is waited for.
  const { code, report } = await command.json<{ report: { done: unknown[]; stopped: unknown } }>('defrag', '--yes', '--all');
  expect([code, report.done.length, report.stopped]).toEqual([0, 3, null]);
});

test('Ctrl-C: the member at work is waited for, and the rest is named', async () => {
  const { rig, client, command } = await start(3);
  await fragment(rig, client, { liveMib: 1, goneMib: 16 });
  const child = spawn(HALE, command.words('defrag', '--yes', '--min-free-mib', '8'), { stdio: ['ignore', 'pipe', 'pipe'] });
  let [told, said] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (told += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (!said.includes(': defragmenting') && (said + text).includes(': defragmenting')) child.kill('SIGINT');
    said += text;
  });
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(1);
  expect(told).toMatch(/Stopped: interrupted\.\nLeft: (m\d), (m\d)\..*hale etcd defrag \1 \2\n$/);
  expect(said.match(/: done after/g)).toHaveLength(1);
  await until(
    () => client.range(bytes('/hale/etcd/operation')),
    ({ count }) => count === 0,
    'the lock is given back',
  );
});

test('compact drops history up to where it is told, refuses the future, and knows of kube-apiserver', async () => {
  const { client, command } = await start(3);
  await client.put(bytes('compact_rev_key'), bytes('1'));
  for (let i = 0; i < 20; i++) await client.put(bytes('a'), bytes(`${i}`));
  const { revision } = await client.put(bytes('b'), bytes('x'));

  expect(await command.run('compact', '--revision', `${revision + 100}`, '--yes')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('etcd_revision_future'),
  });
  const dry = await command.run('compact', '--keep', '5', '--dry-run');
  expect(dry).toMatchObject({ code: 0, stderr: expect.stringContaining('compacts this etcd by itself every 5 minutes') });
  await client.range(bytes('a'), { revision: revision - 10 });
  expect((await command.json<{ plan: { revision: number } }>('compact', '--keep', '5', '--yes')).plan.revision).toBe(revision - 5);
  await expect(client.range(bytes('a'), { revision: revision - 10 })).rejects.toMatchObject({ code: 'etcd_compacted' });
  await client.range(bytes('a'), { revision: revision - 4 });
  expect((await command.run('compact', '--revision', '3', '--yes')).stdout).toContain('was gone already');
  expect((await command.run('compact')).stderr).toContain('not_confirmed');
});

test('move-leader moves to the freshest voter or the one that is named; where nothing is wrong, the other commands do nothing', async () => {
  const { rig, client, command } = await start(3);
  const leader = async () => {
    const statuses = await Promise.all(rig.endpoints.map((url) => client.status(url)));
    return rig.members[statuses.findIndex(({ memberId, leaderId }) => memberId === leaderId)]?.name;
  };
  const before = await leader();
  const target = ['m1', 'm2', 'm3'].find((name) => name !== before) as string;
  expect(await command.json('move-leader', target, '--yes')).toMatchObject({ code: 0, from: before, to: target, moved: true });
  expect(await leader()).toBe(target);
  expect((await command.run('move-leader', target, '--yes')).stdout).toBe(`${target} leads already.\n`);
  expect(await command.json('move-leader', '--yes')).toMatchObject({ from: target, moved: true });
  expect(await command.run('move-leader', 'm9', '--yes')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('etcd_member_unknown'),
  });
  expect(await command.run('defrag', 'm9')).toMatchObject({ code: 2, stderr: expect.stringContaining('etcd_member_unknown') });
  expect(await command.run('alarm', 'list')).toMatchObject({ code: 0, stdout: 'no alarm\n' });
  expect(await command.run('reclaim-space')).toMatchObject({ code: 0, stderr: expect.stringContaining('there is nothing to do') });
});

test('a cluster of one is defragmented only by somebody who says that nothing is served meanwhile', async () => {
  const { rig, client, command } = await start(1);
  await fragment(rig, client, { liveMib: 1, goneMib: 16 });
  expect(await command.run('defrag', '--all')).toMatchObject({ code: 3, stderr: expect.stringContaining('etcd_defrag_stops_writes') });
  const { report } = await command.json<{ report: { done: { sizeAfterBytes: number }[] } }>('defrag', '--all', '--yes');
  expect(report.done[0]?.sizeAfterBytes).toBeLessThan(8 * 2 ** 20);
});

test('of five members one may be dead, two may not', async () => {
  const { rig, command } = await start(5);
  await rig.members[4]?.kill();
  await untilLed(rig, { alive: 4 });
  const { code, plan, report } = await command.json<{ plan: { skipped: { name: string }[] }; report: { done: { name: string }[] } }>(
    'defrag',
    '--all',
    '--yes',
  );
  expect(code).toBe(0);
  expect(plan.skipped.map(({ name }) => name)).toEqual(['m5']);
  expect(report.done.map(({ name }) => name).toSorted()).toEqual(['m1', 'm2', 'm3', 'm4']);
  await rig.members[3]?.kill();
  await untilLed(rig, { alive: 3 });
  expect(await command.run('defrag', '--all', '--yes')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('2 of 5 are fewer than 3'),
  });
});
