import { expect, test } from 'vitest';
import { readHaproxy } from '../../../../src/core/doctor/read/haproxy.ts';
import { placeOf } from '../../../../src/core/doctor/text-file.ts';

const read = (text: string) => readHaproxy({ path: 'haproxy.cfg', text });

test('sections with their lines, whatever the indentation and line breaks', () => {
  const { config, troubles } = read(
    '\uFEFF# made by hand\r\nglobal\r\n\tmaxconn 2000 # enough\r\n\r\nbackend api\r\nserver cp1 10.0.0.11:6443 check\r\n',
  );
  expect(troubles).toEqual([]);
  expect(config.sections.map(({ kind, name, lines }) => [kind, name, lines.map(({ words }) => words)])).toEqual([
    ['global', '', [['maxconn', '2000']]],
    ['backend', 'api', [['server', 'cp1', '10.0.0.11:6443', 'check']]],
  ]);
  expect(placeOf(config.sections[0]!.lines[0]!.spans[1]!)).toEqual({ line: 3, column: 10 });
});

test.each([
  [String.raw`acl a path\ b`, ['acl', 'a', 'path b']],
  [String.raw`acl "a b" 'c\d' "e\"f"`, ['acl', 'a b', String.raw`c\d`, 'e"f']],
  [String.raw`log "${'${LOG}'}":514 local0`, ['log', '${LOG}:514', 'local0']],
  [String.raw`http-check send hdr Host a\#b\x41\n`, ['http-check', 'send', 'hdr', 'Host', 'a#bA\n']],
  ["server a 'x' # 'y", ['server', 'a', 'x']],
])('words of %s', (line, words) => {
  const { config, troubles } = read(`global\n  ${line}\n`);
  expect(config.sections[0]?.lines[0]?.words).toEqual(words);
  expect(troubles).toEqual([]);
});

test('a quote that its line does not close is told, and the rest is read', () => {
  const { config, troubles } = read('global\n  description "ours\n  maxconn 10\n');
  expect(troubles.map(({ kind, at }) => [kind, placeOf(at)])).toEqual([['unclosed', { line: 2, column: 15 }]]);
  expect(config.sections[0]?.lines[1]?.words).toEqual(['maxconn', '10']);
});

test('a proxy falls back to the last defaults before it, or to those that it names', () => {
  const { sections } = read('defaults a\ndefaults b from a\nfrontend x\nbackend y from a\nbackend z from c\npeers p\n').config;
  expect(sections.map(({ defaults }) => defaults?.name)).toEqual([undefined, 'a', 'b', 'a', undefined, undefined]);
});

test('conditions are passed over, and what stands under them is read', () => {
  const { sections } = read('global\n.if version_atleast(2.4)\n  maxconn 1\n.else\n  maxconn 2\n.endif\n').config;
  expect(sections[0]?.lines.map(({ words }) => words[1])).toEqual(['1', '2']);
});

test('lines before the first section are kept', () => {
  expect(read('maxconn 1\n').config.sections.map(({ kind, lines }) => [kind, lines.length])).toEqual([['', 1]]);
});
