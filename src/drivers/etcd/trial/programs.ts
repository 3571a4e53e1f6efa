import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { plainEnvironment } from './guarded.ts';

/** Paths of programs on this machine, as far as they are there. */
export interface FoundPrograms {
  etcd: string | undefined;
  etcdutl: string | undefined;
  etcdctl: string | undefined;
}

/** What a trial runs. */
export interface TrialPrograms {
  etcd: string;
  /** As it says itself: `3.6.14`. */
  version: string;
  /** The program that restores, and what it is called. */
  restore: { path: string; name: 'etcdutl' | 'etcdctl'; version: string };
}

/** The programs that can restore a snapshot and serve it, or why there are none: etcdutl, else an etcdctl that can still do it, as until 3.5. */
export async function chooseTrialPrograms(found: FoundPrograms): Promise<TrialPrograms | { missing: string }> {
  const { etcd, etcdutl, etcdctl } = found;
  if (etcd === undefined) return { missing: 'no program etcd is on this machine' };
  const version = await versionOf(etcd, '--version');
  if (version === undefined) return { missing: `${etcd} does not tell its version` };
  const utl = etcdutl === undefined ? undefined : await versionOf(etcdutl, 'version');
  if (etcdutl !== undefined && utl !== undefined) return { etcd, version, restore: { path: etcdutl, name: 'etcdutl', version: utl } };
  const ctl = etcdctl === undefined ? undefined : await versionOf(etcdctl, 'version');
  if (etcdctl !== undefined && ctl !== undefined && minorOf(ctl) < 6) {
    return { etcd, version, restore: { path: etcdctl, name: 'etcdctl', version: ctl } };
  }
  return { missing: 'no etcdutl is on this machine, and no etcdctl of etcd 3.5 or earlier, which could restore' };
}

/** Of 3.x; -1 when it is none. */
export function minorOf(version: string): number {
  return Number(/^3\.(\d+)/.exec(version)?.[1] ?? -1);
}

async function versionOf(path: string, argument: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(path, [argument], { env: plainEnvironment(), timeout: 10_000 });
    return /version: v?(\d+\.\d+\.\d+\S*)/i.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}
