/** The hash of nftables' `jhash` expression, so that an agent knows the slot that its kernel computes (include/linux/jhash.h, Bob Jenkins' lookup3). */

const GOLDEN = 0xdead_beef;

/** 32 bits, unsigned. */
export function jhash(key: Uint8Array, seed: number): number {
  let a = (GOLDEN + key.length + seed) | 0;
  let b = a;
  let c = a;
  let at = 0;
  for (; key.length - at > 12; at += 12) {
    a = (a + word(key, at)) | 0;
    b = (b + word(key, at + 4)) | 0;
    c = (c + word(key, at + 8)) | 0;
    a = (a - c) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = (a - c) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (at === key.length) return c >>> 0;
  a = (a + word(key, at)) | 0;
  b = (b + word(key, at + 4)) | 0;
  c = (c + word(key, at + 8)) | 0;
  c = (c ^ b) - rotate(b, 14);
  a = (a ^ c) - rotate(c, 11);
  b = (b ^ a) - rotate(a, 25);
  c = (c ^ b) - rotate(b, 16);
  a = (a ^ c) - rotate(c, 4);
  b = (b ^ a) - rotate(a, 14);
  c = (c ^ b) - rotate(b, 24);
  return c >>> 0;
}

/** Little-endian; bytes behind the end count as 0. */
function word(key: Uint8Array, at: number): number {
  return (key[at] ?? 0) | ((key[at + 1] ?? 0) << 8) | ((key[at + 2] ?? 0) << 16) | ((key[at + 3] ?? 0) << 24);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
