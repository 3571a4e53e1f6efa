/** What clients notice of a defragmentation of every member: hale's, and the loops that are pasted from notes. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../src/base/stats.ts';
import { createEtcdAdmin } from '../src/drivers/etcd/admin.ts';
import { packageFolder } from '../src/drivers/program.ts';
import type { EtcdAdmin } from '../src/ports/etcd-admin.ts';
import { run } from '../src/lab/command.ts';
import { type EtcdCluster, startEtcdCluster, untilEtcdAnswers } from '../test/support/etcd-cluster.ts';
import { accessFlags } from '../test/support/etcd-command.ts';
import { fragment } from '../test/support/etcd-fragment.ts';
import { type EtcdLine, findEtcdPrograms } from '../test/support/etcd-programs.ts';
import { ATTEMPT_MS, startLoad, type TimedLatency, VALUE_BYTES, WRITES_PER_SECOND } from './etcd/writers.ts';
import { markdownTable, tenths } from './machine.ts';

const WARM_UP_MS = 3000;
/** After the end, for what was late. */
const COOL_DOWN_MS = 2000;
/** Long enough for every subject: what happens in it is compared, so that a slow subject is not made better by the calm between its steps. */
const WINDOW_MS = 20_000;
/** A write that took so long was noticed. */
const SLOW_MS = 100;

interface Subject {
  name: string;
  how: string;
  argv: (cluster: EtcdCluster, url?: string) => string[][];
}

const SUBJECTS: readonly Subject[] = [
  {
    name: 'hale etcd defrag',
    how: 'followers first, the leader after its leadership has moved, each when the one before is well again',
    argv: (cluster) => [[join(packageFolder, 'hale'), 'etcd', 'defrag', '--all', '--yes', '--json', ...accessFlags(cluster)]],
  },
  {
    name: 'a loop of etcdctl defrag',
    how: 'for each endpoint in turn, the leader in the middle, as pasted from notes',
    argv: (cluster) => cluster.endpoints.map((url) => etcdctl(cluster, `--endpoints=${url}`, 'defrag')),
  },
  {
    name: 'etcdctl defrag --cluster',
    how: 'one call for all members',
    argv: (cluster) => [etcdctl(cluster, `--endpoints=${cluster.endpoints.join(',')}`, 'defrag', '--cluster')],
  },
];

function etcdctl({ programs, files }: EtcdCluster, ...args: string[]): string[] {
  return [
    'env',
    'ETCDCTL_API=3',
    programs.etcdctl,
    `--cacert=${files.caFile}`,
    `--cert=${files.certFile}`,
    `--key=${files.keyFile}`,
    ...args,
  ];
}

export interface EtcdDefragOptions {
  rounds: number;
  mib: number;
  livePercent: number;
  line: EtcdLine | undefined;
  say(line: string): void;
  signal: AbortSignal;
}

interface Run {
  /** Of the commands together. */
  tookMs: number;
  codes: (number | null)[];
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  slow: number;
  writes: number;
  /** Longest renewal of a lease. */
  renewalMaxMs: number;
  /** Writes and renewals that never succeeded. */
  lost: number;
  /** MiB of the largest database afterwards. */
  leftMib: number;
  quiet: { p50Ms: number; p99Ms: number };
}

export interface EtcdDefragResult {
  line: EtcdLine;
  mib: number;
  livePercent: number;
  subjects: { name: string; how: string; runs: Run[] }[];
}

export async function etcdDefrag(options: EtcdDefragOptions): Promise<EtcdDefragResult> {
  const { rounds, mib, livePercent, say, signal } = options;
  const line = options.line ?? (['3.6', '3.5', '3.4'] as const).find((one) => findEtcdPrograms(one) !== undefined) ?? '3.4';
  const cluster = await startEtcdCluster({ members: 3, version: line, flags: { 'quota-backend-bytes': 8 * 2 ** 30 } });
  const etcd = createEtcdAdmin({ ...cluster, timeoutMs: 30_000 });
  const subjects = SUBJECTS.map(({ name, how }) => ({ name, how, runs: [] as Run[] }));
  try {
    say(`filling etcd ${line} with ${mib} MiB, of which ${livePercent} % stay`);
    const liveMib = Math.round((mib * livePercent) / 100);
    await fragment(cluster, etcd, { liveMib, goneMib: mib - liveMib });
    await save(cluster);
    for (let round = 1; round <= rounds; round++) {
      for (const [i, subject] of SUBJECTS.entries()) {
        signal.throwIfAborted();
        await restore(cluster);
        await leadInTheMiddle(cluster, etcd);
        const measured = await measure(subject, { cluster, etcd });
        say(`round ${round}, ${subject.name}: p99 ${measured.p99Ms} ms, longest ${measured.maxMs} ms, ${tenths(measured.tookMs / 1000)} s`);
        subjects[i]?.runs.push(measured);
      }
    }
  } finally {
    etcd.close();
    await cluster.close();
  }
  return { line, mib, livePercent, subjects };
}

function saved({ dir }: EtcdCluster, name: string): string {
  return join(dir, 'saved', name);
}

async function save(cluster: EtcdCluster): Promise<void> {
  await Promise.all(cluster.members.map((member) => member.stop()));
  for (const { name, dataDir } of cluster.members) cpSync(dataDir, saved(cluster, name), { recursive: true });
}

/** Every subject finds the same files. */
async function restore(cluster: EtcdCluster): Promise<void> {
  await Promise.all(cluster.members.map((member) => member.stop()));
  for (const { name, dataDir } of cluster.members) {
    rmSync(dataDir, { recursive: true });
    cpSync(saved(cluster, name), dataDir, { recursive: true });
  }
  await run(['sync']);
  for (const member of cluster.members) member.start();
  await untilEtcdAnswers(cluster);
}

async function leadInTheMiddle({ endpoints }: EtcdCluster, etcd: EtcdAdmin): Promise<void> {
  const statuses = await Promise.all(endpoints.map((url) => etcd.status(url)));
  const [leads, middle] = [statuses.findIndex(({ memberId, leaderId }) => memberId === leaderId), 1];
  if (leads !== middle) await etcd.moveLeader(endpoints[leads] as string, statuses[middle]?.memberId as string);
}

async function measure(subject: Subject, { cluster, etcd }: { cluster: EtcdCluster; etcd: EtcdAdmin }): Promise<Run> {
  const load = await startLoad(cluster);
  await sleep(WARM_UP_MS);
  const startedAt = performance.now();
  const codes: (number | null)[] = [];
  for (const argv of subject.argv(cluster)) codes.push((await run(argv)).code);
  const endedAt = performance.now();
  await sleep(Math.max(COOL_DOWN_MS, startedAt + WINDOW_MS - performance.now()));
  const { writesMs, renewalsMs, lost } = await load.stop();
  const during = (all: readonly TimedLatency[]) => all.flatMap(({ atMs, latencyMs }) => (atMs >= startedAt ? latencyMs : []));
  const before = writesMs.flatMap(({ atMs, latencyMs }) => (atMs < startedAt ? latencyMs : []));
  const writes = during(writesMs);
  const sizes = await Promise.all(cluster.endpoints.map((url) => etcd.status(url)));
  return {
    tookMs: Math.round(endedAt - startedAt),
    codes,
    p50Ms: tenths(quantile(writes, 0.5)),
    p99Ms: tenths(quantile(writes, 0.99)),
    maxMs: tenths(Math.max(...writes)),
    slow: writes.filter((ms) => ms > SLOW_MS).length,
    writes: writes.length,
    renewalMaxMs: tenths(Math.max(...during(renewalsMs))),
    lost,
    leftMib: Math.round(Math.max(...sizes.map(({ dbSizeBytes }) => dbSizeBytes)) / 2 ** 20),
    quiet: { p50Ms: tenths(quantile(before, 0.5)), p99Ms: tenths(quantile(before, 0.99)) },
  };
}

export function renderEtcdDefrag({ line, mib, livePercent, subjects }: EtcdDefragResult): string {
  const rows = subjects.flatMap(({ name, runs }) =>
    runs.map((one, i) => [
      name,
      i + 1,
      one.p50Ms,
      one.p99Ms,
      one.maxMs,
      `${one.slow} of ${one.writes}`,
      one.renewalMaxMs,
      one.lost,
      tenths(one.tookMs / 1000),
      one.codes.join(' '),
      one.leftMib,
      `${one.quiet.p50Ms} / ${one.quiet.p99Ms}`,
    ]),
  );
  const head = [
    'way',
    'round',
    'write p50 (ms)',
    'p99',
    'longest',
    `over ${SLOW_MS} ms`,
    'longest lease renewal (ms)',
    'lost',
    'took (s)',
    'exit codes',
    'MiB left',
    'before: p50 / p99',
  ];
  return [
    `## etcd ${line}: every member of three is defragmented under load, databases of ${mib} MiB with ${livePercent} % in use`,
    '',
    markdownTable(head, rows),
    ...subjects.map(({ name, how }) => `- **${name}**: ${how}.`),
    `- ${WRITES_PER_SECOND} writes of ${VALUE_BYTES} bytes a second at fixed times, at the members in turn; one that does not answer within ${ATTEMPT_MS} ms is left for the next, and the time counts on. Compared over ${WINDOW_MS / 1000} s from the start of each, with members and clients on one disk and the same cores.`,
    '',
  ].join('\n');
}
