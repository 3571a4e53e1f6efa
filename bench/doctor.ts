/** How long `hale doctor` takes over a thousand files: examples of its rules, configurations of others, and what hale renders. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readCluster } from '../src/core/cluster/read.ts';
import { rules } from '../src/core/doctor/rules/index.ts';
import { renderedFiles } from '../src/cli/doctor/described.ts';
import { readFiles } from '../src/drivers/doctor/files.ts';
import { packageFolder } from '../src/drivers/program.ts';
import { markdownTable, type Summary, summarize } from './machine.ts';

const HALE = join(packageFolder, 'hale');
const FILES = 1000;
const WANTED_MS = 2000;

export interface DoctorResult {
  runs: number;
  rules: number;
  files: number;
  mebibytes: number;
  findings: number;
  /** From the start of ./hale to its end, in milliseconds. */
  wall: Summary;
  every: number[];
  /** The same with one file: what the start takes. */
  oneFile: Summary;
}

type Texts = [path: string, text: string][];

export function doctor({ runs, say }: { runs: number; say: (line: string) => void }): DoctorResult {
  const folder = mkdtempSync(join(tmpdir(), 'hale-bench-doctor-'));
  try {
    const texts = thousandFiles();
    for (const [path, text] of texts) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const one = join(folder, texts.find(([path]) => path.endsWith('.yaml'))?.[0] ?? '');
    say(`${texts.length} files: ${runs} runs`);
    timed([folder]);
    const all = Array.from({ length: runs }, () => timed([folder]));
    const single = Array.from({ length: runs }, () => timed([one]));
    return {
      runs,
      rules: rules.length,
      files: texts.length,
      mebibytes: Math.round((texts.reduce((sum, [, text]) => sum + Buffer.byteLength(text), 0) / 2 ** 20) * 10) / 10,
      findings: all[0]?.findings ?? 0,
      wall: summarize(all.map(({ ms }) => ms)),
      every: all.map(({ ms }) => Math.round(ms)),
      oneFile: summarize(single.map(({ ms }) => ms)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A third of each kind, over and over where there are fewer, each copy in a folder of its own. */
function thousandFiles(): Texts {
  const kinds = [examples(), cases(), rendered()];
  return Array.from({ length: FILES }, (_, i): Texts[number] => {
    const kind = kinds[i % kinds.length] as Texts;
    const at = Math.floor(i / kinds.length);
    const [path, text] = kind[at % kind.length] as Texts[number];
    return [join(`copy${Math.floor(at / kind.length)}`, path), text];
  });
}

function examples(): Texts {
  return rules.flatMap(({ id, examples: { bad, good } }) =>
    [...bad, ...good].flatMap((example, i) => Object.entries(example).map(([path, text]): Texts[number] => [join(id, `${i}`, path), text])),
  );
}

function cases(): Texts {
  return readFiles([join(packageFolder, 'test/doctor-cases')]).files.map(({ file }) => [
    file.path.slice(packageFolder.length + 1),
    file.text,
  ]);
}

const CLUSTERS = [
  { distribution: 'kubeadm', provider: 'haproxy-keepalived', port: 8443 },
  { distribution: 'kubeadm', provider: 'kube-vip', port: 6443 },
  { distribution: 'k3s', provider: 'kube-vip', port: 6443 },
  { distribution: 'rke2', provider: 'hale', port: 8443 },
  { distribution: 'systemd', provider: 'hale', port: 8443 },
];

function rendered(): Texts {
  return CLUSTERS.flatMap(({ distribution, provider, port }) => {
    const hosts = [1, 2, 3, 4, 5].map((i) => `    - {name: cp${i}, address: 10.0.0.1${i}/24}\n`).join('');
    const description = `apiVersion: hale.dev/v1alpha1\nkind: Cluster\nname: prod\ndistribution: ${distribution}\nendpoint: {provider: ${provider}, address: 10.0.0.100, port: ${port}, interface: eth0}\ncontrolPlane:\n  hosts:\n${hosts}`;
    const read = readCluster(description, 'cluster.yaml');
    if (!read.ok) throw new Error(JSON.stringify(read.problems));
    const files = renderedFiles({ cluster: read.cluster, description }, () => true);
    return files.map(({ file }): Texts[number] => [join(`${distribution}-${provider}`, file.path.replace(':', '')), file.text]);
  });
}

function timed(names: readonly string[]): { ms: number; findings: number } {
  const startedAt = performance.now();
  const { stdout, stderr, status } = spawnSync(HALE, ['doctor', '--json', ...names], { encoding: 'utf8', maxBuffer: 2 ** 30 });
  const ms = performance.now() - startedAt;
  if (status !== 0 && status !== 1) throw new Error(`hale doctor ended with ${status}: ${stderr}`);
  return { ms, findings: (JSON.parse(stdout) as { findings: unknown[] }).findings.length };
}

export function renderDoctor({ runs, rules: count, files, mebibytes, findings, wall, every, oneFile }: DoctorResult): string {
  const row = (name: string, { median, p10, p90, max }: Summary): (string | number)[] => [name, median, p10, p90, max];
  return [
    `## Doctor: ${files} files of ${mebibytes} MiB, ${count} rules`,
    '',
    markdownTable(['wall time in ms', 'median', 'p10', 'p90', 'max'], [row(`${files} files`, wall), row('one file', oneFile)]),
    `- Wanted: ${WANTED_MS} ms or less. \`./hale doctor --json FOLDER\`, from its start to its end, ${runs} runs after one that is not counted; ${findings} findings. Every run: ${every.join(', ')}.`,
    '- The files: the examples of the rules, test/doctor-cases, and what hale renders for five hosts of five distributions and providers, copied until there are enough.',
    '',
  ].join('\n');
}
