/** What the numbers were measured on, and the summaries and tables that all benches share. */
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { quantile } from '../src/base/stats.ts';
import { readVersion } from '../src/cli/version.ts';
import { run } from '../src/lab/command.ts';
import { listLabs } from '../src/lab/lab.ts';
import { findProgram } from '../src/lab/find-program.ts';
import { findEtcd } from '../src/lab/etcd-programs.ts';

export interface MachineFacts {
  startedAt: string;
  cpu: string;
  cores: number;
  memoryMiB: number;
  kernel: string;
  node: string;
  hale: string;
  etcd: string;
  /** Absent when it is not installed. */
  keepalived?: string;
  haproxy?: string;
  bird?: string;
  nginx?: string;
  iperf3?: string;
  wrk?: string;
  /** Over the minute before the start; what else ran disturbs. */
  loadAverage: number;
  otherLabs: number;
}

/** What hale is compared with, and what loads it. */
const PEERS = ['keepalived', 'haproxy', 'bird', 'nginx', 'iperf3', 'wrk'] as const;

export async function machineFacts(): Promise<MachineFacts> {
  return {
    startedAt: new Date().toISOString(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    node: process.versions.node,
    hale: readVersion(),
    etcd: (await findEtcd()).version,
    ...Object.assign({}, ...(await Promise.all(PEERS.map(peerVersion)))),
    loadAverage: loadavg()[0] as number,
    otherLabs: listLabs().filter((lab) => lab.running).length,
  };
}

/** Some say their version on stderr, the others on stdout. */
async function peerVersion(name: (typeof PEERS)[number]): Promise<Record<string, string>> {
  const path = findProgram(name);
  if (path === undefined) return {};
  const { stdout, stderr } = await run([path, name === 'bird' ? '--version' : '-v']);
  const version = /\bv?(\d+\.\d+\S*)/.exec(stdout + stderr)?.[1];
  return version === undefined ? {} : { [name]: version };
}

export function renderMachine(machine: MachineFacts): string {
  const { cpu, cores, memoryMiB, kernel, startedAt, loadAverage, otherLabs } = machine;
  const versions = (['hale', 'node', 'etcd', ...PEERS] as const).map((name) => `${name} ${machine[name] ?? 'absent'}`);
  return [
    '## Machine',
    '',
    `- ${cores} cores of ${cpu}, ${memoryMiB} MiB of memory, Linux ${kernel}`,
    `- ${versions.join(', ')}`,
    `- started ${startedAt} at a load average of ${loadAverage.toFixed(2)}, other labs running: ${otherLabs}`,
    '',
  ].join('\n');
}

export interface Summary {
  median: number;
  p10: number;
  p90: number;
  max: number;
}

export function summarize(values: readonly number[]): Summary {
  return {
    median: tenths(quantile(values, 0.5)),
    p10: tenths(quantile(values, 0.1)),
    p90: tenths(quantile(values, 0.9)),
    max: tenths(Math.max(...values)),
  };
}

export function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

/** A Markdown table that is readable as text too: text to the left, numbers to the right. */
export function markdownTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? String(cell) : cell)))];
  const right = head.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'));
  const widths = head.map((_, column) => Math.max(4, ...cells.map((row) => (row[column] ?? '').length)));
  const pad = (cell: string, column: number): string =>
    right[column] ? cell.padStart(widths[column] as number) : cell.padEnd(widths[column] as number);
  const rule = widths.map((width, column) => (right[column] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  const lines = [cells[0] as readonly string[], rule, ...cells.slice(1)];
  return lines.map((row) => `| ${row.map(pad).join(' | ')} |\n`).join('');
}
