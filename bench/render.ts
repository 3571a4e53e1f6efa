import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { readCluster } from '../src/core/cluster/read.ts';
import type { Cluster } from '../src/core/cluster/schema.ts';
import { renderClusterFiles, renderedHosts, renderHost } from '../src/core/render/cluster.ts';
import { toDescription } from '../src/core/render/description.ts';
import type { ClusterSecrets } from '../src/core/render/secrets.ts';
import { packageFolder } from '../src/drivers/program.ts';
import { markdownTable, type Summary, summarize } from './machine.ts';

const HALE = join(packageFolder, 'hale');
const CONTROL_PLANE = 7;
const WORKERS = 1000;

/** What has most files, or the longest, on its workers. */
const SUBJECTS = {
  'kubeadm, hale': { distribution: 'kubeadm' },
  'kubeadm, nginx on every node': {
    distribution: 'kubeadm',
    endpoint: { provider: 'node-local', address: '10.0.0.100', dnsName: 'api.prod.example.com' },
    nodeLocal: { balancer: 'nginx' },
  },
  'kubeadm, hale on every node': {
    distribution: 'kubeadm',
    endpoint: { provider: 'node-local', address: '10.0.0.100', interface: 'eth0' },
  },
  'k3s, kube-vip': { distribution: 'k3s', endpoint: { provider: 'kube-vip', address: '10.0.0.100', interface: 'eth0' } },
};

interface Measured {
  subject: string;
  files: number;
  kilobytes: number;
  /** From the text of cluster.yaml to all files as text, in a process that does nothing else. */
  memory: Summary;
  /** The whole of `hale render --out` into a folder that is not there yet; again, when every file is as it should be; --diff of the same. */
  out: Summary;
  /** Of that, on the processor: what is left of it on a disk that waits for nothing. */
  cpu: Summary;
  again: Summary;
  diff: Summary;
}

export interface RenderResult {
  runs: number;
  measured: Measured[];
}

const SECRETS: ClusterSecrets = {
  encryptionKeys: [{ name: 'key1', secret: Buffer.alloc(32).toString('base64') }],
  etcdToken: '0'.repeat(32),
  certificateKey: '0'.repeat(64),
  bootstrapToken: 'abcdef.0123456789abcdef',
  joinToken: '0'.repeat(64),
};

export function render({ runs, say }: { runs: number; say: (line: string) => void }): RenderResult {
  const folder = mkdtempSync(join(tmpdir(), 'hale-bench-render-'));
  try {
    const measured = Object.entries(SUBJECTS).map(([subject, keys]) => {
      say(`${subject}: ${runs} runs`);
      return measure(subject, { keys, folder, runs });
    });
    return { runs, measured };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function measure(subject: string, { keys, folder, runs }: { keys: object; folder: string; runs: number }): Measured {
  const text = description(keys);
  const file = join(folder, 'cluster.yaml');
  writeFileSync(file, text);
  const times = { memory: [] as number[], out: [] as number[], cpu: [] as number[], again: [] as number[], diff: [] as number[] };
  // The first of each reads its program from disk.
  for (let i = -1; i < runs; i++) {
    // All stay until the end: where thousands of files have just been removed, ext4 looks for each new one past all of those (recently_deleted in fs/ext4/ialloc.c).
    const out = mkdtempSync(join(folder, 'out-'));
    const before = childCpuMs();
    const written = timed(() => hale(file, '--out', out));
    const took = {
      out: written,
      cpu: childCpuMs() - before,
      memory: timed(() => rendered(text)),
      again: timed(() => hale(file, '--out', out)),
      diff: timed(() => hale(file, '--out', out, '--diff')),
    };
    if (i >= 0) for (const [name, ms] of Object.entries(took)) times[name as keyof typeof times].push(ms);
  }
  const files = rendered(text);
  const bytes = files.reduce((sum, one) => sum + one.length, 0);
  const { memory, out: written, cpu, again, diff } = times;
  return {
    subject,
    files: files.length,
    kilobytes: Math.round(bytes / 1000),
    memory: summarize(memory),
    out: summarize(written),
    cpu: summarize(cpu),
    again: summarize(again),
    diff: summarize(diff),
  };
}

function description(keys: object): string {
  const hosts = (prefix: string, { count, first }: { count: number; first: number }) =>
    Array.from({ length: count }, (_, i) => {
      const number = first + i;
      return { name: `${prefix}${i + 1}`, address: `10.0.${number >> 8}.${number & 255}/16`, zone: `zone-${(i % 3) + 1}` };
    });
  return stringify({
    apiVersion: 'hale.dev/v1alpha1',
    kind: 'Cluster',
    name: 'prod',
    endpoint: { address: '10.0.0.100' },
    // Each node gets a /24 of it.
    kubernetes: { podSubnet: '10.240.0.0/12' },
    controlPlane: { hosts: hosts('cp', { count: CONTROL_PLANE, first: 11 }) },
    workers: { hosts: hosts('worker', { count: WORKERS, first: 257 }) },
    ...keys,
  });
}

/** The text of every file. */
function rendered(text: string): string[] {
  const cluster = clusterOf(text);
  const input = { cluster, description: toDescription(text), secrets: SECRETS };
  const ofHosts = renderedHosts(cluster).flatMap((node) => renderHost({ ...input, node }));
  return [...ofHosts, ...renderClusterFiles(cluster, SECRETS)].map((file) => file.text);
}

function clusterOf(text: string): Cluster {
  const read = readCluster(text, 'cluster.yaml');
  if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join('\n'));
  return read.cluster;
}

function hale(...words: string[]): void {
  const { status, stderr } = spawnSync(HALE, ['render', ...words], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

function timed(work: () => unknown): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}

const TICK_MS = 10;

/** User and system time of all children that have ended (proc_pid_stat(5), fields 16 and 17). */
function childCpuMs(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS;
}

export function renderRender({ runs, measured }: RenderResult): string {
  const text = ({ median, p90, max }: Summary) => `${median} / ${p90} / ${max}`;
  const rows = measured.map(({ subject, files, kilobytes, memory, out, cpu, again, diff }) => [
    subject,
    files,
    kilobytes,
    ...[memory, out, cpu, again, diff].map(text),
  ]);
  const head = ['cluster', 'files', 'kB', 'in memory, ms', 'hale render --out, ms', 'CPU of it, ms', 'the same again, ms', '--diff, ms'];
  return [
    `## Files of ${CONTROL_PLANE} + ${WORKERS} hosts, ${runs} runs`,
    '',
    markdownTable(head, rows),
    '- Median / 90th percentile / largest. In memory: from the text of cluster.yaml to every text, without manifests. Wanted: 1 s or less, also on disk.',
    '',
  ].join('\n');
}
