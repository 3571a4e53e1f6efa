/** Programs at the hooks of a cgroup (v2): what sockets of its processes do passes them. They stay when the process that attached them ends. */
import koffi from 'koffi';
import { done, type Effect } from '../../../ports/effect.ts';
import * as libc from '../libc.ts';
import { bpf } from './calls.ts';

const BPF_PROG_ATTACH = 8;
const BPF_PROG_DETACH = 9;
const BPF_PROG_QUERY = 16;
/** Programs of several owners share the hook; all are run. */
const BPF_F_ALLOW_MULTI = 2;
/** Puts a program in the place of another at one instant (Linux 5.6). */
const BPF_F_REPLACE = 4;
/** A hook takes no more (kernel/bpf/cgroup.c, BPF_CGROUP_MAX_PROGS). */
const PROGRAMS_MAX = 64;

const BPF_PROG_TYPE_CGROUP_SOCK = 9;
const BPF_PROG_TYPE_CGROUP_SOCK_ADDR = 18;

/** Type of program and enum bpf_attach_type, by the kernel's name of the hook. */
export const CGROUP_HOOKS = {
  sock_release: { type: BPF_PROG_TYPE_CGROUP_SOCK, attachType: 34 },
  getpeername4: { type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType: 29 },
  getpeername6: { type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType: 30 },
  connect4: { type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType: 10 },
  connect6: { type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType: 11 },
} as const;

export type CgroupHook = keyof typeof CGROUP_HOOKS;

/** Numbers of the programs attached to this very cgroup, in the order in which they run; `shared` unless their owner wants to be alone. */
export function attachedPrograms(
  cgroupFd: number,
  hook: CgroupHook,
): { ok: true; ids: number[]; shared: boolean } | { ok: false; reason: string } {
  const ids = Buffer.alloc(PROGRAMS_MAX * 4);
  const attr = Buffer.alloc(32);
  attr.writeUInt32LE(cgroupFd, 0);
  attr.writeUInt32LE(CGROUP_HOOKS[hook].attachType, 4);
  attr.writeBigUInt64LE(koffi.address(ids), 16);
  attr.writeUInt32LE(PROGRAMS_MAX, 24);
  if (bpf(BPF_PROG_QUERY, attr) !== 0) return failed(`ask cgroup/${hook}`);
  const count = Math.min(attr.readUInt32LE(24), PROGRAMS_MAX);
  const shared = count === 0 || (attr.readUInt32LE(12) & BPF_F_ALLOW_MULTI) !== 0;
  return { ok: true, ids: Array.from({ length: count }, (_, i) => ids.readUInt32LE(i * 4)), shared };
}

export interface Attachment {
  cgroupFd: number;
  hook: CgroupHook;
  programFd: number;
}

/** Behind the programs that are there, or in the place of one of them. */
export function attachToCgroup({ cgroupFd, hook, programFd }: Attachment, replacedFd?: number): Effect {
  const attr = attachmentAttributes({ cgroupFd, hook, programFd });
  attr.writeUInt32LE(BPF_F_ALLOW_MULTI | (replacedFd === undefined ? 0 : BPF_F_REPLACE), 12);
  attr.writeUInt32LE(replacedFd ?? 0, 16);
  return bpf(BPF_PROG_ATTACH, attr) === 0 ? done : failed(`attach a program to cgroup/${hook}`);
}

export function detachFromCgroup(attachment: Attachment): Effect {
  const detached = bpf(BPF_PROG_DETACH, attachmentAttributes(attachment)) === 0 || libc.lastErrno() === libc.ENOENT;
  return detached ? done : failed(`detach a program from cgroup/${attachment.hook}`);
}

function attachmentAttributes({ cgroupFd, hook, programFd }: Attachment): Buffer {
  const attr = Buffer.alloc(24);
  attr.writeUInt32LE(cgroupFd, 0);
  attr.writeUInt32LE(programFd, 4);
  attr.writeUInt32LE(CGROUP_HOOKS[hook].attachType, 8);
  return attr;
}

function failed(what: string): { ok: false; reason: string } {
  return { ok: false, reason: `${what}: ${libc.errnoName(libc.lastErrno())}` };
}
