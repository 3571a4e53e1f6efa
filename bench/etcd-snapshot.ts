/** A snapshot of a large database, saved to a file by hale and by etcdctl, in turns; and how fast hale verifies it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../src/drivers/program.ts';
import { type EtcdCluster, startEtcdCluster } from '../test/support/etcd-cluster.ts';
import { accessFlags } from '../test/support/etcd-command.ts';
import { type EtcdLine, findEtcdPrograms } from '../test/support/etcd-programs.ts';
import { fillEtcd } from './etcd-fill.ts';
import { cpuTimeNs } from './agent-process.ts';
import { markdownTable, type Summary, summarize } from './machine.ts';

/** As most objects of Kubernetes are. */
const SMALL_BYTES = 4096;
const LARGE_BYTES = 1 << 20;
/** In small values. */
const SMALL_MIB = 256;
const QUOTA_BYTES = 8 * 2 ** 30;
const LOOK_AGAIN_MS = 20;

export interface EtcdSnapshotOptions {
  runs: number;
  mib: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

interface Use {
  wallMs: number;
  cpuMs: number;
  peakMiB: number;
}

export interface EtcdSnapshotResult {
  line: EtcdLine;
  mib: number;
  runs: number;
  subjects: { name: string; wallMs: Summary; cpuMs: Summary; peakMiB: Summary }[];
  /** Median wall time of hale by that of etcdctl. */
  ratio: number;
  verified: { values: string; mib: number; mbPerSecond: Summary; peakMiB: Summary }[];
}

export async function etcdSnapshot({ runs, mib, say, signal }: EtcdSnapshotOptions): Promise<EtcdSnapshotResult> {
  const line: EtcdLine = findEtcdPrograms('3.6') === undefined ? '3.4' : '3.6';
  const small = await withFilled({ line, mib: SMALL_MIB, valueBytes: SMALL_BYTES, say, signal }, async (cluster) => {
    const file = join(cluster.dir, 'bench.db');
    await measure(haleArgv(cluster, file), signal);
    return await verify({ file, values: '4 KiB', runs, say, signal });
  });
  return await withFilled({ line, mib, valueBytes: LARGE_BYTES, say, signal }, async (cluster) => {
    const file = join(cluster.dir, 'bench.db');
    const subjects = { hale: haleArgv(cluster, file), etcdctl: etcdctlArgv(cluster, file) };
    const uses: Record<keyof typeof subjects, Use[]> = { hale: [], etcdctl: [] };
    for (let i = 1; i <= runs; i++) {
      for (const name of ['hale', 'etcdctl'] as const) {
        signal.throwIfAborted();
        rmSync(file, { force: true });
        const use = await measure(subjects[name], signal);
        uses[name].push(use);
        say(
          `etcd-snapshot: ${name}, ${i} of ${runs}: ${Math.round(use.wallMs)} ms, ${Math.round(use.cpuMs)} ms of CPU, ${Math.round(use.peakMiB)} MiB`,
        );
      }
    }
    const [hale, etcdctl] = [summary('hale etcd snapshot save', uses.hale), summary('etcdctl snapshot save', uses.etcdctl)];
    const ratio = Math.round((hale.wallMs.median / etcdctl.wallMs.median) * 100) / 100;
    const large = await verify({ file, values: '1 MiB', runs, say, signal });
    return { line, mib, runs, subjects: [hale, etcdctl], ratio, verified: [small, large] };
  });
}

interface Filling {
  line: EtcdLine;
  mib: number;
  valueBytes: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

async function withFilled<T>({ line, mib, valueBytes, say, signal }: Filling, work: (cluster: EtcdCluster) => Promise<T>): Promise<T> {
  const cluster = await startEtcdCluster({ members: 1, version: line, flags: { 'quota-backend-bytes': QUOTA_BYTES } });
  try {
    say(`etcd-snapshot: filling etcd ${line} with ${mib} MiB in values of ${valueBytes} bytes`);
    await fillEtcd({ cluster, wantedBytes: mib * 2 ** 20, valueBytes, signal });
    return await work(cluster);
  } finally {
    await cluster.close();
  }
}

/** The file was just written, so it comes from memory: what is measured is hale, not the disk. */
async function verify(options: { file: string; values: string; runs: number; say: (line: string) => void; signal: AbortSignal }) {
  const { file, values, runs, say, signal } = options;
  const sizeBytes = statSync(file).size;
  const uses: Use[] = [];
  for (let i = 1; i <= runs; i++) {
    uses.push(await measure([join(packageFolder, 'hale'), 'etcd', 'snapshot', 'verify', file, '--no-trial', '--json'], signal));
    say(`etcd-snapshot: verified ${values} values, ${i} of ${runs}: ${Math.round((uses.at(-1) as Use).wallMs)} ms`);
  }
  return {
    values,
    mib: Math.round(sizeBytes / 2 ** 20),
    mbPerSecond: summarize(uses.map(({ wallMs }) => sizeBytes / 1e3 / wallMs)),
    peakMiB: summarize(uses.map(({ peakMiB }) => peakMiB)),
  };
}

function haleArgv(cluster: EtcdCluster, file: string): string[] {
  const access = accessFlags(cluster);
  return [join(packageFolder, 'hale'), 'etcd', 'snapshot', 'save', file, '--plain', '--cluster', 'bench', '--json', ...access];
}

function etcdctlArgv({ endpoints, files, programs }: EtcdCluster, file: string): string[] {
  const access = [`--endpoints=${endpoints[0]}`, `--cacert=${files.caFile}`, `--cert=${files.certFile}`, `--key=${files.keyFile}`];
  return ['env', 'ETCDCTL_API=3', programs.etcdctl, ...access, 'snapshot', 'save', file];
}

/** Runs a program to its end; what it used is what was last seen of it. */
async function measure([program, ...args]: readonly string[], signal: AbortSignal): Promise<Use> {
  const startedAt = performance.now();
  const child = spawn(program as string, args, { stdio: ['ignore', 'ignore', 'pipe'], signal });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-1000)));
  const use = { wallMs: 0, cpuMs: 0, peakMiB: 0 };
  const look = (): void => {
    try {
      use.cpuMs = Math.max(use.cpuMs, cpuTimeNs(child.pid as number) / 1e6);
      use.peakMiB = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024 || use.peakMiB;
    } catch {
      // It has ended.
    }
  };
  const watcher = setInterval(look, LOOK_AGAIN_MS);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    use.wallMs = performance.now() - startedAt;
    if (code !== 0) throw new Error(`${program} ended with ${code}: ${complaint}`);
    return use;
  } finally {
    clearInterval(watcher);
  }
}

function summary(name: string, uses: readonly Use[]) {
  const of = (key: keyof Use): Summary => summarize(uses.map((use) => use[key]));
  return { name, wallMs: of('wallMs'), cpuMs: of('cpuMs'), peakMiB: of('peakMiB') };
}

export function renderEtcdSnapshot({ line, mib, runs, subjects, ratio, verified }: EtcdSnapshotResult): string {
  const rows = subjects.map(({ name, wallMs, cpuMs, peakMiB }) => [name, wallMs.median, wallMs.p90, cpuMs.median, peakMiB.max]);
  return [
    `## Snapshot of ${mib} MiB in etcd ${line} to a file, ${runs} runs each, in turns`,
    '',
    markdownTable(['', 'median, ms', 'p90, ms', 'CPU, ms', 'peak resident, MiB'], rows),
    `- Wanted of hale: at most 1.1 times etcdctl's time (here ${ratio}), and less than 150 MB. hale also computes the SHA-256 of what comes and compares it, which etcdctl does not.`,
    '',
    `### hale etcd snapshot verify --no-trial, the whole command, ${runs} runs each`,
    '',
    markdownTable(
      ['values of', 'file, MiB', 'median, MB/s', 'p10, MB/s', 'peak resident, MiB'],
      verified.map(({ values, mib: size, mbPerSecond, peakMiB }) => [values, size, mbPerSecond.median, mbPerSecond.p10, peakMiB.max]),
    ),
    '- Wanted: 300 MB/s.',
    '',
  ].join('\n');
}
