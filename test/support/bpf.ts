/** Runs programs of tc in the kernel on frames that are on no wire, and tells whether this machine can have them at all. */
import koffi from 'koffi';
import { assemble, exit, set } from '../../src/drivers/linux/bpf/assembler.ts';
import { bpf, createCell, loadProgram } from '../../src/drivers/linux/bpf/calls.ts';
import { CGROUP_HOOKS, type CgroupHook } from '../../src/drivers/linux/bpf/cgroup.ts';
import { openCgroup } from '../../src/drivers/linux/socket/cgroup.ts';
import * as libc from '../../src/drivers/linux/libc.ts';

const SYS_BPF = process.arch === 'arm64' ? 280 : 321;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_TEST_RUN = 10;
const BPF_PROG_GET_FD_BY_ID = 13;

/** Why no programs can be loaded here, for the title of a skipped suite; undefined when they can. */
export function bpfProblem(): string | undefined {
  const cell = createCell('hale_test');
  if (!cell.ok) return `eBPF needs root outside user namespaces (${cell.reason})`;
  libc.close(cell.fd);
  return undefined;
}

/** What the program returns for a frame: -1 lets later filters decide, 2 drops (include/uapi/linux/pkt_cls.h, TC_ACT_*). */
export function verdictOf(programFd: number, frame: Uint8Array): number {
  const data = Buffer.from(frame);
  const attr = Buffer.alloc(80);
  attr.writeUInt32LE(programFd, 0);
  attr.writeUInt32LE(data.length, 8);
  attr.writeBigUInt64LE(koffi.address(data), 16);
  if (libc.syscall3(SYS_BPF, BPF_PROG_TEST_RUN, attr, attr.length) !== 0) throw new Error(libc.errnoName(libc.lastErrno()));
  return attr.readInt32LE(4);
}

/** Whether the kernel still has the program of this number. */
export function programExists(id: number): boolean {
  const attr = Buffer.alloc(16);
  attr.writeUInt32LE(id, 0);
  const fd = libc.syscall3(SYS_BPF, BPF_PROG_GET_FD_BY_ID, attr, attr.length);
  if (fd >= 0) libc.close(fd);
  return fd >= 0;
}

/** Attaches a program that does nothing, called `alone`, to a cgroup, so that the hook takes no other. It goes with the cgroup. */
export function attachAlone(cgroup: string, hook: CgroupHook): void {
  const instructions = assemble([set(0, 1), exit]);
  const loaded = loadProgram({ name: 'alone', instructions, ...CGROUP_HOOKS[hook] });
  const opened = openCgroup(cgroup);
  if (!loaded.ok || !opened.ok) throw new Error('no program or no cgroup');
  const attr = Buffer.alloc(16);
  for (const [i, word] of [opened.fd, loaded.fd, CGROUP_HOOKS[hook].attachType].entries()) attr.writeUInt32LE(word, i * 4);
  const result = bpf(BPF_PROG_ATTACH, attr);
  libc.close(loaded.fd);
  opened.close();
  if (result !== 0) throw new Error(libc.errnoName(libc.lastErrno()));
}
