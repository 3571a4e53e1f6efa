import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BlockEntry } from '../../../../src/core/doctor/read/blocks.ts';
import { readHaproxy } from '../../../../src/core/doctor/read/haproxy.ts';
import { readKeepalived } from '../../../../src/core/doctor/read/keepalived.ts';
import { readNginx } from '../../../../src/core/doctor/read/nginx.ts';
import { readScript } from '../../../../src/core/doctor/read/script.ts';
import { readSysctl } from '../../../../src/core/doctor/read/sysctl.ts';
import { readUnit } from '../../../../src/core/doctor/read/unit.ts';
import type { Span } from '../../../../src/core/doctor/text-file.ts';

interface Words {
  words: readonly string[];
  spans: readonly Span[];
}

const flat = (entries: readonly BlockEntry[]): BlockEntry[] => entries.flatMap((entry) => [entry, ...flat(entry.block ?? [])]);
const READERS: Record<string, (text: string) => Words[]> = {
  haproxy: (text) => readHaproxy({ path: 'a', text }).config.sections.flatMap(({ head, lines }) => [head, ...lines]),
  keepalived: (text) => flat(readKeepalived({ path: 'a', text }).config.entries),
  nginx: (text) => flat(readNginx({ path: 'a', text }).config.entries),
  script: (text) => [...readScript({ path: 'a', text }).script.commands],
  sysctl: (text) => readSysctl({ path: 'a', text }).settings.map(({ value, valueSpan }) => ({ words: [value], spans: [valueSpan] })),
  unit: (text) =>
    readUnit({ path: 'a', text })
      .settings.filter(({ value }) => !value.includes('  '))
      .map(({ value, valueSpan }) => ({ words: [value], spans: [valueSpan] })),
};

/** Parts that mean something to one reader or another, and arbitrary text between. */
const text = fc
  .array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.constantFrom(
          ...'{}()[]<>;&|#!$`\'"\\=@ \t\n'.split(''),
          '\r\n',
          '\uFEFF',
          '<<EOF\n',
          'EOF\n',
          '$(',
          '${',
          '$((',
          '[[ ',
        ),
      },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          'global',
          'defaults',
          'from',
          'vrrp_instance',
          'case x in',
          ';;',
          'esac',
          'if',
          '[Service]',
          'a=b',
          'word',
        ),
      },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
    ),
  )
  .map((parts) => parts.join(''));

test.each(Object.entries(READERS))('%s reads any text, and every word stands where its span says', (_, read) => {
  fc.assert(
    fc.property(text, (sample) => {
      for (const { words, spans } of read(sample)) {
        expect(spans.length).toBe(words.length);
        for (const [i, { start, end }] of spans.entries()) {
          expect(0 <= start && start <= end && end <= sample.length).toBe(true);
          const raw = sample.slice(start, end);
          if (!/["'\\]/.test(raw)) expect(words[i]).toBe(raw);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test.each(Object.entries(READERS))('%s survives deep nesting', (_, read) => {
  for (const open of ['a {\n', '$(', '(', '`', '"$(', 'case a in b) ', '${']) expect(() => read(open.repeat(20_000))).not.toThrow();
});
