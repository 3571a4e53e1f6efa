/** Text of UTF-8 bytes, with U+FFFD for what is none (RFC 3629). The pure layers have no TextDecoder. */
export function utf8(bytes: Uint8Array): string {
  const pieces: string[] = [];
  const points: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { point, length } = pointAt(bytes, at);
    points.push(point);
    at += length;
    if (points.length === 4096) pieces.push(String.fromCodePoint(...points.splice(0)));
  }
  pieces.push(String.fromCodePoint(...points));
  return pieces.join('');
}

/** The same text, or undefined where the bytes are no UTF-8. */
export function utf8OrNone(bytes: Uint8Array): string | undefined {
  for (let at = 0; at < bytes.length; ) {
    const { length, isWrong } = pointAt(bytes, at);
    if (isWrong) return undefined;
    at += length;
  }
  return utf8(bytes);
}

const REPLACEMENT = 0xfffd;
/** Below these, a sequence of 2, 3 or 4 bytes is longer than it need be. */
const SMALLEST = [0, 0, 0x80, 0x800, 0x1_0000];

function pointAt(bytes: Uint8Array, at: number): { point: number; length: number; isWrong: boolean } {
  const first = bytes[at] as number;
  if (first < 0x80) return { point: first, length: 1, isWrong: false };
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  const wrong = { point: REPLACEMENT, length: 1, isWrong: true };
  if (first < 0xc0 || first >= 0xf8) return wrong;
  let point = first & (0xff >> (length + 1));
  for (let i = 1; i < length; i++) {
    const next = bytes[at + i];
    if (next === undefined || (next & 0xc0) !== 0x80) return wrong;
    point = (point << 6) | (next & 0x3f);
  }
  const isSurrogate = point >= 0xd800 && point < 0xe000;
  if (point < (SMALLEST[length] as number) || point > 0x10_ffff || isSurrogate) return wrong;
  return { point, length, isWrong: false };
}

/** UTF-8 of a text, with U+FFFD for half of a surrogate pair. */
export function utf8Bytes(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const letter of text) {
    const given = letter.codePointAt(0) as number;
    const point = given >= 0xd800 && given < 0xe000 ? REPLACEMENT : given;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 0x3f));
    else if (point < 0x1_0000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f));
    else bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 0x3f), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f));
  }
  return Uint8Array.from(bytes);
}
