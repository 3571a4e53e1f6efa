import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ElectionRecord } from '../../../src/core/election/record.ts';
import { createEtcdClient } from '../../../src/drivers/etcd/client.ts';
import { createEtcdLock } from '../../../src/drivers/etcd/lock.ts';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import { ElectionEngine } from '../../../src/engine/election.ts';
import type { Etcd } from '../../../src/ports/etcd.ts';
import type { Lock } from '../../../src/ports/lock.ts';
import { type EtcdCluster, startEtcdCluster, untilEtcdAnswers } from '../../support/etcd-cluster.ts';

const record: ElectionRecord = {
  holderIdentity: 'cp1',
  leaseDurationSeconds: 15,
  acquireTime: '2026-01-02T03:04:05.000006Z',
  renewTime: '2026-01-02T03:04:06.000007Z',
  leaseTransitions: 2,
};

let cluster: EtcdCluster;
let etcd: Etcd;
const locks: Lock[] = [];

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 3 });
  etcd = createEtcdClient(cluster);
});

afterAll(async () => {
  for (const lock of locks) lock.close();
  etcd?.close();
  await cluster?.close();
});

/** A candidate's own connection to the record of this name. */
function lockOf(name: string): Lock {
  const client = createEtcdClient({ ...cluster, timeoutMs: 1000 });
  const lock = createEtcdLock({ etcd: { current: () => client, close: () => client.close() }, cluster: 'prod', name });
  locks.push(lock);
  return lock;
}

const valueOf = async (name: string) =>
  Buffer.from((await etcd.range(Buffer.from(`/hale/election/prod/${name}`))).kvs[0]?.value ?? []).toString();

async function written(lock: Lock, version: string | undefined): Promise<string> {
  const result = await lock.write(record, version);
  if (result.kind !== 'written') throw new Error(JSON.stringify(result));
  return result.version;
}

test('a record is made, read by another, and replaced only at the version that was read', async () => {
  const [mine, others] = [lockOf('cas'), lockOf('cas')];
  expect(mine.name).toBe('etcd key /hale/election/prod/cas');
  expect(await mine.read()).toEqual({ kind: 'absent' });
  const first = await written(mine, undefined);
  expect(JSON.parse(await valueOf('cas'))).toEqual(record);
  expect(await others.read()).toEqual({ kind: 'found', record, version: first });
  expect(await others.write(record, undefined)).toEqual({ kind: 'conflict' });
  const second = await written(others, first);
  expect(second).not.toBe(first);
  expect(await mine.write(record, first)).toEqual({ kind: 'conflict' });
  expect(await mine.read()).toMatchObject({ version: second });
});

test('something else under the key is said, and not replaced', async () => {
  await etcd.put(Buffer.from('/hale/election/prod/odd'), Buffer.from('{"holderIdentity":1}'));
  const lock = lockOf('odd');
  expect(await lock.read()).toEqual({
    kind: 'failed',
    reason: '/hale/election/prod/odd holds no record of an election; delete it: etcdctl del /hale/election/prod/odd',
  });
  expect(await lock.write(record, undefined)).toEqual({ kind: 'conflict' });
});

test('three candidates: one owns, another does after it has let go, and nobody while etcd has no majority', async () => {
  const timing = { durationMs: 2000, renewDeadlineMs: 1500, retryMs: 300 };
  const engines = [1, 2, 3].map(
    (seed) =>
      new ElectionEngine({
        identity: `cp${seed}`,
        timing,
        seed,
        clock: boottime,
        lock: lockOf('live'),
        wallTime: () => new Date().toISOString(),
        onEvent: () => undefined,
      }),
  );
  const owners = () => engines.filter(({ owns }) => owns);
  const until = async (count: number) => {
    while (owners().length !== count) await sleep(5);
    return owners()[0] as ElectionEngine;
  };
  try {
    for (const engine of engines) engine.compete({ now: true });
    const first = await until(1);
    first.compete({ now: false });
    const second = await until(1);
    expect(second).not.toBe(first);
    first.compete({ now: true });
    const [one, two] = cluster.members as [EtcdCluster['members'][0], EtcdCluster['members'][0]];
    await Promise.all([one.kill(), two.kill()]);
    await until(0);
    expect(engines.map(({ state }) => state.problem).filter((problem) => problem !== undefined).length).toBeGreaterThan(0);
    one.start();
    two.start();
    await untilEtcdAnswers(cluster);
    await until(1);
  } finally {
    for (const engine of engines) engine.stop();
  }
});
