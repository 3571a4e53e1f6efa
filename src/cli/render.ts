import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { HaleError } from '../base/error.ts';
import type { Cluster, ClusterHost } from '../core/cluster/schema.ts';
import type { RenderedFile } from '../core/render/file.ts';
import { type ClusterSecrets, renderSystemdHost } from '../core/render/systemd/host.ts';
import { readOrMakeSecrets } from './cluster-secrets.ts';
import { DEFAULT_CONFIG, readClusterFile } from './read-cluster.ts';
import { table } from './table.ts';

interface RenderOptions {
  out?: string;
  node?: string;
  secrets?: string;
  force?: true;
}

/** Only for their names: without a folder to write to, nothing is made. */
const NO_SECRETS: ClusterSecrets = { encryptionKeys: [], etcdToken: '' };

/** `hale render`: the files of a control plane, for each host a tree to be copied onto it. */
export function renderCommand(): Command {
  return new Command('render')
    .description('write the files of each control-plane host: unit files, configuration of the API server, users; never certificates')
    .argument('[file]', 'cluster description', DEFAULT_CONFIG)
    .option('--out <dir>', 'write to <dir>/HOST/ABSOLUTE-PATH, with a manifest.json for each host; without it, list what would be written')
    .option('--node <name>', 'for this control-plane host only')
    .option(
      '--secrets <file>',
      "the encryption key and etcd's token: made by the first run, the same for every later one (default: <dir>.secrets.json)",
    )
    .option('--force', 'overwrite files that are there and differ')
    .action((file: string, options: RenderOptions) => {
      const cluster = readClusterFile(file);
      requireSystemd(cluster, file);
      const hosts = chosenHosts(cluster, { file, name: options.node });
      const text = readFileSync(file, 'utf8');
      process.stdout.write(
        options.out === undefined ? list(cluster, { hosts, text }) : write({ ...options, out: options.out, cluster, hosts, text }),
      );
    });
}

function requireSystemd({ distribution }: Cluster, file: string): void {
  if (distribution === 'systemd') return;
  throw new HaleError({
    code: 'render_distribution_unsupported',
    kind: 'usage',
    message: `${file}: distribution: ${distribution}: hale renders the files of distribution systemd only; there is nothing for ${distribution} yet`,
    remedy: `set up the control plane with ${distribution} itself and run hale agent beside it, or choose distribution: systemd`,
  });
}

function chosenHosts(cluster: Cluster, { file, name }: { file: string; name: string | undefined }): ClusterHost[] {
  const { hosts } = cluster.controlPlane;
  const chosen = hosts.filter((host) => name === undefined || host.name === name);
  if (chosen.length > 0) return chosen;
  throw new HaleError({
    code: 'render_node_unknown',
    kind: 'usage',
    message: `--node ${name}: ${file} has no such host in controlPlane.hosts`,
    remedy: `choose one of ${hosts.map((host) => host.name).join(', ')}`,
  });
}

interface Rendering {
  cluster: Cluster;
  hosts: readonly ClusterHost[];
  /** Of cluster.yaml, which the agent reads on each host. */
  text: string;
}

function list(cluster: Cluster, { hosts, text }: Omit<Rendering, 'cluster'>): string {
  const rows = hosts.flatMap((host) =>
    filesOf(host, { cluster, text, secrets: NO_SECRETS }).map(({ path, mode }) => [host.name, octal(mode), path]),
  );
  return table(['HOST', 'MODE', 'FILE'], rows);
}

function write({ out, force, secrets: named, cluster, hosts, text }: RenderOptions & Rendering & { out: string }): string {
  // Beside the folder, which is copied to the hosts.
  const secretsFile = named ?? `${resolve(out)}.secrets.json`;
  const { secrets, made } = readOrMakeSecrets(secretsFile);
  const wanted = hosts.map((host) => ({ host, files: withManifest(filesOf(host, { cluster, text, secrets })) }));
  const all = wanted.flatMap(({ host, files }) => files.map((file) => ({ ...file, target: join(out, host.name, file.path) })));
  const states = all.map((file) => ({ file, state: stateOf(file) }));
  const differing = states.filter(({ state }) => state === 'differs').map(({ file }) => file.target);
  if (differing.length > 0 && !force) throw differs(differing);
  for (const { file, state } of states) if (state !== 'same') replace(file);
  const rows = wanted.map(({ host, files }) => {
    const own = states.filter(({ file }) => files.some(({ path }) => file.target === join(out, host.name, path)));
    return [host.name, `${own.filter(({ state }) => state !== 'same').length}`, `${own.filter(({ state }) => state === 'same').length}`];
  });
  const keep = `${secretsFile} ${made ? 'was made' : 'was read'}: keep it, for every later run, and from others.\n`;
  return `${table(['HOST', 'WRITTEN', 'AS IT WAS'], rows)}${keep}`;
}

function filesOf(
  host: ClusterHost,
  { cluster, text, secrets }: { cluster: Cluster; text: string; secrets: ClusterSecrets },
): RenderedFile[] {
  const { files } = renderSystemdHost(cluster, host, secrets);
  return [...files, { path: DEFAULT_CONFIG, text, mode: 0o644 }].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** What belongs onto the host, and nothing else that an earlier rendering may have left. */
function withManifest(files: readonly RenderedFile[]): RenderedFile[] {
  const entries = files.map(({ path, mode, text }) => ({
    path,
    mode: octal(mode),
    sha256: createHash('sha256').update(text).digest('hex'),
  }));
  return [...files, { path: 'manifest.json', text: `${JSON.stringify({ files: entries }, null, 2)}\n`, mode: 0o644 }];
}

type Placed = RenderedFile & { target: string };

function stateOf({ target, text, mode }: Placed): 'missing' | 'same' | 'differs' {
  try {
    return readFileSync(target, 'utf8') === text && (statSync(target).mode & 0o777) === mode ? 'same' : 'differs';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'missing';
    throw unwritable(target, error as Error);
  }
}

/** A new file: one that is there keeps its mode, and would be open to others for a moment. */
function replace({ target, text, mode }: Placed): void {
  try {
    mkdirSync(dirname(target), { recursive: true });
    rmSync(target, { force: true });
    const mask = process.umask(0);
    try {
      writeFileSync(target, text, { mode, flag: 'wx' });
    } finally {
      process.umask(mask);
    }
  } catch (error) {
    throw unwritable(target, error as Error);
  }
}

function unwritable(target: string, error: Error): HaleError {
  return new HaleError({
    code: 'render_unwritable',
    kind: 'world',
    message: `${target}: cannot be written: ${error.message}`,
    remedy: 'choose another folder with --out, or mend its permissions',
    cause: error,
  });
}

function differs(paths: readonly string[]): HaleError {
  return new HaleError({
    code: 'render_differs',
    kind: 'usage',
    message: `nothing was written, because these are there already and differ in text or mode:\n${paths.map((path) => `  ${path}`).join('\n')}`,
    remedy: 'look at what is different (render to another --out with the same --secrets and compare), then add --force',
  });
}

const octal = (mode: number): string => `0${mode.toString(8)}`;
