import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeOperation } from '../../../src/core/etcd/operation.ts';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import { Endpoints } from '../../../src/drivers/etcd/endpoints.ts';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import { type HeldOperation, type OperationLockOptions, withOperationLock } from '../../../src/engine/etcd/operation-lock.ts';
import type { EtcdAdmin } from '../../../src/ports/etcd-admin.ts';
import { type EtcdCluster, startEtcdCluster } from '../../support/etcd-cluster.ts';

const KEY = Buffer.from('/hale/etcd/operation');
const who = { host: 'höst', pid: 7, since: '2026-01-01T00:00:00.000Z' };

let cluster: EtcdCluster;
let etcd: EtcdAdmin;

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 3 });
  etcd = createEtcdAdmin(cluster);
});

afterAll(async () => {
  etcd?.close();
  await cluster?.close();
});

const locked = <T>(work: (held: HeldOperation) => Promise<T>, options: Partial<OperationLockOptions> = {}): Promise<T> =>
  withOperationLock({ etcd, clock: boottime, what: 'defrag', who, ...options }, work);

const keys = async () => (await etcd.range(KEY)).kvs;
const aborted = (signal: HeldOperation['signal']) =>
  new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', resolve)));

test('a second operation is refused with who holds the lock and since when, and begins nothing', async () => {
  await locked(async (held) => {
    held.check();
    const second = locked(() => expect.fail('two at work at once'), { who: { ...who, pid: 8 } });
    await expect(second).rejects.toMatchObject({
      code: 'etcd_operation_under_way',
      message: expect.stringContaining('hale etcd defrag, process 7 on höst, since 2026-01-01T00:00:00.000Z'),
      remedy: expect.stringContaining('20 s after its death'),
    });
    expect(await keys()).toHaveLength(1);
  });
  expect(await keys()).toEqual([]);
  await locked(async () => {});
});

test('of many that come at once, one works', async () => {
  let working = 0;
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, () =>
      locked(async () => {
        expect(++working).toBe(1);
        await sleep(20);
        working--;
      }),
    ),
  );
  const refusals = outcomes.filter(({ status }) => status === 'rejected').map((outcome) => (outcome as PromiseRejectedResult).reason.code);
  expect(new Set(refusals)).toEqual(new Set(['etcd_operation_under_way']));
  expect(await keys()).toEqual([]);
});

test('work that fails gives the lock back, and its error', async () => {
  await expect(locked(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await keys()).toEqual([]);
});

test('it lasts longer than its lease while it is renewed, and not much longer than a killed process', async () => {
  const script = join(import.meta.dirname, '../../support/etcd-operation-holder.ts');
  const holder = spawn(process.execPath, [script, cluster.dir, '3', ...cluster.endpoints], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(holder.stdout, 'data');
    const takenAt = boottime.now();
    while (boottime.now() < takenAt + 6000) {
      expect(await keys()).toHaveLength(1);
      await sleep(200);
    }
  } finally {
    holder.kill('SIGKILL');
  }
  for (;;) {
    const outcome = await locked(async () => 'free').catch((error: { code?: string }) => error.code);
    if (outcome === 'free') break;
    expect(outcome).toBe('etcd_operation_under_way');
    await sleep(100);
  }
});

test('a process that is known to be gone is waited for', async () => {
  const { id } = await etcd.grantLease(3);
  const value = encodeOperation({ what: 'member add', ...who });
  await etcd.txn({ compare: [], success: [{ put: { key: KEY, value, lease: id } }] });
  const asked: unknown[] = [];
  const waitFor = (other: unknown) => asked.push(other) > 0;
  expect(await locked(async ({ exclusive }) => exclusive, { waitFor })).toBe(true);
  expect(asked[0]).toEqual({ what: 'member add', ...who });
});

test('where it cannot be renewed, the work is told while the lock still stands', async () => {
  const cutOff = { ...etcd, renewLease: () => Promise.reject(new Error('cut off')) };
  const working = locked(
    async (held) => {
      held.check();
      await aborted(held.signal);
      expect(await keys()).toHaveLength(1);
      held.check();
    },
    { etcd: cutOff, ttlSeconds: 5 },
  );
  await expect(working).rejects.toMatchObject({ code: 'etcd_operation_lock_lost' });
});

test('a renewal counts from when it was sent: an answer that comes late prolongs nothing', async () => {
  let sentAt = Number.NaN;
  const late = {
    ...etcd,
    async renewLease(id: bigint) {
      // Only the first.
      if (!Number.isNaN(sentAt)) return await new Promise<boolean>(() => {});
      sentAt = boottime.now();
      const answer = await etcd.renewLease(id);
      await sleep(2000);
      return answer;
    },
  };
  let skew = 0;
  const clock = { now: () => boottime.now() + skew, at: boottime.at };
  await expect(
    locked(
      async (held) => {
        while (!(boottime.now() > sentAt + 2100)) await sleep(50);
        held.check();
        // What is left of 5 s less a fifth, since it was sent.
        skew = 4000 - (boottime.now() - sentAt);
        held.check();
      },
      { etcd: late, clock, ttlSeconds: 5 },
    ),
  ).rejects.toMatchObject({ code: 'etcd_operation_lock_lost' });
});

test('a process that was frozen for longer than the lease begins no further step', async () => {
  let skew = 0;
  const clock = { now: () => boottime.now() + skew, at: boottime.at };
  const frozen = locked(
    async (held) => {
      held.check();
      skew = 20_000;
      held.check();
    },
    { clock },
  );
  await expect(frozen).rejects.toMatchObject({ code: 'etcd_operation_lock_lost' });
});

test('a lease that somebody revoked is lost at the next renewal', async () => {
  let lease = 0n;
  const watched = {
    ...etcd,
    async grantLease(ttlSeconds: number) {
      const granted = await etcd.grantLease(ttlSeconds);
      lease = granted.id;
      return granted;
    },
  };
  const working = locked(
    async (held) => {
      await etcd.revokeLease(lease);
      await aborted(held.signal);
      held.check();
    },
    { ttlSeconds: 4, etcd: watched },
  );
  await expect(working).rejects.toMatchObject({ code: 'etcd_operation_lock_lost' });
});

test("the caller's own signal reaches the work, and the lock is given back", async () => {
  const controller = new AbortController();
  await locked(
    async (held) => {
      expect(held.signal.aborted).toBe(false);
      controller.abort();
      await aborted(held.signal);
      held.check();
    },
    { signal: controller.signal },
  );
  expect(await keys()).toEqual([]);
});

test('with an alarm NOSPACE the caller decides: refused, or worked without a lock', async () => {
  const { memberId } = await etcd.status(cluster.endpoints[0] as string);
  const endpoints = new Endpoints({ urls: cluster.endpoints, tls: cluster.tls, timeoutMs: 2000 });
  const raise = { action: 1, memberId: BigInt(`0x${memberId}`), alarm: 1 };
  await endpoints.call({ operation: 'alarm', access: 'write' }, ({ maintenance }) => maintenance.alarm(raise));
  endpoints.close();
  try {
    await expect(locked(() => expect.fail('worked'))).rejects.toMatchObject({ code: 'etcd_operation_alarm' });
    expect(await locked(async ({ exclusive }) => exclusive, { underAlarm: 'work' })).toBe(false);
  } finally {
    for (const alarm of await etcd.alarms()) await etcd.disarm(alarm);
  }
  expect(await locked(async ({ exclusive }) => exclusive)).toBe(true);
});

test('without a quorum it is refused by what etcd says', async () => {
  const [, second, third] = cluster.members;
  await Promise.all([second?.kill(), third?.kill()]);
  try {
    await expect(locked(() => expect.fail('worked'))).rejects.toMatchObject({
      code: expect.stringMatching(/^etcd_(timeout|unavailable)$/),
    });
  } finally {
    second?.start();
    third?.start();
  }
});
