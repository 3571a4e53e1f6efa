import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import type { EtcdAdmin } from '../../../src/ports/etcd-admin.ts';
import { type EtcdCluster, type EtcdMemberProcess, startEtcdCluster, untilEtcdAnswers } from '../../support/etcd-cluster.ts';
import { accessFlags } from '../../support/etcd-command.ts';
import { recordWhile } from '../../support/etcd-history.ts';
import { etcdProblem } from '../../support/etcd-programs.ts';
import { hale, type HaleRun, until } from '../../support/hale.ts';

const HALE = join(import.meta.dirname, '../../../hale');
const LOCK = Buffer.from('/hale/etcd/operation');

let cluster: EtcdCluster;
let etcd: EtcdAdmin;

beforeAll(async () => {
  // Five members of the newest line that is here.
  cluster = await startEtcdCluster({ members: 5, version: etcdProblem('3.6') === undefined ? '3.6' : '3.4' });
  etcd = createEtcdAdmin(cluster);
});

afterAll(async () => {
  etcd?.close();
  await cluster?.close();
});

const commandLine = (args: readonly string[]): string[] => ['etcd', 'member', ...args, ...accessFlags(cluster)];
const member = (...args: string[]): Promise<HaleRun> => hale(commandLine(args));

/** Runs the command, and kills it with SIGKILL when it has said `words` on stderr. Its lock is taken away, in place of 20 s of waiting. */
async function killedAt(words: RegExp, args: readonly string[]): Promise<void> {
  const child = spawn(HALE, commandLine(args), { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  const ended = new Promise((resolve) => child.on('close', resolve));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
    if (words.test(said)) child.kill('SIGKILL');
  });
  await ended;
  if (child.signalCode !== 'SIGKILL') throw new Error(`it ended before it said ${words}:\n${said}`);
  await etcd.deleteRange(LOCK);
}

describe('five members, one dead', () => {
  let successor: EtcdMemberProcess;
  const replacing = (): string[] => ['replace', 'm5', '--name', 'm6', '--peer-url', successor.peerUrl, '--wait', '20', '--yes', '--json'];

  beforeAll(async () => {
    await cluster.discard(cluster.members[4] as EtcdMemberProcess);
    // It may have been the leader.
    await untilEtcdAnswers(cluster);
    successor = await cluster.newMember({ name: 'm6' });
  });

  test('the list tells who does not answer and what may still fail', async () => {
    const { code, stdout } = await member('list');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^4 of 5 voters answer, 3 are needed: 1 more may fail\n/);
    expect(stdout).toMatch(/^m5 +\w+ +voter +no answer/m);
  });

  test('a plan is shown and nothing is done without agreement', async () => {
    const dry = await member('replace', 'm5', '--peer-url', successor.peerUrl, '--name', 'm6', '--dry-run');
    expect(dry.code).toBe(0);
    expect(dry.stdout).toMatch(
      /now +5 voters, 4 alive, 3 needed: 1 may fail\n1\. remove m5 \(member \w+\) +4 voters, 4 alive, 3 needed: 1 may fail\n2\. add m6/,
    );
    expect(dry.stdout).toContain(`--initial-cluster=m1=${cluster.members[0]?.peerUrl},`);
    expect(dry.stdout).not.toContain('m5=');
    const unasked = await member('remove', 'm5');
    expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('no member was changed [not_confirmed]') });
    expect(await etcd.members()).toHaveLength(5);
  });

  test('what is refused is said with its code', async () => {
    const alive = await member('replace', 'm1', '--yes');
    expect(alive).toMatchObject({ code: 3, stderr: expect.stringContaining('--living') });
    expect(await member('add', 'm9', '--peer-url', 'https://127.0.0.1:1', '--yes')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('[etcd_member_down]'),
    });
    expect(await member('add', 'm9', '--peer-url', 'http://127.0.0.1:1')).toMatchObject({ code: 2 });
    expect(await member('add', 'm9', '--yes')).toMatchObject({ code: 2, stderr: expect.stringContaining('[etcd_peer_url_missing]') });
    expect(await member('remove', 'nobody', '--yes')).toMatchObject({ code: 2 });
  });

  test('killed with SIGKILL after each step, the same command goes on, and no acknowledged write is lost', async () => {
    const history = await recordWhile(cluster, async () => {
      // Whether the step was still done is a matter of luck, so the next may begin with the one after it.
      for (const words of [/begun: (remove|add|start)/, /begun: (add|start)/, /begun: start/]) await killedAt(words, replacing());
      await cluster.join(successor);
      await killedAt(/begun: promote/, replacing());
      const { code, stdout } = await member(...replacing());
      expect({ code, document: JSON.parse(stdout) }).toMatchObject({
        code: 0,
        document: { state: 'done', left: [], toStart: [], quorum: { voters: 5, alive: 5 } },
      });
    });
    expect(history.problems()).toEqual([]);
    expect(history.acknowledgedWrites).toBeGreaterThan(100);
  });

  test('two commands at once: one is refused with whose lock it is', async () => {
    const coming = await cluster.newMember({ name: 'm7' });
    const adding = ['add', 'm7', '--peer-url', coming.peerUrl, '--yes'];
    const first = member(...adding, '--wait', '60');
    await until(
      async () => (await etcd.members()).length,
      (count) => count === 6,
      'the learner is added',
    );
    expect(await member(...adding)).toMatchObject({ code: 3, stderr: expect.stringMatching(/hale etcd member add m7, process \d+ on /) });
    const list = await member('list', '--json');
    expect(list.code).toBe(1);
    expect(JSON.parse(list.stdout).pending).toHaveLength(1);
    await cluster.join(coming);
    expect(await first).toMatchObject({ code: 0, stdout: expect.stringContaining('done: 6 voters, 6 alive') });
  });

  test('a member that lives is removed, with a warning where that leaves an even number', async () => {
    const run = await member('remove', 'm7', '--yes');
    expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining('done: 5 voters, 5 alive') });
    const { stdout } = await member('remove', 'm6', '--dry-run');
    expect(stdout).toContain('warning: 4 voters tolerate one failure, as 3 do');
  });
});
