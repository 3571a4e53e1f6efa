/** CRC-32C (Castagnoli), as etcd's write-ahead log has it (RFC 3720, appendix B.4). */

const POLYNOMIAL = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  return value;
});

/** Goes on from the checksum of what came before; 0 at the beginning. */
export function crc32c(before: number, bytes: Uint8Array): number {
  let value = ~before;
  for (let at = 0; at < bytes.length; at++) value = (TABLE[(value ^ (bytes[at] as number)) & 0xff] as number) ^ (value >>> 8);
  return ~value >>> 0;
}
