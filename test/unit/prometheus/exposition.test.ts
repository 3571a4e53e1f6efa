import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ExpositionReader, LINE_CHARS_MAX, parseNumber, type Sample } from '../../../src/core/prometheus/exposition.ts';

/** Everything wanted; `sizes` are the lengths of the chunks, the rest comes in one. */
function read(text: string, sizes: readonly number[] = []) {
  const samples: Sample[] = [];
  const reader = new ExpositionReader({ wants: () => true, onSample: (sample) => (samples.push(sample), true) });
  let from = 0;
  for (const size of [...sizes, text.length]) {
    reader.push(text.slice(from, from + size));
    from += size;
  }
  reader.end();
  const { lines, malformed, firstMalformed } = reader;
  return { samples: samples.map(({ name, labels, value }) => [name, Object.fromEntries(labels), value]), lines, malformed, firstMalformed };
}

describe('Prometheus text format 0.0.4', () => {
  test('samples with and without labels, blanks, comments, times', () => {
    const text = `# HELP http_requests_total The total.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000

  up 1
a:b { x = "1" , } 0.5e-3\t7
`;
    expect(read(text)).toEqual({
      samples: [
        ['http_requests_total', { method: 'post', code: '200' }, 1027],
        ['up', {}, 1],
        ['a:b', { x: '1' }, 0.0005],
      ],
      lines: 6,
      malformed: 0,
      firstMalformed: null,
    });
  });

  test('escapes in the value of a label', () => {
    expect(read('m{path="C:\\\\DIR\\\\",error="\\"a\\"\\nb, }"} 1\n').samples).toEqual([
      ['m', { path: 'C:\\DIR\\', error: '"a"\nb, }' }, 1],
    ]);
  });

  test('numbers as Go writes them', () => {
    const numbers = ['1', '+1', '-1.5', '.5', '5.', '1e3', '+Inf', '-Inf', 'Inf', 'NaN'].map(parseNumber);
    expect(numbers).toEqual([1, 1, -1.5, 0.5, 5, 1000, Infinity, -Infinity, Infinity, NaN]);
    expect(['', '0x10', 'Infinity', '1_000', '1e', '--1', 'nan', ' 1', 'toString'].map(parseNumber)).toEqual(Array(9).fill(undefined));
  });

  test.each([
    ['no value', 'm'],
    ['no number', 'm x'],
    ['two numbers too many', 'm 1 2 3'],
    ['no name', '{a="1"} 1'],
    ['a digit first', '1m 1'],
    ['an open label', 'm{a="1} 1'],
    ['an open brace', 'm{a="1"'],
    ['no quotes', 'm{a=1} 1'],
    ['no comma', 'm{a="1"b="2"} 1'],
    ['a label twice', 'm{a="1",a="2"} 1'],
    ['an unknown escape', 'm{a="\\t"} 1'],
    ['HTML', '<html><body>502 Bad Gateway</body></html>'],
  ])('%s: counted, told, and the next line is read', (_, line) => {
    expect(read(`ok 1\n${line}\nok 2\n`)).toMatchObject({
      samples: [
        ['ok', {}, 1],
        ['ok', {}, 2],
      ],
      malformed: 1,
      firstMalformed: { line: 2, excerpt: line },
    });
  });

  test('a last line without its end was cut short: it may be half a number', () => {
    expect(read('a 1\nb 12')).toMatchObject({ samples: [['a', {}, 1]], malformed: 1, firstMalformed: { line: 2, excerpt: 'b 12' } });
  });

  test('of a line without an end no more than LINE_CHARS_MAX is held; the next is read', () => {
    const long = `m{a="${'x'.repeat(3 * LINE_CHARS_MAX)}"} 1\nok 2\n`;
    expect(read(long, [LINE_CHARS_MAX, 1, LINE_CHARS_MAX])).toMatchObject({ samples: [['ok', {}, 2]], lines: 2, malformed: 1 });
  });
});

test('OpenMetrics 1.0: exemplars, times in seconds, EOF', () => {
  const text = `# TYPE foo histogram
foo_bucket{le="0.01"} 0
foo_bucket{le="0.1"} 8 1520879607.789 # {} 0.054
foo_bucket{le="+Inf"} 17 # {trace_id="oHg5SJYRHA0"} 9.8 1520879607.789
# EOF
`;
  expect(read(text).samples).toEqual([
    ['foo_bucket', { le: '0.01' }, 0],
    ['foo_bucket', { le: '0.1' }, 8],
    ['foo_bucket', { le: '+Inf' }, 17],
  ]);
});

test('a line that is not wanted is not looked into', () => {
  const reader = new ExpositionReader({ wants: (name) => name === 'a', onSample: () => true });
  reader.push('b{nonsense\na{nonsense\n');
  expect(reader.malformed).toBe(1);
});

const escaped = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
const labelName = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,8}$/);
const sample = fc.tuple(
  fc.stringMatching(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,12}$/),
  fc.uniqueArray(fc.tuple(labelName, fc.string({ unit: 'binary', maxLength: 8 })), { selector: ([name]) => name, maxLength: 4 }),
  fc.double({ noNaN: true }),
);
const goNumber = (value: number): string => (Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf');

describe('for any input', () => {
  test('what is written is read, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 6 }), fc.array(fc.nat(20)), (samples, sizes) => {
        const text = samples.map(
          ([name, labels, value]) =>
            `${name}{${labels.map(([key, label]) => `${key}="${escaped(label)}"`).join(',')}} ${goNumber(value)}\n`,
        );
        const found = read(text.join(''), sizes);
        expect(found).toMatchObject({ malformed: 0, lines: samples.length });
        expect(found.samples).toEqual(
          samples.map(([name, labels, value]) => [
            name,
            Object.fromEntries(new Map(labels)),
            Number(goNumber(value).replace('Inf', 'Infinity')),
          ]),
        );
      }),
    );
  });

  test('nothing is thrown, and how it is cut makes no difference', () => {
    const pieces = fc.constantFrom('m', '{', '}', '"', '\\', 'a=', ',', ' ', '\n', '1', '#', '+Inf', '\0', '\ud800', 'le="0.5"');
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.string({ unit: 'binary' }))), fc.array(fc.nat(9)), (parts, sizes) => {
        const text = parts.join('');
        const whole = read(text);
        expect(read(text, sizes)).toEqual(whole);
        expect(whole.samples.length + whole.malformed).toBeLessThanOrEqual(whole.lines);
      }),
    );
  });
});
