/** What the tests of operations on the hosts of a lab do: run the command, cut it short at a step, look at etcd. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JournalEntry } from '../../src/core/etcd/rebuild/journal.ts';
import { packageFolder } from '../../src/drivers/program.ts';
import type { Fingerprint } from '../../src/engine/etcd/fingerprint.ts';
import type { LabHost } from '../../src/lab/host.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { labOperations } from '../../src/lab/etcd-hosts.ts';
import { etcdctl } from './control-plane-lab.ts';
import { hale, type HaleRun, until, untilWithin } from './hale.ts';

const HALE = join(packageFolder, 'hale');
/** Seven steps with etcd and API servers in them, on a machine that does something else as well. */
const PATIENCE_MS = 240_000;

export function put(host: LabHost, key: string, text: string): Promise<void> {
  return ctl(host, ['put', key, text]);
}

export async function value(host: LabHost, key: string): Promise<string> {
  return (await etcdctl(host, ['get', '--print-value-only', key])).stdout.trim();
}

/** Takes a snapshot at that host, which needs no quorum, and returns its file. */
export async function snapshot(host: LabHost, path: string): Promise<string> {
  await ctl(host, ['snapshot', 'save', path]);
  return path;
}

async function ctl(host: LabHost, args: readonly string[]): Promise<void> {
  const { code, stderr } = await etcdctl(host, args);
  if (code !== 0) throw new Error(`etcdctl ${args.join(' ')} on ${host.name}: ${stderr}`);
}

/** What `hale etcd fingerprint` says on that host, as soon as all members answer. */
export async function fingerprint(host: LabHost): Promise<Fingerprint> {
  let said: Fingerprint | undefined;
  await untilWithin(PATIENCE_MS, {
    what: 'all members hold the same data',
    look: async () => {
      const { stdout, stderr } = await host.exec([HALE, 'etcd', 'fingerprint', '--json']);
      said = stdout === '' ? undefined : (JSON.parse(stdout) as Fingerprint);
      return said ?? stderr;
    },
    wanted: (seen) => typeof seen === 'object' && seen.equal,
  });
  return said as Fingerprint;
}

/** All entries of the lab's journals. */
export function journalOf(lab: Lab): JournalEntry[] {
  const folder = labOperations(lab);
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.jsonl')) : [];
  const lines = files.toSorted().flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'));
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as JournalEntry];
    } catch {
      return [];
    }
  });
}

/** Whether an operation was begun and not ended. */
export function isOpen(lab: Lab): boolean {
  const ends = journalOf(lab).flatMap(({ kind }) => (kind === 'plan' || kind === 'closed' ? kind : []));
  return ends.at(-1) === 'plan';
}

/** All of them with HALE_EVERY_STEP=1 (`npm run test:every-step`), which takes many minutes. */
export function everyStep(steps: readonly string[], { usually }: { usually: readonly string[] }): readonly string[] {
  return process.env['HALE_EVERY_STEP'] === '1' ? steps : usually;
}

function timesBegun(lab: Lab, step: string): number {
  return journalOf(lab).filter((entry) => (entry.kind === 'begun' || entry.kind === 'undoing') && entry.step === step).length;
}

/** Runs a command, and does `act` as soon as the journal says that it begins this step; returns when both have ended. */
export async function atStep(
  lab: Lab,
  {
    args,
    step,
    act,
  }: { args: readonly string[]; step: string; act: (child: { kill: (signal: NodeJS.Signals) => void }) => Promise<void> | void },
): Promise<HaleRun> {
  const before = timesBegun(lab, step);
  const child = spawn(HALE, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said.stderr += chunk));
  const closed = once(child, 'close') as Promise<[number | null]>;
  let ended = false;
  void closed.then(() => (ended = true));
  while (timesBegun(lab, step) === before) {
    if (ended) throw new Error(`the command ended before ${step}: ${said.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await act({ kill: (signal) => void child.kill(signal) });
  const [code] = await closed;
  return { code, ...said };
}

/** As kill -9 does when the journal says that the step begins. */
export async function killedAt(lab: Lab, step: string, args: readonly string[]): Promise<void> {
  await atStep(lab, { args, step, act: (child) => child.kill('SIGKILL') });
}

/** Runs a command that has to succeed. */
export async function succeeds(args: readonly string[]): Promise<HaleRun> {
  const run = await hale(args);
  if (run.code !== 0) throw new Error(`hale ${args.join(' ')} ended with ${run.code}: ${run.stderr}\n${run.stdout}`);
  return run;
}

export async function etcdServes(host: LabHost): Promise<void> {
  await until(
    async () => (await etcdctl(host, ['endpoint', 'health'])).code,
    (code) => code === 0,
    `etcd serves on ${host.name}`,
  );
}

/** Names in a host's data folder. */
export function dataFolder(host: LabHost): string[] {
  return readdirSync(join(host.folder, 'var/lib/etcd')).toSorted();
}
