/**
 * Instructions of eBPF as bytes (RFC 9669 sections 3 to 5): the few that the programs here use. A program is a list of instructions and
 * labels; jumps go forward to a label, so every program ends.
 */
import { assert } from '../../../base/assert.ts';

/** 0 is a call's result, 1 to 5 are its arguments and lost by it, 6 to 9 survive it; 1 holds the context at the start. */
export type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
const FRAME_POINTER = 10;
type AnyRegister = Register | typeof FRAME_POINTER;

interface Slot {
  opcode: number;
  dst?: AnyRegister;
  src?: number;
  offset?: number;
  imm?: number;
  /** Where a jump goes to; its offset is filled in. */
  target?: string;
}

/** One or two slots of 8 bytes, or the name of the place of the next instruction. */
export type Line = readonly Slot[] | { label: string };

const BPF_LD = 0x00;
const BPF_LDX = 0x01;
const BPF_STX = 0x03;
const BPF_JMP = 0x05;
const BPF_JMP32 = 0x06;
const BPF_ALU64 = 0x07;
const BPF_IMM_MODE = 0x00;
const BPF_MEM = 0x60;
const BPF_K = 0x00;
const BPF_X = 0x08;
const BPF_ADD = 0x00;
const BPF_AND = 0x50;
const BPF_LSH = 0x60;
const BPF_RSH = 0x70;
const BPF_MOD = 0x90;
const BPF_MOV = 0xb0;
const BPF_JA = 0x00;
const BPF_JEQ = 0x10;
const BPF_JGE = 0x30;
const BPF_JNE = 0x50;
const BPF_JSLT = 0xc0;
const BPF_CALL = 0x80;
const BPF_EXIT = 0x90;
const BPF_DW = 0x18;
/** Of `src` in a 64-bit load: the constant is a map's descriptor, and what is loaded is the map, or the address of its first value. */
const BPF_PSEUDO_MAP_FD = 1;
const BPF_PSEUDO_MAP_VALUE = 2;
const SIZES = { 1: 0x10, 2: 0x08, 4: 0x00, 8: BPF_DW } as const;

export const label = (name: string): Line => ({ label: name });
export const copy = (dst: Register, src: Register): Line => [{ opcode: BPF_ALU64 | BPF_MOV | BPF_X, dst, src }];
/** `imm` is 32 bits, signed. */
export const set = (dst: Register, imm: number): Line => [{ opcode: BPF_ALU64 | BPF_MOV | BPF_K, dst, imm }];
/** A constant of 64 bits, without a sign. */
export function set64(dst: Register, imm: bigint): Line {
  return [
    { opcode: BPF_LD | BPF_DW | BPF_IMM_MODE, dst, imm: Number(BigInt.asIntN(32, imm)) },
    { opcode: 0, imm: Number(imm >> 32n) },
  ];
}
export const and = (dst: Register, imm: number): Line => [{ opcode: BPF_ALU64 | BPF_AND | BPF_K, dst, imm }];
export const add = (dst: Register, imm: number): Line => [{ opcode: BPF_ALU64 | BPF_ADD | BPF_K, dst, imm }];
export const addRegister = (dst: Register, src: Register): Line => [{ opcode: BPF_ALU64 | BPF_ADD | BPF_X, dst, src }];
/** The rest of a division without sign; by zero it leaves `dst` as it is. */
export const modulo = (dst: Register, src: Register): Line => [{ opcode: BPF_ALU64 | BPF_MOD | BPF_X, dst, src }];
export const shiftLeft = (dst: Register, bits: number): Line => [{ opcode: BPF_ALU64 | BPF_LSH | BPF_K, dst, imm: bits }];
/** By as many bits as the lowest six of `src` say; zeros come in. */
export const shiftRightBy = (dst: Register, src: Register): Line => [{ opcode: BPF_ALU64 | BPF_RSH | BPF_X, dst, src }];

/** Address of a place in the stack; `offset` is from -512 to -1. */
export function stackAddress(dst: Register, offset: number): Line {
  return [
    { opcode: BPF_ALU64 | BPF_MOV | BPF_X, dst, src: FRAME_POINTER },
    { opcode: BPF_ALU64 | BPF_ADD | BPF_K, dst, imm: offset },
  ];
}

export interface Place {
  base: Register;
  offset: number;
}

/** Loads `size` bytes in host order, the rest zero. */
export function load(dst: Register, size: keyof typeof SIZES, { base, offset }: Place): Line {
  return [{ opcode: BPF_LDX | SIZES[size] | BPF_MEM, dst, src: base, offset }];
}

/** The same from the stack, whose offsets must be multiples of the size. */
export function loadFromStack(dst: Register, size: keyof typeof SIZES, offset: number): Line {
  return [{ opcode: BPF_LDX | SIZES[size] | BPF_MEM, dst, src: FRAME_POINTER, offset }];
}

/** Stores the lower `size` bytes of a register, in host order. */
export function store({ base, offset }: Place, size: keyof typeof SIZES, src: Register): Line {
  return [{ opcode: BPF_STX | SIZES[size] | BPF_MEM, dst: base, src, offset }];
}

export function storeToStack(offset: number, size: keyof typeof SIZES, src: Register): Line {
  return [{ opcode: BPF_STX | SIZES[size] | BPF_MEM, dst: FRAME_POINTER, src, offset }];
}

/** A map, as the helpers want it. */
export function mapReference(dst: Register, mapFd: number): Line {
  return [{ opcode: BPF_LD | BPF_DW | BPF_IMM_MODE, dst, src: BPF_PSEUDO_MAP_FD, imm: mapFd }, { opcode: 0 }];
}

/** Address of the first value of an array map (Linux 5.2). */
export function mapValueAddress(dst: Register, mapFd: number): Line {
  return [{ opcode: BPF_LD | BPF_DW | BPF_IMM_MODE, dst, src: BPF_PSEUDO_MAP_VALUE, imm: mapFd }, { opcode: 0 }];
}

export const jump = (target: string): Line => [{ opcode: BPF_JMP | BPF_JA, target }];
/** Compares the lower 32 bits with `imm`, given with or without a sign. */
export const jumpIfEqual = (dst: Register, imm: number, target: string): Line => [{ opcode: BPF_JMP32 | BPF_JEQ, dst, imm, target }];
export const jumpIfNotEqual = (dst: Register, imm: number, target: string): Line => [{ opcode: BPF_JMP32 | BPF_JNE, dst, imm, target }];
/** Compares 64 bits: a helper's address is zero when there is nothing. */
export const jumpIfZero = (dst: Register, target: string): Line => [{ opcode: BPF_JMP | BPF_JEQ, dst, imm: 0, target }];
/** Compares 64 bits of two registers. */
export const jumpIfDifferent = (dst: Register, src: Register, target: string): Line => [
  { opcode: BPF_JMP | BPF_JNE | BPF_X, dst, src, target },
];
/** Compares 64 bits with a sign: a helper's failure is negative. */
export const jumpIfNegative = (dst: Register, target: string): Line => [{ opcode: BPF_JMP | BPF_JSLT, dst, imm: 0, target }];
/** Compares 64 bits without a sign. */
export function jumpIfAtLeast(dst: Register, src: Register, target: string): Line {
  return [{ opcode: BPF_JMP | BPF_JGE | BPF_X, dst, src, target }];
}
/** Compares 64 bits. */
export const jumpIfSame = (dst: Register, src: Register, target: string): Line => [{ opcode: BPF_JMP | BPF_JEQ | BPF_X, dst, src, target }];
/** Calls a helper by its number (include/uapi/linux/bpf.h, enum bpf_func_id). */
export const call = (helper: number): Line => [{ opcode: BPF_JMP | BPF_CALL, imm: helper }];
export const exit: Line = [{ opcode: BPF_JMP | BPF_EXIT }];

/** Instructions of 8 bytes each, for a little-endian host. Every jump must go forward to a label that is there. */
export function assemble(lines: readonly Line[]): Buffer {
  const slots: Slot[] = [];
  const labels = new Map<string, number>();
  for (const line of lines) {
    if (!('label' in line)) {
      slots.push(...line);
      continue;
    }
    assert(!labels.has(line.label), `one place is called ${line.label}`);
    labels.set(line.label, slots.length);
  }
  const bytes = Buffer.alloc(slots.length * 8);
  for (const [i, { opcode, dst = 0, src = 0, offset = 0, imm = 0, target }] of slots.entries()) {
    bytes.writeUInt8(opcode, i * 8);
    bytes.writeUInt8((src << 4) | dst, i * 8 + 1);
    bytes.writeInt16LE(target === undefined ? offset : distance(labels.get(target), i, target), i * 8 + 2);
    bytes.writeInt32LE(imm | 0, i * 8 + 4);
  }
  return bytes;
}

/** Counted from the instruction after the jump. */
function distance(place: number | undefined, from: number, target: string): number {
  assert(place !== undefined && place > from, `jump ${from} goes forward to a label: ${target}`);
  return place - from - 1;
}
