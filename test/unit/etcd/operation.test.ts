import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeOperation, encodeOperation, operationText } from '../../../src/core/etcd/operation.ts';

test('a record is read back as it was written, whatever is in its texts, and is ASCII', () => {
  const text = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(fc.record({ what: text, host: text, pid: fc.nat(), since: text }), (record) => {
      const bytes = encodeOperation(record);
      expect(bytes.every((byte) => byte >= 0x20 && byte <= 0x7e)).toBe(true);
      expect(decodeOperation(bytes)).toEqual(record);
      expect(operationText(record)).not.toMatch(/\p{Cc}/u);
    }),
  );
});

test('anything else is no record, and no failure', () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeOperation(bytes)));
  for (const json of ['', 'null', '[]', '{"what":"x"}', '{"what":"x","host":"h","pid":"1","since":""}'])
    expect(decodeOperation(Buffer.from(json))).toBeUndefined();
});
