import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import { lookAtEtcd } from '../../../src/engine/etcd/look.ts';
import type { EtcdAdmin } from '../../../src/ports/etcd-admin.ts';
import { type EtcdCluster, type EtcdMemberProcess, startEtcdCluster, untilEtcdAnswers, untilLed } from '../../support/etcd-cluster.ts';
import { change, type ChangeOptions, Died } from '../../support/etcd-members.ts';

let cluster: EtcdCluster;
let etcd: EtcdAdmin;

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 3 });
  etcd = createEtcdAdmin({ ...cluster, timeoutMs: 1000 });
  await etcd.put(Buffer.from('kept'), Buffer.from('1'));
});

afterAll(async () => {
  etcd?.close();
  await cluster?.close();
});

const names = async () => {
  const { members, quorum } = await lookAtEtcd({ etcd, urls: cluster.endpoints });
  return { members: members.map(({ name, isLearner }) => `${name}${isLearner ? ' (learner)' : ''}`), quorum };
};
const member = (name: string) => cluster.members.find((one) => one.name === name) as EtcdMemberProcess;
const by = 'hale';

describe('a dead member of three is replaced', () => {
  let successor: EtcdMemberProcess;
  const replace = (options: ChangeOptions = {}) =>
    change(cluster, { verb: 'replace', member: 'm3', name: 'm4', peerUrls: [successor.peerUrl], by }, options);

  beforeAll(async () => {
    await cluster.discard(member('m3'));
    successor = await cluster.newMember({ name: 'm4' });
    // It may have been the leader.
    await untilEtcdAnswers(cluster);
  });

  // Each continues what the one before has left.
  test.each<[string, NonNullable<ChangeOptions['dies']>, string[]]>([
    ['before the record', { call: 'put', at: 'before' }, ['m1', 'm2', 'm3']],
    ['after the record', { call: 'put', at: 'after' }, ['m1', 'm2', 'm3']],
    ['before the removal', { call: 'removeMember', at: 'before' }, ['m1', 'm2', 'm3']],
    ['after the removal', { call: 'removeMember', at: 'after' }, ['m1', 'm2']],
    ['before the addition', { call: 'addLearner', at: 'before' }, ['m1', 'm2']],
    ['after the addition', { call: 'addLearner', at: 'after' }, [' (learner)', 'm1', 'm2']],
  ])('killed %s', async (_, dies, expected) => {
    await expect(replace({ dies })).rejects.toBeInstanceOf(Died);
    expect((await names()).members).toEqual(expected);
  });

  test('killed while it waits for the start', async () => {
    const killed = replace({
      onEvent: (event, die) => {
        if (event.kind === 'waits') die();
      },
    });
    await expect(killed).rejects.toThrow();
    expect((await names()).members).toEqual([' (learner)', 'm1', 'm2']);
  });

  test('while it is under way, another change is refused with the way out', async () => {
    await expect(change(cluster, { verb: 'add', name: 'm9', peerUrls: ['https://127.0.0.1:1'], by })).rejects.toMatchObject({
      code: 'etcd_change_under_way',
      remedy: expect.stringMatching(/hale etcd member promote \w+\), or undo it: hale etcd member remove \w+/),
    });
  });

  test('a member that does not start is told of, with how to go on', async () => {
    await expect(replace({ waitMs: 1 })).rejects.toMatchObject({
      code: 'etcd_member_not_started',
      message: expect.stringContaining('m4 has not started in time'),
    });
    expect(await replace({ waitMs: 0 })).toMatchObject({ state: 'waiting' });
  });

  test('killed before and after the promotion', async () => {
    await cluster.join(successor);
    await expect(replace({ dies: { call: 'promote', at: 'before' } })).rejects.toBeInstanceOf(Died);
    expect((await names()).members).toEqual(['m1', 'm2', 'm4 (learner)']);
    await expect(replace({ dies: { call: 'promote', at: 'after' } })).rejects.toBeInstanceOf(Died);
    expect((await names()).quorum).toEqual({ voters: 3, needed: 2, alive: 3, canLose: 1 });
  });

  test('what was there is there, at every member', async () => {
    await untilEtcdAnswers(cluster);
    const { revision } = await etcd.range(Buffer.from('kept'));
    const hashes = await Promise.all(cluster.endpoints.map((url) => etcd.hashKv(url, revision)));
    expect(new Set(hashes.map(({ hash }) => hash)).size).toBe(1);
    expect(await replace()).toMatchObject({ state: 'done' });
    await expect(replace()).rejects.toMatchObject({ code: 'etcd_member_unknown' });
  });
});

test('a member is replaced in its place, by its name alone, and the leader gives leadership away first', async () => {
  const { leader } = await lookAtEtcd({ etcd, urls: cluster.endpoints });
  const old = member(leader?.name as string);
  const replace = { verb: 'replace', member: old.name, name: undefined, peerUrls: undefined, by } as const;
  await expect(change(cluster, replace)).rejects.toMatchObject({ code: 'etcd_member_alive' });
  const begun: string[] = [];
  const { state, view } = await change(cluster, replace, {
    accepts: { living: true },
    onEvent: async (event) => {
      if (event.kind === 'begun') begun.push(event.step.kind);
      if (event.kind !== 'begun' || event.step.kind !== 'start') return;
      await old.ended();
      await cluster.discard(old);
      await cluster.join(await cluster.newMember(old));
    },
  });
  expect(state).toBe('done');
  expect(begun).toEqual(['move-leader', 'remove', 'add', 'start', 'promote']);
  expect(view.quorum).toMatchObject({ voters: 3, alive: 3 });
  expect((await etcd.range(Buffer.from('/hale/etcd/'), { rangeEnd: Buffer.from('/hale/etcd0') })).kvs).toEqual([]);
});

test('old data is refused by etcd, and hale says where to look', async () => {
  const old = member('m2');
  await old.kill();
  await untilLed(cluster, { alive: 2 });
  const replace = { verb: 'replace', member: 'm2', name: undefined, peerUrls: undefined, by } as const;
  let started: Promise<void> | undefined;
  const changing = change(cluster, replace, {
    waitMs: 5000,
    onEvent: (event) => {
      if (event.kind === 'begun' && event.step.kind === 'start') {
        old.start();
        started = old.ended();
      }
    },
  });
  await expect(changing).rejects.toMatchObject({
    code: 'etcd_member_not_started',
    remedy: expect.stringContaining('permanently removed'),
  });
  await started;
  expect(old.log()).toContain('permanently removed');
});

test('an addition is undone', async () => {
  const { members } = await lookAtEtcd({ etcd, urls: cluster.endpoints });
  const pending = members.find(({ name }) => name === '');
  const { view } = await change(cluster, { verb: 'remove', member: pending?.id as string });
  expect(view.members).toHaveLength(2);
});

test('two commands at once: one changes, the other is refused or finds nothing to do', async () => {
  const coming = await cluster.newMember({ name: 'm7' });
  const add = { verb: 'add', name: 'm7', peerUrls: [coming.peerUrl], by } as const;
  const onEvent: ChangeOptions['onEvent'] = async (event) => {
    if (event.kind === 'begun' && event.step.kind === 'start') await cluster.join(coming);
  };
  const outcomes = await Promise.all([change(cluster, add, { onEvent }), change(cluster, add, { onEvent })]);
  expect(outcomes.map(({ state }) => state)).toEqual(['done', 'done']);
  expect((await names()).quorum).toEqual({ voters: 3, needed: 2, alive: 3, canLose: 1 });
});

test('what somebody else changes meanwhile ends the change', async () => {
  const coming = await cluster.newMember({ name: 'm9' });
  let meddling: Promise<unknown> | undefined;
  const adding = change(
    cluster,
    { verb: 'add', name: 'm9', peerUrls: [coming.peerUrl], by },
    {
      onEvent: (event) => {
        const id = event.kind === 'waits' ? /^m9 \(member (\w+)\) has not started/.exec(event.reason)?.[1] : undefined;
        if (id !== undefined) meddling ??= etcd.removeMember(id);
      },
    },
  );
  await expect(adding).rejects.toMatchObject({
    code: 'etcd_members_changed',
    message: expect.stringContaining('removed by somebody else'),
  });
  await meddling;
  // The note of it hinders nobody.
  expect(await change(cluster, { verb: 'add', name: 'm9', peerUrls: [coming.peerUrl], by }, { waitMs: 0 })).toMatchObject({
    state: 'waiting',
  });
  await change(cluster, { verb: 'remove', member: coming.peerUrl });
});

test('Ctrl-C stops between two steps', async () => {
  const coming = await cluster.newMember({ name: 'm8' });
  const controller = new AbortController();
  const adding = change(
    cluster,
    { verb: 'add', name: 'm8', peerUrls: [coming.peerUrl], by },
    {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === 'waits' && event.step.kind === 'start') controller.abort();
      },
    },
  );
  await expect(adding).rejects.toMatchObject({ code: 'etcd_change_interrupted', message: expect.stringContaining('left to do: start m8') });
  await change(cluster, { verb: 'remove', member: coming.peerUrl });
  expect((await names()).members).toHaveLength(3);
});

test('without a quorum it is refused at once, with the way to recover', async () => {
  const [first, second] = cluster.members.filter(({ running }) => running);
  await Promise.all([first?.kill(), second?.kill()]);
  try {
    await expect(change(cluster, { verb: 'remove', member: 'm7' })).rejects.toMatchObject({
      code: 'etcd_quorum_lost',
      remedy: expect.stringContaining('hale etcd recover'),
    });
  } finally {
    first?.start();
    second?.start();
  }
});
