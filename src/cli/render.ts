import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { EXIT_FINDING, HaleError } from '../base/error.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { renderClusterFiles, renderedHosts, renderHost } from '../core/render/cluster.ts';
import { type Description, toDescription } from '../core/render/description.ts';
import type { RenderedFile } from '../core/render/file.ts';
import type { RenderedHost } from '../core/render/part.ts';
import type { ClusterSecrets } from '../core/render/secrets.ts';
import { PLACEHOLDER_SECRETS, readOrMakeSecrets } from './cluster-secrets.ts';
import { DEFAULT_CONFIG, readClusterFile } from './read-cluster.ts';
import { differencesText } from './render-diff.ts';
import { type Placed, replaceFiles, type State, stateOf } from './render-tree.ts';
import { table } from './table.ts';

interface RenderOptions {
  out?: string;
  node?: string;
  secrets?: string;
  force?: true;
  diff?: true;
}

/** Folder of what belongs to no host; host names have no underscore. */
const CLUSTER_FOLDER = '_cluster';

/** `hale render`: the files of every host, each a tree to be copied onto it, and those of the cluster as a whole. */
export function renderCommand(): Command {
  return new Command('render')
    .description(
      'write the files of every host for the distribution and the provider of the endpoint that cluster.yaml names; never certificates',
    )
    .argument('[file]', 'cluster description', DEFAULT_CONFIG)
    .option(
      '--out <dir>',
      'write to <dir>/HOST/ABSOLUTE-PATH, with a manifest.json for each host, and to <dir>/_cluster; without it, list what would be written',
    )
    .option('--node <name>', 'for this host only')
    .option(
      '--secrets <file>',
      'keys and tokens of the cluster: made by the first run, the same for every later one (default: <dir>.secrets.json)',
    )
    .option('--diff', 'write nothing; show how the files in <dir> differ from what would be written; exit code 1 if they do')
    .option('--force', 'overwrite files that are there and differ')
    .action((file: string, options: RenderOptions) => {
      const cluster = readClusterFile(file);
      const trees = (secrets: ClusterSecrets) =>
        chosenTrees({ cluster, description: toDescription(readFileSync(file, 'utf8')), secrets, node: options.node, file });
      if (options.out === undefined) process.stdout.write(list(trees(PLACEHOLDER_SECRETS), options));
      else if (options.diff) diff(trees, { ...options, out: options.out });
      else process.stdout.write(write(trees, { ...options, out: options.out }));
    });
}

/** The files of one host, or of the cluster. */
interface Tree {
  name: string;
  files: RenderedFile[];
}

interface Wanted {
  cluster: Cluster;
  description: Description;
  secrets: ClusterSecrets;
  node: string | undefined;
  file: string;
}

function chosenTrees({ cluster, description, secrets, node: name, file }: Wanted): Tree[] {
  const hosts = renderedHosts(cluster);
  const chosen = hosts.filter(({ host }) => name === undefined || host.name === name);
  if (chosen.length === 0) throw unknownNode(name as string, { file, hosts });
  const trees = chosen.map((node) => ({ name: node.host.name, files: renderHost({ cluster, description, node, secrets }) }));
  const whole = name === undefined ? [{ name: CLUSTER_FOLDER, files: renderClusterFiles(cluster, secrets) }] : [];
  return [...trees, ...whole].filter(({ files }) => files.length > 0);
}

function unknownNode(name: string, { file, hosts }: { file: string; hosts: readonly RenderedHost[] }): HaleError {
  const names = hosts.slice(0, 20).map(({ host }) => host.name);
  return new HaleError({
    code: 'render_node_unknown',
    kind: 'usage',
    message: `--node ${name}: ${file} has no such host`,
    remedy: `choose one of ${names.join(', ')}${hosts.length > names.length ? ` and ${hosts.length - names.length} more` : ''}`,
  });
}

function list(trees: readonly Tree[], { diff: wantsDiff }: RenderOptions): string {
  if (wantsDiff)
    throw new HaleError({
      code: 'render_diff_against_nothing',
      kind: 'usage',
      message: '--diff compares with the files of an earlier rendering, but no folder was named',
      remedy: 'name it with --out DIR',
    });
  const rows = trees.flatMap(({ name, files }) => files.map(({ path, mode, owner }) => [name, octal(mode), owner ?? ROOT, path]));
  return table(['HOST', 'MODE', 'OWNER', 'FILE'], rows);
}

type PlacedFile = Placed & { state: State };
type PlacedTree = { name: string; files: PlacedFile[] };
type TreeMaker = (secrets: ClusterSecrets) => Tree[];
type OutOptions = RenderOptions & { out: string };

function write(trees: TreeMaker, { out, force, secrets: named }: OutOptions): string {
  // Beside the folder, which is copied to the hosts.
  const secretsFile = named ?? `${resolve(out)}.secrets.json`;
  const { secrets, made } = readOrMakeSecrets(secretsFile);
  const found = placedIn(out, trees(secrets));
  const differing = found.flatMap(({ files }) => files.filter(({ state }) => state === 'differs')).map(({ target }) => target);
  if (differing.length > 0 && !force) throw differs(differing);
  replaceFiles(found.flatMap(({ files }) => files));
  const rows = found.map(({ name, files }) => {
    const same = files.filter(({ state }) => state === 'same').length;
    return [name, `${files.length - same}`, `${same}`];
  });
  const keep = `${secretsFile} ${made ? 'was made' : 'was read'}: keep it, for every later run, and from others.\n`;
  return `${table(['HOST', 'WRITTEN', 'AS IT WAS'], rows)}${keep}`;
}

function diff(trees: TreeMaker, { out, secrets: named }: OutOptions): void {
  const { secrets } = readOrMakeSecrets(named ?? `${resolve(out)}.secrets.json`, { make: false });
  const changed = placedIn(out, trees(secrets))
    .flatMap(({ files }) => files)
    .filter(({ state, path }) => state !== 'same' && path !== MANIFEST);
  process.stdout.write(changed.length === 0 ? `${out}: nothing differs\n` : changed.map(differencesText).join(''));
  if (changed.length > 0) process.exitCode = EXIT_FINDING;
}

function placedIn(out: string, trees: readonly Tree[]): PlacedTree[] {
  const digests = new Map<string, string>();
  return trees.map(({ name, files }) => {
    const all = name === CLUSTER_FOLDER ? files : withManifest(files, digests);
    return { name, files: all.map((file) => placed({ ...file, target: join(out, name, file.path) })) };
  });
}

const placed = (file: Placed): PlacedFile => ({ ...file, state: stateOf(file) });

const MANIFEST = 'manifest.json';
const ROOT = 'root:root';

/** What belongs onto the host, and nothing else that an earlier rendering may have left. */
function withManifest(files: readonly RenderedFile[], digests: Map<string, string>): RenderedFile[] {
  const entries = files.map(({ path, mode, owner, text }) => ({
    path,
    mode: octal(mode),
    owner: owner ?? ROOT,
    sha256: digestOf(text, digests),
  }));
  return [...files, { path: MANIFEST, text: `${JSON.stringify({ files: entries }, null, 2)}\n`, mode: 0o644 }];
}

/** Many hosts have the same files. */
function digestOf(text: string, digests: Map<string, string>): string {
  const digest = digests.get(text) ?? createHash('sha256').update(text).digest('hex');
  digests.set(text, digest);
  return digest;
}

function differs(paths: readonly string[]): HaleError {
  return new HaleError({
    code: 'render_differs',
    kind: 'usage',
    message: `nothing was written, because these are there already and differ in text or mode:\n${paths.map((path) => `  ${path}`).join('\n')}`,
    remedy: 'look at what is different with --diff, then add --force',
  });
}

const octal = (mode: number): string => `0${mode.toString(8)}`;
