import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8, utf8Bytes, utf8OrNone } from '../../src/base/utf8.ts';

/** Mostly text, partly damaged. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 50 }),
  fc.string({ unit: 'binary' }).map((text) => new Uint8Array(Buffer.from(text))),
  fc.constant(new Uint8Array(Buffer.from('ä€😀'.repeat(3000)))),
);

test('text is read as TextDecoder reads it', () => {
  fc.assert(
    fc.property(bytes, (input) => {
      const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
      let text: string | undefined;
      try {
        text = strict.decode(input);
      } catch {
        // Not UTF-8.
      }
      expect(utf8OrNone(input)).toBe(text);
      if (text === undefined) expect(utf8(input)).toContain('\ufffd');
    }),
  );
});

test('text is written as TextEncoder writes it, also half a surrogate pair', () => {
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.constant('aä€😀\ud800b\udc00'));
  fc.assert(
    fc.property(texts, (text) => {
      expect(utf8Bytes(text)).toEqual(new TextEncoder().encode(text));
    }),
  );
});
