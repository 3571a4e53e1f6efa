/**
 * A classic BPF program (include/uapi/linux/filter.h) that lets through only what the watch reads: ARP, neighbour solicitations
 * and advertisements, and SYN-ACKs to the watch's ports. Without it the watch would wake for every segment of the probe's requests.
 */
const LOAD_HALF = 0x28;
const LOAD_BYTE = 0x30;
const LOAD_HALF_INDEXED = 0x48;
const LOAD_BYTE_INDEXED = 0x50;
/** X = 4 * (low nibble of the byte): the length of an IPv4 header. */
const LOAD_HEADER_LENGTH = 0xb1;
const AND = 0x54;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_AT_LEAST = 0x35;
const RETURN = 0x06;

const ETHER_TYPE = 12;
const PAYLOAD = 14;
const ACCEPT = 'accept';
const DROP = 'drop';

/** An instruction; `yes` and `no` are labels, absent for the next instruction. */
interface Instruction {
  label?: string;
  code: number;
  k: number;
  yes?: string;
  no?: string;
}

/** Frames start with their Ethernet header. */
export function answersFilter({ firstPort }: { firstPort: number }): Uint8Array {
  return assemble([
    { code: LOAD_HALF, k: ETHER_TYPE },
    { code: JUMP_IF_EQUAL, k: 0x0806, yes: ACCEPT },
    { code: JUMP_IF_EQUAL, k: 0x0800, yes: 'ipv4' },
    { code: JUMP_IF_EQUAL, k: 0x86dd, yes: 'ipv6', no: DROP },
    { label: 'ipv4', code: LOAD_BYTE, k: PAYLOAD + 9 },
    { code: JUMP_IF_EQUAL, k: 6, no: DROP },
    { code: LOAD_HEADER_LENGTH, k: PAYLOAD },
    { code: LOAD_HALF_INDEXED, k: PAYLOAD + 2 },
    { code: JUMP_IF_AT_LEAST, k: firstPort, no: DROP },
    { code: LOAD_BYTE_INDEXED, k: PAYLOAD + 13 },
    { code: AND, k: 0x3f },
    { code: JUMP_IF_EQUAL, k: 0x12, yes: ACCEPT, no: DROP },
    { label: 'ipv6', code: LOAD_BYTE, k: PAYLOAD + 6 },
    { code: JUMP_IF_EQUAL, k: 58, yes: 'icmp' },
    { code: JUMP_IF_EQUAL, k: 6, no: DROP },
    { code: LOAD_HALF, k: PAYLOAD + 42 },
    { code: JUMP_IF_AT_LEAST, k: firstPort, no: DROP },
    { code: LOAD_BYTE, k: PAYLOAD + 53 },
    { code: AND, k: 0x3f },
    { code: JUMP_IF_EQUAL, k: 0x12, yes: ACCEPT, no: DROP },
    { label: 'icmp', code: LOAD_BYTE, k: PAYLOAD + 40 },
    { code: JUMP_IF_EQUAL, k: 135, yes: ACCEPT },
    { code: JUMP_IF_EQUAL, k: 136, no: DROP },
    { label: ACCEPT, code: RETURN, k: 0xffff },
    { label: DROP, code: RETURN, k: 0 },
  ]);
}

/** struct sock_filter: code, two relative jumps, operand, in the byte order of the host (little-endian, as everywhere in the Linux drivers). */
function assemble(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  const distance = (label: string | undefined, from: number): number =>
    label === undefined ? 0 : program.findIndex((instruction) => instruction.label === label) - from - 1;
  program.forEach(({ code, k, yes, no }, i) => {
    view.setUint16(i * 8, code, true);
    view.setUint8(i * 8 + 2, distance(yes, i));
    view.setUint8(i * 8 + 3, distance(no, i));
    view.setUint32(i * 8 + 4, k, true);
  });
  return bytes;
}
