import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type DefragWishes, planDefrag } from '../../../src/core/etcd/upkeep/defrag.ts';
import { defragRefusal } from '../../../src/core/etcd/upkeep/defrag-gate.ts';
import { PULSE_LIMITS } from '../../../src/core/etcd/upkeep/pulse.ts';
import type { EtcdView } from '../../../src/core/etcd/view.ts';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import { carryOutDefrag, type DefragReport } from '../../../src/engine/etcd/defrag.ts';
import { lookAtEtcd } from '../../../src/engine/etcd/look.ts';
import { lookWhenAwake } from '../../../src/engine/etcd/look-when-awake.ts';
import type { EtcdAdmin } from '../../../src/ports/etcd-admin.ts';
import { type EtcdCluster, startEtcdCluster, untilEtcdAnswers } from '../../support/etcd-cluster.ts';
import { fragment } from '../../support/etcd-fragment.ts';
import { recordWhile } from '../../support/etcd-history.ts';
import { until } from '../../support/hale.ts';

vi.setConfig({ testTimeout: 150_000 });

const TIMEOUT_MS = 2000;
const SETTLE_MS = 20_000;
const MIB = 2 ** 20;
const GONE_MIB = 16;
const worth = { minBytes: 8 * MIB, minShare: 0.3 };

let cluster: EtcdCluster;
let etcd: EtcdAdmin;

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 3 });
  etcd = createEtcdAdmin({ ...cluster, timeoutMs: TIMEOUT_MS });
});

afterAll(async () => {
  etcd?.close();
  await cluster?.close();
});

const look = (): Promise<EtcdView> => lookAtEtcd({ etcd, urls: cluster.endpoints });
const processOf = (name: string) => cluster.members.find((member) => member.name === name) as EtcdCluster['members'][number];
const names = (members: readonly { name: string }[]) => members.map(({ name }) => name);

interface Defrag {
  wishes?: DefragWishes;
  /** Called with every step before it is taken. */
  onStep?: (text: string) => void;
  signal?: AbortSignal;
}

async function defrag({ wishes = { memberIds: [], worth }, onStep = () => {}, signal }: Defrag = {}): Promise<DefragReport> {
  const view = await look();
  expect(defragRefusal(view, { pauseAccepted: false })).toBeNull();
  return await carryOutDefrag({
    etcd,
    clock: boottime,
    urls: cluster.endpoints,
    plan: planDefrag(view, wishes),
    check: () => {},
    signal: signal ?? new AbortController().signal,
    limits: PULSE_LIMITS,
    settleMs: SETTLE_MS,
    tell: { step: onStep, at: () => {} },
  });
}

describe('all well', () => {
  beforeEach(() => fragment(cluster, etcd, { liveMib: 1, goneMib: GONE_MIB }));

  test('followers first, the leader last and after its leadership has moved; who has little to give is left out; no write is lost', async () => {
    const before = await look();
    const [small, other] = before.members.filter(({ isLeader }) => !isLeader) as [EtcdView['members'][number], EtcdView['members'][number]];
    await etcd.defragment(small.url as string, new AbortController().signal);
    const steps: string[] = [];
    let report: DefragReport | undefined;
    const history = await recordWhile(cluster, async () => {
      report = await defrag({ onStep: (text) => steps.push(text) });
    });
    expect(report).toMatchObject({ stopped: null, left: [] });
    expect(names(report?.done ?? [])).toEqual([other.name, before.leader?.name]);
    for (const done of report?.done ?? []) expect(done.sizeAfterBytes).toBeLessThan(done.sizeBeforeBytes - (GONE_MIB / 2) * MIB);
    const moved = steps.findIndex((text) => text.startsWith(`leadership moves from ${before.leader?.name} to `));
    expect(moved).toBeGreaterThan(steps.findIndex((text) => text.startsWith(`${other.name}: done`)));
    expect(moved).toBeLessThan(steps.findIndex((text) => text.startsWith(`${before.leader?.name}: defragmenting`)));
    expect((await look()).leader?.name).not.toBe(before.leader?.name);
    expect(history.problems()).toEqual([]);
    expect(history.acknowledgedWrites).toBeGreaterThan(0);
  });

  test('told to stop, it finishes the member at work and begins no other', async () => {
    const stop = new AbortController();
    const report = await defrag({ onStep: () => stop.abort(), signal: stop.signal });
    expect(report.stopped).toMatchObject({ reason: 'interrupted' });
    expect([report.done.length, report.left.length]).toEqual([1, 2]);
  });

  test('leadership that goes elsewhere meanwhile is a reason to stop, and the next run goes on with the rest', async () => {
    const before = await look();
    let moved: Promise<void> | undefined;
    const onStep = (text: string) => {
      if (!text.includes('defragmenting') || moved !== undefined) return;
      const target = before.members.find(({ name, isLeader }) => !isLeader && !text.startsWith(name));
      moved = etcd.moveLeader(before.leader?.url as string, target?.id as string);
    };
    const report = await defrag({ onStep });
    await moved;
    expect(report.stopped).toMatchObject({ reason: 'degraded', message: expect.stringContaining('leadership went from') });
    expect(report.done).toHaveLength(1);
    const next = await defrag();
    expect(next.stopped).toBeNull();
    expect(names(next.done).toSorted()).toEqual(names(report.left).toSorted());
  });

  test('a lock that is lost is a reason to begin nothing more', async () => {
    const view = await look();
    const check = () => {
      throw new Error('the lock is lost');
    };
    const report = await carryOutDefrag({
      etcd,
      clock: boottime,
      urls: cluster.endpoints,
      plan: planDefrag(view, { memberIds: [] }),
      check,
      signal: new AbortController().signal,
      limits: PULSE_LIMITS,
      settleMs: SETTLE_MS,
      tell: { step: () => {}, at: () => {} },
    });
    expect(report).toMatchObject({ done: [], stopped: { reason: 'lock_lost', message: 'the lock is lost' } });
  });
});

describe('members fail', () => {
  beforeEach(() => fragment(cluster, etcd, { liveMib: 1, goneMib: GONE_MIB }));

  test.each(['kill', 'freeze'] as const)(
    'another one while one is being defragmented (%s): that one is finished, nothing more is begun, and no write is lost',
    async (how) => {
      const { members } = await look();
      const [first, second] = members.filter(({ isLeader }) => !isLeader) as [EtcdView['members'][number], EtcdView['members'][number]];
      let struck: Promise<unknown> | undefined;
      // The member at work stands still until the other one is gone, so that both are away at once.
      const onStep = (text: string) => {
        if (struck !== undefined || !text.includes('defragmenting')) return;
        const [atWork, victim] = (text.startsWith(first.name) ? [first, second] : [second, first]).map(({ name }) => processOf(name));
        atWork?.freeze();
        struck = (async () => {
          if (how === 'kill') await victim?.kill();
          else victim?.freeze();
          atWork?.thaw();
        })();
      };
      let report: DefragReport | undefined;
      const history = await recordWhile(cluster, async () => {
        report = await defrag({ onStep });
        await struck;
        for (const { name } of [first, second]) {
          if (!processOf(name).running) processOf(name).start();
          processOf(name).thaw();
        }
        await untilEtcdAnswers(cluster);
      });
      expect(report?.stopped?.reason).toBe('degraded');
      expect(names(report?.done ?? [])).toHaveLength(1);
      expect(report?.left).toHaveLength(2);
      expect(history.problems()).toEqual([]);
      const next = await defrag();
      expect(next.stopped).toBeNull();
      expect(names(next.done).toSorted()).toEqual(names(report?.left ?? []).toSorted());
    },
  );

  test('the one at work: what is left is told, and the next run does it', async () => {
    let killed: Promise<void> | undefined;
    const onStep = (text: string) => {
      if (killed !== undefined || !text.includes('defragmenting')) return;
      killed = processOf(text.split(':')[0] as string).kill();
    };
    const running = defrag({ onStep });
    const victim = await until(
      () => cluster.members.find((member) => !member.running),
      (member) => member !== undefined,
      'a member is killed',
    );
    victim?.start();
    const report = await running;
    await killed;
    await untilEtcdAnswers(cluster);
    expect(report).toMatchObject({ done: [], stopped: { reason: 'failed' } });
    expect((await defrag()).stopped).toBeNull();
  });

  test('before it: refused, with the arithmetic', async () => {
    const victim = cluster.members[2] as EtcdCluster['members'][number];
    victim.freeze();
    try {
      expect(defragRefusal(await look(), { pauseAccepted: true })).toMatchObject({
        code: 'etcd_defrag_member_down',
        message: expect.stringContaining('1 of 3 are fewer than 2. Down: m3'),
      });
    } finally {
      victim.thaw();
    }
    await untilEtcdAnswers(cluster);
  });
});

test('a member that somebody who is gone began to defragment is waited for', async () => {
  await fragment(cluster, etcd, { liveMib: 48, goneMib: 0 });
  const member = (await look()).members.find(({ isLeader }) => !isLeader);
  const url = member?.url as string;
  const signal = new AbortController().signal;
  const startedAt = performance.now();
  await etcd.defragment(url, signal);
  // Much shorter than the pause that the next one will take.
  const hasty = createEtcdAdmin({ ...cluster, timeoutMs: Math.ceil((performance.now() - startedAt) / 8) });
  try {
    const options = { etcd: hasty, urls: cluster.endpoints, clock: boottime };
    // Its connections stand.
    await until(
      () => lookAtEtcd(options),
      ({ quorum }) => quorum.alive === 3,
      'every member answers at once',
    );
    const said: string[] = [];
    let view: EtcdView | undefined;
    // A look may come too late on a busy machine, when all is over.
    while (said.length === 0) {
      const working = etcd.defragment(url, signal);
      view = await lookWhenAwake({ ...options, waitMs: SETTLE_MS, at: (text) => said.push(text) });
      await working;
    }
    expect(said[0]).toContain(`waiting for ${member?.name}`);
    expect(view?.quorum.alive).toBe(3);
  } finally {
    hasty.close();
  }
});
