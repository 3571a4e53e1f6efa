import { expect, test } from 'vitest';
import { readSysctl } from '../../../../src/core/doctor/read/sysctl.ts';
import { readUnit } from '../../../../src/core/doctor/read/unit.ts';
import { placeOf } from '../../../../src/core/doctor/text-file.ts';

test('sysctl: blanks, comments, a dash, and slashes', () => {
  const { settings } = readSysctl({
    path: 'sysctl.conf',
    text: '\uFEFF# net.a = 0\r\n; b = 1\n net.ipv4.ip_nonlocal_bind = 1 \r\n-net/ipv4/conf/eth0.100/rp_filter=2\nbroken\n',
  });
  expect(settings.map(({ key, value, valueSpan }) => [key, value, placeOf(valueSpan)])).toEqual([
    ['net.ipv4.ip_nonlocal_bind', '1', { line: 3, column: 30 }],
    ['net.ipv4.conf.eth0/100.rp_filter', '2', { line: 4, column: 35 }],
  ]);
});

test('units: sections, comments and continuation lines', () => {
  const text =
    '[Unit]\nDescription=a\n\n[Service]\n# ExecStart=no\nExecStart=/usr/bin/etcd \\\r\n  --name a \\\n# why\n  --data-dir b\nRestart=always\n';
  const { settings } = readUnit({ path: 'etcd.service', text });
  expect(settings.map(({ section, key, value }) => [section, key, value.replace(/\s+/g, ' ')])).toEqual([
    ['Unit', 'Description', 'a'],
    ['Service', 'ExecStart', '/usr/bin/etcd --name a --data-dir b'],
    ['Service', 'Restart', 'always'],
  ]);
  // Where a flag stands in the value, it stands in the file.
  const { value, valueSpan } = settings[1]!;
  expect(text.slice(valueSpan.start + value.indexOf('--data-dir'), valueSpan.end)).toBe('--data-dir b');
});
