import { closeSync, openSync, readFileSync } from 'node:fs';

/** Mount point of the first cgroup v2 in a mountinfo (proc_pid_mountinfo(5)); undefined when there is none. */
export function cgroupMount(mountinfo: string): string | undefined {
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    const mountPoint = before?.split(' ')[4];
    // Blanks, tabs, line ends and backslashes are written as three octal digits.
    if (after?.startsWith('cgroup2 ') && mountPoint !== undefined)
      return mountPoint.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
  }
  return undefined;
}

/** Nothing was ever attached where none is `mounted`. */
export type CgroupOpened = { ok: true; fd: number; close(): void } | { ok: false; mounted: boolean; reason: string };

/** The folder of a cgroup; without one, the root of the cgroups that this process sees, to which all its processes belong. */
export function openCgroup(path?: string): CgroupOpened {
  try {
    const folder = path ?? cgroupMount(readFileSync('/proc/self/mountinfo', 'utf8'));
    if (folder === undefined)
      return { ok: false, mounted: false, reason: 'no cgroup v2 is mounted (mount -t cgroup2 none /sys/fs/cgroup)' };
    const fd = openSync(folder, 'r');
    return { ok: true, fd, close: () => closeSync(fd) };
  } catch (error) {
    return { ok: false, mounted: true, reason: `cgroup v2: ${(error as Error).message}` };
  }
}
