/** A cgroup (v2) of the test's own, so that programs attached to it touch nobody else. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupMount } from '../../src/drivers/linux/socket/cgroup.ts';

export interface TestCgroup {
  path: string;
  /** Moves this process, all its threads, in; sockets that it makes from now on belong to the cgroup. */
  enter(): void;
  /** Moves this process back, and its children, and removes the cgroup with everything attached to it. */
  remove(): void;
}

const ATTEMPTS = 500;
const ATTEMPT_MS = 10;
let made = 0;

/** Why no cgroup can be made here, for the title of a skipped suite; undefined when it can. */
export function cgroupProblem(): string | undefined {
  try {
    createTestCgroup().remove();
    return undefined;
  } catch (error) {
    return `a cgroup of version 2 needs root and a mount (${(error as Error).message})`;
  }
}

export function createTestCgroup(): TestCgroup {
  const root = cgroupMount(readFileSync('/proc/self/mountinfo', 'utf8'));
  if (root === undefined) throw new Error('no cgroup v2 is mounted');
  removeOrphans(root);
  const path = join(root, `hale-test-${process.pid}-${made++}`);
  mkdirSync(path);
  const home = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  const remove = () => {
    process.off('exit', remove);
    if (!existsSync(path)) return;
    for (const pid of readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean))
      writeFileSync(join(root, home, 'cgroup.procs'), pid);
    removeFolder(path);
  };
  process.on('exit', remove);
  return { path, enter: () => writeFileSync(join(path, 'cgroup.procs'), `${process.pid}`), remove };
}

/** With those that were made within. A process that was just killed is in no list any more, and keeps the cgroup until it has gone. */
function removeFolder(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) removeFolder(join(path, entry.name));
  for (let left = ATTEMPTS; ; left--) {
    try {
      return rmdirSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || left === 0) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ATTEMPT_MS);
    }
  }
}

/** Those of test processes that were killed before they could clean up. */
function removeOrphans(root: string): void {
  for (const name of readdirSync(root)) {
    const owner = /^hale-test-(\d+)-\d+$/.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) removeFolder(join(root, name));
  }
}
