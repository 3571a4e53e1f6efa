import { describe, expect, test } from 'vitest';
import {
  add,
  addRegister,
  and,
  assemble,
  call,
  copy,
  exit,
  jump,
  jumpIfAtLeast,
  jumpIfDifferent,
  jumpIfEqual,
  jumpIfNegative,
  jumpIfNotEqual,
  jumpIfZero,
  label,
  type Line,
  load,
  loadFromStack,
  mapReference,
  mapValueAddress,
  modulo,
  set,
  set64,
  shiftLeft,
  shiftRightBy,
  stackAddress,
  store,
  storeToStack,
} from '../../../src/drivers/linux/bpf/assembler.ts';

const hex = (lines: readonly Line[]): string[] => assemble(lines).toString('hex').match(/.{16}/g) ?? [];

describe('instructions of eBPF (RFC 9669)', () => {
  // Opcode, source and destination register, offset, constant; as `llvm-mc -arch=bpfel -show-encoding` gives them.
  test.each<[string, Line, string[]]>([
    ['r6 = r1', copy(6, 1), ['bf16000000000000']],
    ['r0 = -1', set(0, -1), ['b7000000ffffffff']],
    ['r1 &= 4095', and(1, 0xfff), ['57010000ff0f0000']],
    ['r1 = 0x11223344aabbccdd', set64(1, 0x1122_3344_aabb_ccddn), ['18010000ddccbbaa', '0000000044332211']],
    ['r1 = 0xffffffff00000001', set64(1, 0xffff_ffff_0000_0001n), ['1801000001000000', '00000000ffffffff']],
    ['r0 += 8', add(0, 8), ['0700000008000000']],
    ['r7 += r9', addRegister(7, 9), ['0f97000000000000']],
    ['r0 %= r8', modulo(0, 8), ['9f80000000000000']],
    ['r0 <<= 3', shiftLeft(0, 3), ['6700000003000000']],
    ['r7 >>= r0', shiftRightBy(7, 0), ['7f07000000000000']],
    ['*(u32 *)(r6 + 24) = r1', store({ base: 6, offset: 24 }, 4, 1), ['6316180000000000']],
    ['*(u64 *)(r10 - 8) = r0', storeToStack(-8, 8, 0), ['7b0af8ff00000000']],
    ['r1 = map 7', mapReference(1, 7), ['1811000007000000', '0000000000000000']],
    ['r3 = r10; r3 += -16', stackAddress(3, -16), ['bfa3000000000000', '07030000f0ffffff']],
    ['r1 = *(u32 *)(r6 + 24)', load(1, 4, { base: 6, offset: 24 }), ['6161180000000000']],
    ['r1 = *(u64 *)(r1 + 0)', load(1, 8, { base: 1, offset: 0 }), ['7911000000000000']],
    ['r1 = *(u16 *)(r10 - 16)', loadFromStack(1, 2, -16), ['69a1f0ff00000000']],
    ['r1 = *(u8 *)(r10 - 16)', loadFromStack(1, 1, -16), ['71a1f0ff00000000']],
    ['r1 = address of the value of map 7', mapValueAddress(1, 7), ['1821000007000000', '0000000000000000']],
    ['call 125', call(125), ['850000007d000000']],
    ['exit', exit, ['9500000000000000']],
  ])('%s', (_, line, expected) => {
    expect(hex([line])).toEqual(expected);
  });

  test.each<[string, (target: string) => Line, string]>([
    ['goto +2', jump, '0500020000000000'],
    ['if w1 == 2048 goto +2', (target) => jumpIfEqual(1, 2048, target), '1601020000080000'],
    ['if w1 != 0xff02017f goto +2', (target) => jumpIfNotEqual(1, 0xff02_017f, target), '560102007f0102ff'],
    ['if r0 s< 0 goto +2', (target) => jumpIfNegative(0, target), 'c500020000000000'],
    ['if r0 == 0 goto +2, 64 bits', (target) => jumpIfZero(0, target), '1500020000000000'],
    ['if r0 != r1 goto +2, 64 bits', (target) => jumpIfDifferent(0, 1, target), '5d10020000000000'],
    ['if r0 >= r1 goto +2, without a sign', (target) => jumpIfAtLeast(0, 1, target), '3d10020000000000'],
  ])('%s: counted from the next instruction, and a 64-bit load counts twice', (_, jumpTo, expected) => {
    expect(hex([jumpTo('there'), mapValueAddress(1, 7), label('there'), exit])[0]).toBe(expected);
  });

  test('a jump backwards, to nowhere, or to one of two places is a mistake of the program', () => {
    expect(() => assemble([label('here'), jump('here')])).toThrow('jump 0 goes forward to a label: here');
    expect(() => assemble([jump('nowhere')])).toThrow('nowhere');
    expect(() => assemble([jump('twice'), label('twice'), exit, label('twice'), exit])).toThrow('one place is called twice');
  });
});
