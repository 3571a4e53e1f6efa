import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EtcdStatus } from '../../../src/core/etcd/status/status.ts';
import { type EtcdCommand, etcdCommand } from '../../support/etcd-command.ts';
import { type EtcdCluster, startEtcdCluster } from '../../support/etcd-cluster.ts';
import { until } from '../../support/hale.ts';

let cluster: EtcdCluster;
let command: EtcdCommand;

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 5 });
  command = etcdCommand(cluster);
});

afterAll(async () => await cluster?.close());

/** What the disk of this machine is like is left out. */
const seen = ({ quorum, members, leader, findings, code }: EtcdStatus & { code: number | null }) => ({
  code,
  mayFail: quorum.canLose < 0 ? 'quorum lost' : quorum.canLose,
  answering: members.filter(({ status }) => status !== null).map(({ name }) => name),
  // Survivors name a leader that is dead until they elect another.
  isLed: leader !== null && leader.status !== null,
  findings: findings.filter(({ id }) => id !== 'disk').map(({ id, place }) => `${place} ${id}`),
});

const names = ['m1', 'm2', 'm3', 'm4', 'm5'];

const CASES = [
  { dead: 0, says: '2 more may fail', lost: [] },
  { dead: 1, says: '1 more may fail', lost: [] },
  { dead: 2, says: 'none may fail', lost: [] },
  { dead: 3, says: 'the quorum is lost', lost: ['cluster quorum'] },
];

// In this order, with what those before have left: each kills one more member.
test.each(CASES)('of five members with $dead dead: $says', async ({ dead, says, lost }) => {
  const alive = 5 - dead;
  for (const member of cluster.members.slice(alive)) await member.kill();
  const isLed = lost.length === 0;
  const wanted = {
    mayFail: isLed ? 2 - dead : 'quorum lost',
    answering: names.slice(0, alive),
    isLed,
    findings: [...lost, ...names.slice(alive).map((name) => `${name} answer`)],
  };
  const ask = async () => seen(await command.json<EtcdStatus>('status'));
  // After a death the survivors elect a leader, or find out that they cannot.
  const { code } = await until(ask, (now) => isDeepStrictEqual(now, { code: now.code, ...wanted }), says);
  // A slow disk is a finding, too.
  expect(dead === 0 ? [0, 1] : [1]).toContain(code);
  await until(
    () => command.run('status'),
    ({ stdout }) => stdout.includes(says),
    says,
  );
});
