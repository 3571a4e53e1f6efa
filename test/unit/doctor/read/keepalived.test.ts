import { expect, test } from 'vitest';
import type { BlockEntry } from '../../../../src/core/doctor/read/blocks.ts';
import { readKeepalived } from '../../../../src/core/doctor/read/keepalived.ts';
import { readNginx } from '../../../../src/core/doctor/read/nginx.ts';
import { placeOf } from '../../../../src/core/doctor/text-file.ts';

type Tree = (string | Tree)[];
const treeOf = (entries: readonly BlockEntry[]): Tree =>
  entries.flatMap(({ words, block }) => [words.join(' '), ...(block === undefined ? [] : [treeOf(block)])]);
const read = (text: string) => readKeepalived({ path: 'keepalived.conf', text });

test('blocks, with braces on their own line or on one line with all', () => {
  const { config, troubles } = read(
    '! Configuration File\r\nvrrp_instance VI_1\r\n{\r\n\tpriority 101 # first\r\n\ttrack_script { chk }\r\n}\r\nurl { path /readyz\n status_code 200 }\n',
  );
  expect(troubles).toEqual([]);
  expect(treeOf(config.entries)).toEqual([
    'vrrp_instance VI_1',
    ['priority 101', 'track_script', ['chk']],
    'url',
    ['path /readyz', 'status_code 200'],
  ]);
  expect(placeOf(config.entries[0]!.block![0]!.spans[1]!)).toEqual({ line: 4, column: 11 });
});

test.each([
  ['script "curl -f \\"https://a\\"! #x" # why', ['script', 'curl -f "https://a"! #x']],
  ["script 'killall -0 haproxy'", ['script', 'killall -0 haproxy']],
  ["auth_pass it's!comment", ['auth_pass', "it's"]],
  ['auth_pass a\\#b', ['auth_pass', 'a#b']],
  ['@cp1 priority 101', ['priority', '101']],
  ['interface ${IFACE}', ['interface', '${IFACE}']],
  ['notify \\\n  /bin/x', ['notify', '/bin/x']],
])('words of %s', (line, words) => {
  const { config, troubles } = read(`${line}\n`);
  expect(config.entries.map((entry) => entry.words)).toEqual([words]);
  expect(troubles).toEqual([]);
});

test.each([
  ['vrrp_instance A {\n  track_script {\n}\n', { line: 1, column: 17 }],
  ['vrrp_instance A {\n}\n}\n', { line: 3, column: 1 }],
  ['script "x\n', { line: 1, column: 8 }],
])('braces and quotes without a partner are told: %j', (text, place) => {
  expect(read(text).troubles.map(({ kind, at }) => [kind, placeOf(at)])).toEqual([['unclosed', place]]);
});

test('nginx: semicolons end, quotes and variables hold together', () => {
  const { config, troubles } = readNginx({
    path: 'nginx.conf',
    text: 'stream { # here\n upstream api\n {\n  server 10.0.0.1:6443 max_fails=1;\n server "a;{b"; }\n log_format x \'$a {\' ${b}c; }\n',
  });
  expect(troubles).toEqual([]);
  expect(treeOf(config.entries)).toEqual([
    'stream',
    ['upstream api', ['server 10.0.0.1:6443 max_fails=1', 'server a;{b'], 'log_format x $a { ${b}c'],
  ]);
});
