/** hale's programs at the hooks of a cgroup: put there, found again by a later process, replaced, removed. */
import { done, type Effect } from '../../../ports/effect.ts';
import { attachedPrograms, attachToCgroup, CGROUP_HOOKS, type CgroupHook, detachFromCgroup } from '../bpf/cgroup.ts';
import { mapInfo, openMap, openProgram, type ProgramInfo, programInfo } from '../bpf/objects.ts';
import * as libc from '../libc.ts';

/** What remembers comes before what redirects, so that no redirected socket is forgotten. */
export const HOOKS = Object.keys(CGROUP_HOOKS) as CgroupHook[];

const PREFIXES: Record<CgroupHook, string> = {
  sock_release: 'hale_sr',
  getpeername4: 'hale_p4',
  getpeername6: 'hale_p6',
  connect4: 'hale_c4',
  connect6: 'hale_c6',
};

/** Names have 15 characters at most; the cookie counts namespaces from 1 up, so that seven digits of base 36 never run out. */
export function programName(hook: CgroupHook, netns: bigint): string {
  return `${PREFIXES[hook]}_${netns.toString(36).slice(-7)}`;
}

export interface Found extends ProgramInfo {
  hook: CgroupHook;
  fd: number;
}

export type FoundPrograms = { ok: true; programs: Found[] } | { ok: false; reason: string };

/** The programs that hale has at a cgroup for this network namespace. Their descriptors are the caller's to close. */
export function findPrograms(cgroupFd: number, netns: bigint): FoundPrograms {
  const programs: Found[] = [];
  for (const hook of HOOKS) {
    const attached = attachedPrograms(cgroupFd, hook);
    if (!attached.ok) {
      closeAll(programs);
      return attached;
    }
    for (const id of attached.ids) {
      const fd = openProgram(id);
      const info = fd === undefined ? undefined : programInfo(fd);
      if (fd !== undefined && info?.name === programName(hook, netns)) programs.push({ ...info, hook, fd });
      else if (fd !== undefined) libc.close(fd);
    }
  }
  return { ok: true, programs };
}

export function closeAll(programs: readonly Found[]): void {
  for (const { fd } of programs) libc.close(fd);
}

/** Descriptor of the map of that name that one of the programs uses, if its entries have these sizes. */
export function findMap(programs: readonly Found[], wanted: { name: string; keyBytes: number; valueBytes: number }): number | undefined {
  for (const id of new Set(programs.flatMap(({ mapIds }) => mapIds))) {
    const fd = openMap(id);
    const info = fd === undefined ? undefined : mapInfo(fd);
    if (info?.name === wanted.name && info.keyBytes === wanted.keyBytes && info.valueBytes === wanted.valueBytes) return fd;
    if (fd !== undefined) libc.close(fd);
  }
  return undefined;
}

/** Puts each program in the place of those that an earlier process left, so that at no moment there is none. */
export function putPrograms(cgroupFd: number, fds: ReadonlyMap<CgroupHook, number>, left: readonly Found[]): Effect {
  for (const [hook, programFd] of fds) {
    const [replaced, ...more] = left.filter((found) => found.hook === hook);
    const attached = attachToCgroup({ cgroupFd, hook, programFd }, replaced?.fd);
    if (!attached.ok) return attached;
    const detached = detachAll(cgroupFd, more);
    if (!detached.ok) return detached;
  }
  return done;
}

/** What redirects goes before what remembers. */
export function detachAll(cgroupFd: number, programs: readonly Found[]): Effect {
  for (const { hook, fd: programFd } of programs.toReversed()) {
    const detached = detachFromCgroup({ cgroupFd, hook, programFd });
    if (!detached.ok) return detached;
  }
  return done;
}
