import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memberRefusal } from '../../../src/core/etcd/members/words.ts';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import { Endpoints } from '../../../src/drivers/etcd/endpoints.ts';
import type { EtcdAdmin } from '../../../src/ports/etcd-admin.ts';
import { type EtcdCluster, type EtcdMemberProcess, startEtcdCluster, untilEtcdAnswers } from '../../support/etcd-cluster.ts';
import { change } from '../../support/etcd-members.ts';
import { ETCD_LINES, etcdProblem } from '../../support/etcd-programs.ts';
import { until } from '../../support/hale.ts';

/** As a member does that finds its data to differ. */
async function raiseCorrupt({ endpoints: urls, tls }: EtcdCluster, memberId: string): Promise<void> {
  const endpoints = new Endpoints({ urls, tls, timeoutMs: 2000 });
  const raise = { action: 1, memberId: BigInt(`0x${memberId}`), alarm: 2 };
  await endpoints.call({ operation: 'alarm', access: 'write' }, ({ maintenance }) => maintenance.alarm(raise));
  endpoints.close();
}

describe.each(ETCD_LINES.map((line) => ({ line, problem: etcdProblem(line) ?? '' })))('etcd $line $problem', ({ line, problem }) => {
  describe.skipIf(problem !== '')('members', () => {
    let cluster: EtcdCluster;
    let etcd: EtcdAdmin;

    beforeAll(async () => {
      cluster = await startEtcdCluster({ members: 3, version: line });
      etcd = createEtcdAdmin({ ...cluster, timeoutMs: 2000 });
    });

    afterAll(async () => {
      etcd?.close();
      await cluster?.close();
    });

    /** What hale makes of etcd's refusal. */
    const refused = async (call: Promise<unknown>): Promise<string> =>
      await call.then(
        () => 'nothing',
        (error: Error) => (memberRefusal(error) as { code?: string }).code ?? error.message,
      );

    test("etcd's own refusals are understood", async () => {
      const url = 'https://127.0.0.1:1';
      // Connections that are younger than 5 s do not count for etcd.
      const learner = await until(
        () => etcd.addLearner([url]).catch((error: Error) => error),
        (added) => !(added instanceof Error),
        'a learner is added',
      );
      if (learner instanceof Error) throw learner;
      expect(await refused(etcd.addLearner([url]))).toMatch(/^etcd_(members_differ|learner_present)$/);
      expect(await refused(etcd.addLearner(['https://127.0.0.1:2']))).toBe('etcd_learner_present');
      expect(await refused(etcd.promote(learner.id))).toBe('etcd_learner_behind');
      const [voter] = (await etcd.members()).filter(({ isLearner }) => !isLearner);
      expect(await refused(etcd.promote(voter?.id as string))).toBe('etcd_members_differ');
      await etcd.removeMember(learner.id);
      expect(await refused(etcd.removeMember('abc'))).toBe('etcd_members_differ');
    });

    test('a dead member is replaced, which etcd refuses while it is there', async () => {
      const dead = cluster.members.find(({ name }) => name === 'm3') as EtcdMemberProcess;
      await cluster.discard(dead);
      // It may have been the leader.
      await untilEtcdAnswers(cluster);
      const successor = await cluster.newMember({ name: 'm4' });
      await until(
        () => refused(etcd.addLearner([successor.peerUrl])),
        (code) => code === 'etcd_refused_unhealthy',
        'etcd misses the dead',
      );
      const wish = { name: 'm4', peerUrls: [successor.peerUrl], by: 'hale' } as const;
      await expect(change(cluster, { verb: 'add', ...wish })).rejects.toMatchObject({ code: 'etcd_member_down' });
      const { state, view } = await change(
        cluster,
        { verb: 'replace', member: 'm3', ...wish },
        {
          onEvent: async (event) => {
            if (event.kind === 'begun' && event.step.kind === 'start') await cluster.join(successor);
          },
        },
      );
      expect(state).toBe('done');
      expect(view.members.map(({ name, isLearner }) => ({ name, isLearner }))).toEqual(
        ['m1', 'm2', 'm4'].map((name) => ({ name, isLearner: false })),
      );
      expect(view.quorum).toMatchObject({ voters: 3, alive: 3 });
    });

    test('a member whose data is corrupt is replaced in spite of the alarm, which keeps all others from being changed', async () => {
      const old = cluster.members.find(({ name }) => name === 'm4') as EtcdMemberProcess;
      const id = (await etcd.status(old.clientUrl)).memberId;
      await raiseCorrupt(cluster, id);
      await expect(change(cluster, { verb: 'remove', member: 'm1' })).rejects.toMatchObject({
        code: 'etcd_alarm_raised',
        remedy: expect.stringContaining(`hale etcd member replace ${id}`),
      });
      const { state } = await change(
        cluster,
        { verb: 'replace', member: id, name: undefined, peerUrls: undefined, by: 'hale' },
        {
          accepts: { living: true },
          onEvent: async (event) => {
            if (event.kind !== 'begun' || event.step.kind !== 'start') return;
            await old.ended();
            await cluster.discard(old);
            await cluster.join(await cluster.newMember(old));
          },
        },
      );
      expect(state).toBe('done');
      for (const alarm of await etcd.alarms()) await etcd.disarm(alarm);
      await etcd.put(Buffer.from('a'), Buffer.from('1'));
    });
  });
});
