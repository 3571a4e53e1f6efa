import { expect, test } from 'vitest';
import { examine } from '../../../../src/core/doctor/examine.ts';
import { gather } from '../../../../src/core/doctor/gather.ts';
import { haproxyTimeoutRules } from '../../../../src/core/doctor/rules/haproxy-timeouts.ts';
import { keepalivedInstanceRules } from '../../../../src/core/doctor/rules/keepalived-instance.ts';

const facts = (text: string) => gather([{ file: { path: 'install.sh', text }, isNamed: true }]);

test('configuration that a script writes is looked at, at its own lines', () => {
  const text = '#!/bin/sh\ncat > /etc/keepalived/keepalived.conf <<EOF\nvrrp_instance API {\n  virtual_router_id 51\n}\nEOF\n';
  const rule = keepalivedInstanceRules.filter(({ id }) => id === 'keepalived-vrid-51');
  expect(examine(facts(text), rule).map(({ file, line, column }) => [file, line, column])).toEqual([['install.sh', 4, 3]]);
});

test.each([
  ['>', 2],
  ['>>', 0],
])('what is written with %s has all its settings or only some', (redirection, findings) => {
  const proxies = 'frontend api\n  bind :8443\n  default_backend masters\nbackend masters\n  server cp1 10.0.0.11:6443 check\n';
  const text = `cat ${redirection} /etc/haproxy/haproxy.cfg <<EOF\n${proxies}EOF\n`;
  const rule = haproxyTimeoutRules.filter(({ id }) => id === 'haproxy-timeouts-missing');
  expect(examine(facts(text), rule)).toHaveLength(findings);
});

test.each(['cat <<EOF | tee -a /etc/haproxy/haproxy.cfg\nglobal\nEOF\n', 'tee /etc/haproxy/haproxy.cfg <<EOF >/dev/null\nglobal\nEOF\n'])(
  'tee writes too: %j',
  (text) => {
    expect(facts(text).haproxy.map(({ file }) => file.inside)).toEqual([
      { lines: 1, columns: 0, name: '/etc/haproxy/haproxy.cfg', isPart: text.includes('-a') },
    ]);
  },
);
