/**
 * A cgroup of version 2 for each host, which inside the host is the root: a program that an agent attaches to "the root" touches this host
 * alone, and goes when the host does. Root only; where cgroups cannot be made, a host goes without and stays in its caller's.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../base/error.ts';
import { readOptional } from './folder.ts';
import { sendSignal } from './process.ts';

const EMPTY_WITHIN_MS = 10_000;

/** Makes the cgroup of a host. Undefined where nobody may; then everything else works without. */
export function makeHostCgroup(hostFolder: string): string | undefined {
  const path = pathOf(hostFolder);
  if (path === undefined) return undefined;
  try {
    mkdirSync(path, { recursive: true });
    return path;
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** The cgroup of a host if its init lives there, as the kernel says. */
export function hostCgroup(hostFolder: string, initPid: number): string | undefined {
  const path = pathOf(hostFolder);
  const own = /^0::(.*)$/m.exec(readOptional(`/proc/${initPid}/cgroup`))?.[1];
  return path !== undefined && own?.endsWith(`/${nameOf(labOf(hostFolder))}/${basename(hostFolder)}`) ? path : undefined;
}

/** The command line that starts a program in the cgroup; `nsenter --join-cgroup` is newer than Debian 12. */
export function joinArgv(cgroup: string): string[] {
  return ['sh', '-c', 'echo 0 >"$1" && shift && exec "$@"', 'hale-lab-join', join(cgroup, 'cgroup.procs')];
}

/** Ends what still lives in the cgroup of a host, and removes it, and with it every program attached there. Harmless when there is none. */
export async function removeHostCgroup(hostFolder: string): Promise<void> {
  const path = pathOf(hostFolder);
  if (path !== undefined) await remove(path);
}

/** Removes the cgroups of all hosts of a lab, once their inits have ended. */
export async function removeLabCgroup(labFolder: string): Promise<void> {
  const mount = mountPoint();
  if (mount !== undefined) await remove(join(mount, nameOf(labFolder)));
}

function pathOf(hostFolder: string): string | undefined {
  const mount = mountPoint();
  return mount === undefined ? undefined : join(mount, nameOf(labOf(hostFolder)), basename(hostFolder));
}

function labOf(hostFolder: string): string {
  return dirname(dirname(hostFolder));
}

/** Labs of the same name in different folders must not meet. */
function nameOf(labFolder: string): string {
  return `hale-lab-${basename(labFolder)}-${createHash('sha256').update(labFolder).digest('hex').slice(0, 8)}`;
}

/** cgroup v2 is at /sys/fs/cgroup, or in a folder there on machines that have version 1 beside it. */
function mountPoint(): string | undefined {
  return /^\S+ (\S+) cgroup2 /m.exec(readOptional('/proc/mounts'))?.[1];
}

async function remove(path: string): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += 5) {
    if (removed(path)) return;
    if (waitedMs > EMPTY_WITHIN_MS) {
      throw new HaleError({
        code: 'lab_process_stuck',
        kind: 'world',
        message: `the cgroup ${path} still has processes 10 s after they were killed`,
        remedy: `look at ${path}/cgroup.procs, then run the command again`,
      });
    }
    await sleep(5);
  }
}

/** From the leaves up, as rmdir(2) wants it; false while something in it is on its way out. */
function removed(path: string): boolean {
  let children: string[];
  try {
    children = readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(path, entry.name));
  } catch {
    return true;
  }
  if (children.filter((child) => !removed(child)).length > 0) return false;
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    if (code !== 'EBUSY') throw error;
    // The wrappers of programs in a host live here too, and outside its process namespace. 0 is a process that cannot be seen from here.
    for (const pid of readOptional(join(path, 'cgroup.procs')).split('\n').map(Number)) if (pid > 0) sendSignal(pid, 'KILL');
    return false;
  }
}
