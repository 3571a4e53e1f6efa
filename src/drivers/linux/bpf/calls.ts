/** The bpf(2) system call: include/uapi/linux/bpf.h, union bpf_attr. */
import koffi from 'koffi';
import * as libc from '../libc.ts';

const SYS_BPF: Partial<Record<NodeJS.Architecture, number>> = { x64: 321, arm64: 280 };
const BPF_MAP_CREATE = 0;
const BPF_PROG_LOAD = 5;
const BPF_MAP_TYPE_HASH = 1;
const BPF_MAP_TYPE_ARRAY = 2;
const BPF_PROG_TYPE_SCHED_CLS = 3;
const BPF_F_NO_PREALLOC = 1;
const BPF_F_MMAPABLE = 1 << 10;
const NAME_BYTES = 16;
const LOG_BYTES = 65_536;
/** The programs call no helper that asks for a GPL-compatible licence. */
const LICENSE = Buffer.from('Apache-2.0\0');
const INSTRUCTION_BYTES = 8;
/** Of loading a program that signals break off. */
const ATTEMPTS = 20;

export type Opened = { ok: true; fd: number } | { ok: false; reason: string };

/** An array map of one value of so many 8-byte words that can be mapped into memory (Linux 5.5). All are zero. */
export function createCell(name: string, words = 1): Opened {
  return createMap(name, [BPF_MAP_TYPE_ARRAY, 4, 8 * words, 1, BPF_F_MMAPABLE]);
}

/** A hash map that takes memory only for what is in it. */
export function createHash(name: string, size: { keyBytes: number; valueBytes: number; entriesMax: number }): Opened {
  return createMap(name, [BPF_MAP_TYPE_HASH, size.keyBytes, size.valueBytes, size.entriesMax, BPF_F_NO_PREALLOC]);
}

/** `words`: type, bytes of a key, bytes of a value, entries, flags. */
function createMap(name: string, words: readonly number[]): Opened {
  const attr = Buffer.alloc(64);
  for (const [i, word] of words.entries()) attr.writeUInt32LE(word, i * 4);
  attr.write(name.slice(0, NAME_BYTES - 1), 28, 'latin1');
  return opened(bpf(BPF_MAP_CREATE, attr), 'create a map');
}

export interface Program {
  /** At most 15 letters, digits, dots and underscores. */
  name: string;
  instructions: Buffer;
  /** enum bpf_prog_type. */
  type: number;
  /** enum bpf_attach_type, for types that want to know where they will be attached. */
  attachType?: number;
}

/** Loads a program for tc. */
export function loadClassifier(name: string, instructions: Buffer): Opened {
  return loadProgram({ name, instructions, type: BPF_PROG_TYPE_SCHED_CLS });
}

/** When the kernel's verifier refuses the program, the reason ends with the last line of its log. */
export function loadProgram(program: Program): Opened {
  const fd = load(programAttributes(program));
  if (fd >= 0) return { ok: true, fd };
  const refused = opened(fd, `load program ${program.name}`);
  if (!refused.ok && libc.lastErrno() === libc.EPERM) return refused;
  const log = Buffer.alloc(LOG_BYTES);
  const again = load(programAttributes(program, log));
  if (again >= 0) return { ok: true, fd: again };
  const lines = log.subarray(0, log.indexOf(0)).toString('latin1').trim().split('\n');
  const words = lines.findLast((line) => !line.startsWith('processed ')) ?? '';
  return refused.ok || words === '' ? refused : { ok: false, reason: `${refused.reason}: ${words}` };
}

/** The verifier gives up with EAGAIN when a signal comes, which is handled as the call returns (kernel/bpf/verifier.c, do_check). */
function load(attr: Buffer): number {
  for (let left = ATTEMPTS; ; left--) {
    const fd = bpf(BPF_PROG_LOAD, attr);
    if (fd >= 0 || libc.lastErrno() !== libc.EAGAIN || left === 1) return fd;
  }
}

function programAttributes({ name, instructions, type, attachType = 0 }: Program, log?: Buffer): Buffer {
  const attr = Buffer.alloc(72);
  attr.writeUInt32LE(type, 0);
  attr.writeUInt32LE(instructions.length / INSTRUCTION_BYTES, 4);
  attr.writeBigUInt64LE(koffi.address(instructions), 8);
  attr.writeBigUInt64LE(koffi.address(LICENSE), 16);
  if (log !== undefined) {
    attr.writeUInt32LE(1, 24);
    attr.writeUInt32LE(log.length, 28);
    attr.writeBigUInt64LE(koffi.address(log), 32);
  }
  attr.write(name.slice(0, NAME_BYTES - 1), 48, 'latin1');
  attr.writeUInt32LE(attachType, 68);
  return attr;
}

/** -1 for a failure, whose number `libc.lastErrno` has. */
export function bpf(command: number, attr: Buffer): number {
  const number = SYS_BPF[process.arch];
  return number === undefined ? libc.noSuchCall() : libc.syscall3(number, command, attr, attr.length);
}

function opened(fd: number, what: string): Opened {
  return fd >= 0 ? { ok: true, fd } : { ok: false, reason: `${what}: ${libc.errnoName(libc.lastErrno())}` };
}
