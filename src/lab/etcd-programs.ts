/** The etcd programs of a lab or a test: which they are, and where they are looked for. */
import { resolve } from 'node:path';
import { HaleError } from '../base/error.ts';
import { ETCD_RELEASES } from '../core/cluster/schema.ts';
import { runOrFail } from './command.ts';
import { findProgram } from './find-program.ts';
import { programCache } from './program-cache.ts';

/** What `npm run etcd:get` builds, by release line. test/etcd/LINE/go.mod says the same. */
export const ETCD_VERSIONS = { '3.5': 'v3.5.33', '3.6': 'v3.6.14', '3.7': 'v3.7.1' } as const;
export const ETCD_PROGRAMS = ['etcd', 'etcdctl', 'etcdutl'] as const;

export type EtcdBuiltLine = keyof typeof ETCD_VERSIONS;

/** Where `npm run etcd:get` puts a line's programs. */
export function etcdCache(line: EtcdBuiltLine): string {
  return programCache('etcd', ETCD_VERSIONS[line]);
}

/** The etcd of a folder, or on PATH; `version` without a leading v. A HaleError when it is not there, or of no release that hale knows. */
export async function findEtcd(folder?: string): Promise<{ path: string; version: string }> {
  const path = findProgram('etcd', ...(folder === undefined ? [] : [[resolve(folder)]]));
  if (path === undefined) throw folder === undefined ? notInstalled() : notInFolder(folder);
  const version = await etcdVersion(path);
  if (ETCD_RELEASES.some((release) => version.startsWith(`${release}.`))) return { path, version };
  throw new HaleError({
    code: 'lab_etcd_unknown_release',
    kind: 'usage',
    message: `${path} is etcd ${version}; a lab runs ${ETCD_RELEASES[0]} to ${ETCD_RELEASES.at(-1)}`,
    remedy: 'name a folder with another with --etcd; `npm run etcd:get` says where it puts those that it builds',
  });
}

const notInFolder = (folder: string) =>
  new HaleError({
    code: 'lab_etcd_not_in_folder',
    kind: 'usage',
    message: `no executable etcd in ${folder}`,
    remedy: 'name a folder with etcd in it (`npm run etcd:get` says where it puts those that it builds), or leave the option out',
  });

const notInstalled = () =>
  new HaleError({
    code: 'lab_etcd_not_found',
    kind: 'world',
    message: 'the program etcd is not installed',
    remedy: 'apt-get install etcd-server',
  });

/** `3.6.14`, as the program says. */
export async function etcdVersion(path: string): Promise<string> {
  return /etcd Version: (\S+)/.exec(await runOrFail([path, '--version']))?.[1] ?? 'unknown';
}
