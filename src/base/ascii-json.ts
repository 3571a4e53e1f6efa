/** JSON as bytes, for keys in etcd; what is not ASCII is escaped. */
export function encodeAsciiJson(value: unknown): Uint8Array {
  const ascii = JSON.stringify(value).replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return asciiBytes(ascii);
}

/** Undefined when it is no JSON. */
export function decodeAsciiJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
  } catch {
    return undefined;
  }
}

export function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (unit) => unit.charCodeAt(0));
}
