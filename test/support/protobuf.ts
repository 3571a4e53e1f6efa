/** Messages of protocol buffers for tests, field by field. */

export function bytesField(number: number, content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content as Uint8Array);
  return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);
}

export function numberField(number: number, value: number): Buffer {
  return Buffer.from([...varint(number * 8), ...varint(value)]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];
}

/** An object as the API server stores it: `metadata` is the message ObjectMeta, `rest` the fields of the object after it. */
export function storedObject({ apiVersion = 'v1', kind, metadata, rest = [] }: StoredObject): Buffer {
  const type = Buffer.concat([bytesField(1, apiVersion), bytesField(2, kind)]);
  const raw = Buffer.concat([bytesField(1, metadata), ...rest]);
  return Buffer.concat([Buffer.from('k8s\0'), bytesField(1, type), bytesField(2, raw), bytesField(3, ''), bytesField(4, '')]);
}

interface StoredObject {
  apiVersion?: string;
  kind: string;
  metadata: Uint8Array;
  rest?: readonly Uint8Array[];
}
