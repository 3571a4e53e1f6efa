import { Command, Option } from 'commander';
import { printable } from '../../base/printable.ts';
import { rangeOf } from '../../core/etcd/key-range.ts';
import type { KeyFolder } from '../../core/etcd/kubernetes/key-tree.ts';
import { kubernetesRoots } from '../../core/etcd/kubernetes/key-groups.ts';
import { groupName } from '../../core/etcd/kubernetes/key-tally.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import { countKeys, type KeyCount } from '../../engine/etcd/count-keys.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import type { EtcdMemberStatus } from '../../ports/etcd.ts';
import { interruptible } from '../interrupt.ts';
import { createProgress } from '../progress.ts';
import { table } from '../table.ts';
import { wholeNumber } from '../whole-number.ts';
import { type EtcdOptions, etcdAccess, withEtcd, withEtcdOptions } from './options.ts';

interface KeysOptions extends EtcdOptions {
  depth: number;
  sort: 'size' | 'count';
  top: number;
  resources?: true;
  sizes: boolean;
  serializable?: true;
  etcdPrefix?: string;
  json?: true;
}

/** `hale etcd keys`: what fills this etcd? */
export function etcdKeysCommand(): Command {
  return withEtcdOptions(new Command('keys'))
    .description('show what fills etcd: keys by folder or by resource of Kubernetes, with their number and size; reads only')
    .argument('[prefix]', 'only keys that begin so, as /registry/pods', '')
    .addOption(new Option('--depth <folders>', 'how many folders deep').argParser(wholeNumber).default(2))
    .addOption(new Option('--sort <by>', 'what comes first').choices(['size', 'count']).default('size'))
    .addOption(new Option('--top <n>', 'how many folders of each folder').argParser(wholeNumber).default(15))
    .option('--resources', 'by resource of Kubernetes')
    .option('--no-sizes', 'count the keys alone, without reading the values')
    .option('--serializable', 'ask for what one member has, which may be old: works without a quorum')
    .option('--etcd-prefix <path>', '--etcd-prefix of the API servers, where it is more than one folder')
    .option('--json', 'print one JSON document')
    .action(async (prefix: string, options: KeysOptions, command: Command) => {
      const access = etcdAccess(options, command);
      const found = await interruptible((signal) =>
        withEtcd({ access, timeoutMs: options.timeout }, async (etcd) => ({
          ...(await count(etcd, { prefix, options, signal })),
          status: await statusOfAny(etcd, access.endpoints),
        })),
      );
      process.stdout.write(options.json ? `${JSON.stringify(document(found, options), null, 2)}\n` : render(found, options));
    });
}

interface Asked {
  prefix: string;
  options: KeysOptions;
  signal: AbortSignal;
}

type Found = KeyCount & { base: string; status: EtcdMemberStatus | undefined };

async function count(etcd: EtcdAdmin, { prefix, options, signal }: Asked): Promise<Omit<Found, 'status'>> {
  const progress = createProgress();
  const base = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const { depth, sizes, serializable = false, etcdPrefix } = options;
  try {
    const counted = await countKeys(etcd, {
      range: rangeOf(Buffer.from(prefix)),
      base,
      depth,
      withSizes: sizes,
      serializable,
      signal,
      onProgress: (done, all) => progress.at(`${done} of ${all} keys`),
      ...(etcdPrefix === undefined ? {} : { prefix: etcdPrefix }),
    });
    return { ...counted, base };
  } finally {
    progress.end();
  }
}

/** For the size of the database beside that of the keys. */
async function statusOfAny(etcd: EtcdAdmin, urls: readonly string[]): Promise<EtcdMemberStatus | undefined> {
  return await Promise.any(urls.map((url) => etcd.status(url))).catch(() => undefined);
}

function render(found: Found, options: KeysOptions): string {
  const { tree, revision, base, status } = found;
  const top = treeOf(found, options);
  const size = (bytes: number) => (options.sizes ? sizeText(bytes) : '-');
  const rows = options.resources
    ? resourcesOf(found, options).map(({ name, keys, bytes }) => [`${keys}`, size(bytes), printable(name)])
    : folderRows(top, { name: base === '' ? '(all)' : base, level: 0, size });
  const cut = tree.isCut ? 'more than 100 000 folders: those that came last are counted above themselves only\n' : '';
  return `${table(['KEYS', 'SIZE', options.resources ? 'RESOURCE' : 'FOLDER'], rows)}${cut}\nat revision ${revision}${sizeWords(top.bytes, { options, base, status })}\n`;
}

interface SizeFacts {
  options: KeysOptions;
  base: string;
  status: EtcdMemberStatus | undefined;
}

/** Where keys are small beside the database, history or free space is what fills it. */
function sizeWords(bytes: number, { options, base, status }: SizeFacts): string {
  if (status === undefined || status.dbSizeBytes === 0) return '';
  const { dbSizeBytes, dbSizeInUseBytes } = status;
  const database = `; the database has ${sizeText(dbSizeBytes)}, ${sizeText(dbSizeInUseBytes)} of them in use`;
  if (!options.sizes || base !== '') return database;
  const history = Math.max(0, dbSizeInUseBytes - bytes);
  return `${database}: ${sizeText(bytes)} by keys that live, ${sizeText(history)} by history (hale etcd compact) and bbolt's own pages; ${sizeText(dbSizeBytes - dbSizeInUseBytes)} are free (hale etcd defrag)`;
}

function folderRows(
  folder: KeyFolder,
  { name, level, size }: { name: string; level: number; size: (bytes: number) => string },
): string[][] {
  const indent = '  '.repeat(level);
  const own = [`${folder.keys}`, size(folder.bytes), `${indent}${printable(name)}`];
  const below = folder.folders.flatMap((child) => folderRows(child, { name: `${child.name}/`, level: level + 1, size }));
  const { folders, keys, bytes } = folder.more;
  const rest = folders === 0 ? [] : [[`${keys}`, size(bytes), `${indent}  (${folders} more)`]];
  return [own, ...below, ...rest];
}

function treeOf({ tree }: Found, { sort, top }: KeysOptions): KeyFolder {
  return tree.sorted({ by: sort === 'size' ? 'bytes' : 'keys', top });
}

function resourcesOf({ groups }: Found, { sort, etcdPrefix }: KeysOptions) {
  const roots = kubernetesRoots(groups, etcdPrefix);
  const named = groups.map((group) => ({ name: groupName(group, roots), ...group }));
  return named.toSorted((a, b) => (sort === 'size' ? b.bytes - a.bytes : 0) || b.keys - a.keys);
}

function document(found: Found, options: KeysOptions): unknown {
  const { revision, base, status } = found;
  const database = status === undefined ? null : { bytes: status.dbSizeBytes, inUseBytes: status.dbSizeInUseBytes };
  return { revision, base, hasSizes: options.sizes, database, resources: resourcesOf(found, options), folder: treeOf(found, options) };
}
