import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import type { EtcdAdmin } from '../../../src/ports/etcd-admin.ts';
import { type EtcdCommand, etcdCommand } from '../../support/etcd-command.ts';
import { type EtcdCluster, type EtcdMemberProcess, startEtcdCluster, untilEtcdAnswers, untilLed } from '../../support/etcd-cluster.ts';
import { freePorts } from '../../support/ports.ts';

let cluster: EtcdCluster;
let command: EtcdCommand;
let etcd: EtcdAdmin;
let elsewhere: string;

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 3 });
  command = etcdCommand(cluster);
  etcd = createEtcdAdmin({ ...cluster, timeoutMs: 5000 });
  elsewhere = `https://127.0.0.1:${(await freePorts(1))[0]}`;
});

afterAll(async () => {
  etcd?.close();
  await cluster?.close();
});

const members = () => cluster.members as [EtcdMemberProcess, EtcdMemberProcess, EtcdMemberProcess];
const update = (name: string, url: string, ...more: string[]) => command.run('member', 'update', name, '--peer-url', url, ...more);
const urlsOf = async (wanted: string) => (await etcd.members()).find(({ name }) => name === wanted)?.peerUrls;

/** Two of three know a leader that is one of them. */
test('what is planned is shown, and nothing is done without agreement', async () => {
  const dry = await update('m3', elsewhere, '--dry-run');
  expect([dry.code, dry.stdout]).toEqual([
    0,
    expect.stringMatching(`^m3 .* goes from ${members()[2].peerUrl} to ${elsewhere}; 3 voters, 3 alive`),
  ]);
  expect(await update('m3', elsewhere)).toMatchObject({ code: 2, stderr: expect.stringContaining('[not_confirmed]') });
  expect(await update('m3', 'http://127.0.0.1:1', '--yes')).toMatchObject({ code: 2 });
  expect(await update('m3', members()[0].peerUrl, '--yes')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('[etcd_member_exists]'),
  });
  expect(await urlsOf('m3')).toEqual([members()[2].peerUrl]);
});

test('a member goes elsewhere, stays who it is, and the others reach it there', async () => {
  const [, , third] = members();
  const before = await etcd.members();
  await third.kill();
  await untilLed(cluster, { alive: 2 });
  const done = await command.json('member', 'update', 'm3', '--peer-url', elsewhere, '--yes');
  expect(done).toMatchObject({ code: 0, state: 'done', from: [third.peerUrl], to: [elsewhere], quorum: { voters: 3 } });
  third.start({ 'listen-peer-urls': elsewhere, 'initial-advertise-peer-urls': elsewhere });
  await untilEtcdAnswers(cluster);
  expect((await etcd.members()).map(({ id }) => id).toSorted()).toEqual(before.map(({ id }) => id).toSorted());
  expect(await urlsOf('m3')).toEqual([elsewhere]);
  expect(await update('m3', elsewhere, '--yes')).toMatchObject({ code: 0, stdout: expect.stringContaining('already') });
});

test('a member that the quorum needs stays where it is; one that is down may go', async () => {
  await members()[1].kill();
  await untilLed(cluster, { alive: 2 });
  expect(await update('m1', 'https://127.0.0.1:1', '--yes')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('[etcd_quorum_at_risk]'),
  });
  expect(await update('m2', 'https://127.0.0.1:1', '--yes')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('done: 3 voters, 2 alive'),
  });
  expect(await urlsOf('m2')).toEqual(['https://127.0.0.1:1']);
});
