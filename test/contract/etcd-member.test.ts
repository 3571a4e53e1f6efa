import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../../src/lab/host.ts';
import { createLab, type Lab, listLabs, removeLab } from '../../src/lab/lab.ts';
import { etcdServes } from '../support/etcd-operation.ts';
import { untilWithin } from '../support/hale.ts';
import { labImpossible } from '../support/lab.ts';

const HALE = join(import.meta.dirname, '../../hale');
const PATIENCE_MS = 60_000;
const REPLACE = ['replace', 'cp5', '--yes', '--timeout', '500'];

let base: string;
let lab: Lab;

interface MemberList {
  quorum: { voters: number; alive: number };
  members: { name: string; id: string; isLearner: boolean }[];
  pending: string[];
}

const list = async (host: string): Promise<MemberList> =>
  JSON.parse((await lab.host(host).exec([HALE, 'etcd', 'member', 'list', '--json'])).stdout) as MemberList;

/** The command of an operator who sits at `host`. */
function runAt(host: LabHost, args: readonly string[]): { ended: Promise<{ code: number | null; said: string }> } {
  const [program = '', ...rest] = host.command([HALE, 'etcd', 'member', ...args]);
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  return { ended: new Promise((resolve) => child.on('close', (code) => resolve({ code, said }))) };
}

/** What the plan prints for the new host: the old data aside, and the two flags. */
async function startAnew(host: LabHost, initialCluster: string): Promise<void> {
  const entries = JSON.parse(readFileSync(join(host.folder, 'boot.json'), 'utf8')) as { name: string; argv: string[] }[];
  const argv = entries.find(({ name }) => name === 'etcd')?.argv ?? [];
  renameSync(join(host.folder, 'var/lib/etcd/member'), join(host.folder, 'var/lib/etcd.before'));
  const joined = argv.map((word) =>
    word.startsWith('--initial-cluster=')
      ? `--initial-cluster=${initialCluster}`
      : word.replace('--initial-cluster-state=new', '--initial-cluster-state=existing'),
  );
  await host.spawn('etcd', joined, { atBoot: true });
}

/** The command that was cut off stops before its lock ends, so that whoever comes at once is told to come again. */
async function replaceOnceFree(host: LabHost) {
  return await untilWithin(PATIENCE_MS, {
    look: () => runAt(host, REPLACE).ended,
    wanted: ({ said }) => !said.includes('[etcd_operation_under_way]'),
    what: 'the lock is free',
  });
}

/** Five hosts with a real etcd, and a network that can be cut. */
describe.skipIf(labImpossible !== undefined)(`a partition while members change ${labImpossible ?? ''}`, () => {
  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), 'hale-members-test-'));
    process.env['HALE_LAB_DIR'] = base;
    lab = await createLab({ name: 'members', hosts: 5, services: ['etcd'] });
  });

  afterAll(async () => {
    for (const { name } of listLabs()) await removeLab(name);
    rmSync(base, { recursive: true, force: true });
    delete process.env['HALE_LAB_DIR'];
  });

  test('the command that is cut off stops, and the same command on the side of the majority ends the change', async () => {
    const [cp1, cp2, cp5] = ['cp1', 'cp2', 'cp5'].map((name) => lab.host(name)) as [LabHost, LabHost, LabHost];
    const before = await list('cp2');
    await cp5.kill('etcd');
    // It may have been the leader.
    await etcdServes(cp1);
    const first = runAt(cp1, REPLACE);
    await untilWithin(PATIENCE_MS, {
      look: () => list('cp2'),
      wanted: ({ pending, members }) => pending.length === 1 && !members.some(({ name }) => name === 'cp5'),
      what: 'the learner is added',
    });
    const { undo } = await lab.inject('isolate', 'cp1', { undoAfterMs: 300_000 });
    const cutOff = await first.ended;
    expect(cutOff).toMatchObject({ code: 3, said: expect.stringMatching(/\[etcd_(operation_lock_lost|quorum_lost)\]/) });
    expect(cutOff.said).not.toContain('begun: promote');

    const second = replaceOnceFree(cp2);
    const initialCluster = /--initial-cluster=(\S+)#;/.exec(cutOff.said)?.[1] ?? '';
    expect(initialCluster).toMatch(/^cp1=https:\S+,cp5=https:\S+$/);
    await startAnew(cp5, initialCluster);
    // cp1 is a voter that does not answer, so one more may fail and not two.
    expect(await second).toMatchObject({ code: 0, said: expect.stringContaining('done: 5 voters, 4 alive, 3 needed: 1 may fail') });

    await undo();
    const after = await untilWithin(PATIENCE_MS, {
      look: () => list('cp1'),
      wanted: ({ quorum }) => quorum.alive === 5,
      what: 'cp1 is back',
    });
    expect(after.pending).toEqual([]);
    expect(after.members.map(({ name }) => name)).toEqual(before.members.map(({ name }) => name));
    const changed = after.members.filter(({ id }) => !before.members.some((old) => old.id === id));
    expect(changed.map(({ name }) => name)).toEqual(['cp5']);
  }, 300_000);
});
