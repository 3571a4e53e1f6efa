import { afterEach, describe, expect, test, vi } from 'vitest';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import type { EtcdAdmin } from '../../../src/ports/etcd-admin.ts';
import { type EtcdCluster, startEtcdCluster } from '../../support/etcd-cluster.ts';
import { type EtcdCommand, etcdCommand } from '../../support/etcd-command.ts';
import { type EtcdLine, etcdProblem } from '../../support/etcd-programs.ts';

const QUOTA_BYTES = 16 * 2 ** 20;
vi.setConfig({ testTimeout: 150_000 });

const bytes = (text: string) => Buffer.from(text);

let cluster: EtcdCluster | undefined;
let etcd: EtcdAdmin | undefined;

afterEach(async () => {
  etcd?.close();
  await cluster?.close();
  cluster = undefined;
});

async function start(version: EtcdLine): Promise<{ client: EtcdAdmin; command: EtcdCommand }> {
  cluster = await startEtcdCluster({ members: 3, version, flags: { 'quota-backend-bytes': QUOTA_BYTES } });
  etcd = createEtcdAdmin({ ...cluster, timeoutMs: 5000 });
  return { client: etcd, command: etcdCommand(cluster) };
}

/** Writes until etcd refuses. */
async function fill(client: EtcdAdmin, keys: number): Promise<void> {
  const value = Buffer.alloc(256 * 1024, 'v');
  const filling = async () => {
    for (let i = 0; ; i++) await client.put(bytes(`fill/${i % keys}`), value);
  };
  await expect(filling()).rejects.toThrow('database space exceeded');
}

interface Reclaimed {
  report: { disarmed: string[]; proved: boolean; stopped: { reason: string; message: string } | null };
}

describe.each(['3.4', '3.5', '3.6', '3.7'] as const)('NOSPACE with etcd %s', (version) => {
  const problem = etcdProblem(version);

  test.skipIf(problem !== undefined)(
    `disarming does not help while the database is full; reclaim-space does, with what was written kept${problem === undefined ? '' : ` (${problem})`}`,
    async () => {
      const { client, command } = await start(version);
      await client.put(bytes('kept'), bytes('value'));
      await fill(client, 4);
      expect(await command.run('alarm', 'list')).toMatchObject({ code: 1, stdout: expect.stringContaining('NOSPACE') });

      const refused = await command.run('alarm', 'disarm', '--yes');
      expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('etcd_still_full') });
      expect((await command.run('alarm', 'disarm', '--yes', '--force')).code).toBe(0);
      // It is right to refuse: the next write that is large enough raises it again.
      await fill(client, 4);
      expect(await client.alarms()).not.toEqual([]);

      expect((await command.run('defrag', '--dry-run')).stderr).toContain('hale etcd reclaim-space compacts before, and disarms after');
      const { report, code } = await command.json<Reclaimed>('reclaim-space', '--yes');
      expect([code, report.stopped, report.proved]).toEqual([0, null, true]);
      expect(await client.alarms()).toEqual([]);
      await client.put(bytes('after'), bytes('x'));
      expect((await client.range(bytes('kept'))).kvs.map(({ value }) => Buffer.from(value).toString())).toEqual(['value']);
      expect((await client.range(bytes('/hale/'), { rangeEnd: bytes('/hale0') })).count).toBe(0);
    },
  );
});

test('what is still there fills it: reclaim-space says so and does not disarm; after deletions it does', async () => {
  const { client, command } = await start('3.4');
  await fill(client, 1000);
  const first = await command.json<Reclaimed>('reclaim-space', '--yes', '--max-in-use', '50');
  expect(first.code).toBe(1);
  expect(first.report).toMatchObject({ disarmed: [], proved: false, stopped: { reason: 'too_full' } });
  expect(await client.alarms()).not.toEqual([]);
  await client.deleteRange(bytes('fill/'), { rangeEnd: bytes('fill0') });
  expect((await command.json<Reclaimed>('reclaim-space', '--yes')).report).toMatchObject({ proved: true, stopped: null });
});
