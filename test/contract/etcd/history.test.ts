import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type EtcdCluster, startEtcdCluster, untilEtcdAnswers } from '../../support/etcd-cluster.ts';
import { History, recordWhile } from '../../support/etcd-history.ts';
import { RecordingClient } from '../../support/history/client.ts';

let cluster: EtcdCluster | undefined;
afterEach(async () => await cluster?.close());

test('a history stays linearizable while members die, freeze and come back', async () => {
  cluster = await startEtcdCluster({ members: 3 });
  const [one, two, three] = cluster.members as [EtcdCluster['members'][0], EtcdCluster['members'][0], EtcdCluster['members'][0]];
  const started = cluster;
  const history = await recordWhile(started, async () => {
    for (const member of [one, two, three]) {
      await member.kill();
      member.start();
      await untilEtcdAnswers(started);
    }
    three.freeze();
    await two.stop();
    two.start();
    three.thaw();
    await untilEtcdAnswers(started);
  });
  expect(history.problems()).toEqual([]);
  expect(history.acknowledgedWrites).toBeGreaterThan(10);
  expect(history.unknownWrites).toBeGreaterThan(0);
});

test('data that goes back in time is found, by values and by revisions', async () => {
  cluster = await startEtcdCluster({ members: 3 });
  const { members, dir } = cluster;
  const started = cluster;
  const each = async (run: (member: EtcdCluster['members'][0]) => unknown) => await Promise.all(members.map(run));
  await each((member) => member.stop());
  await each(({ name, dataDir }) => cpSync(dataDir, join(dir, `${name}.old`), { recursive: true }));
  await each((member) => member.start());
  const before = await recordWhile(started, () => untilEtcdAnswers(started));
  expect(before.problems()).toEqual([]);
  await each((member) => member.stop());
  await each((member) => member.wipe());
  await each(({ name, dataDir }) => cpSync(join(dir, `${name}.old`), dataDir, { recursive: true }));
  await each((member) => member.start());
  await untilEtcdAnswers(started);
  const keys = [...new Set(before.operations.map(({ key }) => key))];
  const operations = [...before.operations];
  const reader = new RecordingClient({ cluster, index: 0, keys, operations });
  for (const key of keys) await reader.read(key);
  reader.close();
  const problems = new History(operations).problems().join('\n');
  expect(problems).toContain('not linearizable: ');
  expect(problems).toContain('revisions went back: ');
});
