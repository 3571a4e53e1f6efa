import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fillPlaceholders, isKnown, placeholdersIn } from '../../../src/core/heal/placeholders.ts';

const CP1 = { node: 'cp1', address: '10.0.0.11', bmc: '10.1.0.11:8443' };
const fill = (template: string, values: Partial<typeof CP1> = {}) => fillPlaceholders(template, { ...CP1, ...values });

test('each placeholder becomes its value, as often as it stands there', () => {
  expect(fill('https://{bmc}/redfish/v1/Systems/{node}')).toEqual({ ok: true, text: 'https://10.1.0.11:8443/redfish/v1/Systems/cp1' });
  expect(fill('{node}{node}-{address}')).toEqual({ ok: true, text: 'cp1cp1-10.0.0.11' });
  expect(fill('--all')).toEqual({ ok: true, text: '--all' });
});

test('other braces are left as they are, and named for the checks', () => {
  expect(fill('{host} {} {node {Node} $1')).toEqual({ ok: true, text: '{host} {} {node {Node} $1' });
  expect(placeholdersIn('{host}/{node}/{}').filter((name) => !isKnown(name))).toEqual(['host']);
  expect(['constructor', 'toString', '__proto__'].some(isKnown)).toBe(false);
});

describe('a value that is missing or odd fills nothing', () => {
  test.each([
    ['{bmc}', { bmc: '' }, 'set `bmc` of that host in cluster.yaml'],
    ['{address}', { address: '' }, 'the node cp1 has no InternalIP'],
    ['{node}', { node: '' }, 'the node has no name'],
    ['{node}', { node: '$(reboot)' }, '"$(reboot)" cannot stand for {node}'],
    ['{node}', { node: '-oProxyCommand=id' }, 'cannot stand for {node}'],
    ['https://{bmc}/{node}', { node: '../Managers/1' }, 'cannot stand for {node}'],
    ['{node}', { node: 'cp1\n' }, '"cp1\\n" cannot stand for {node}'],
    ['{node}', { node: '{bmc}' }, 'cannot stand for {node}'],
    ['{address}', { address: '-l10' }, 'cannot stand for {address}'],
    ['https://{bmc}', { bmc: 'bmc@elsewhere.example' }, 'cannot stand for {bmc}'],
    ['{bmc}', { bmc: '-f/etc/shadow' }, 'cannot stand for {bmc}'],
  ])('%s with %j', (template, values, reason) => {
    expect(fill(template, values)).toEqual({ ok: false, reason: expect.stringContaining(reason) });
  });

  test('where it is not needed, it does not matter', () => {
    expect(fill('https://{bmc}', { node: '$(reboot)', address: '' })).toEqual({ ok: true, text: 'https://10.1.0.11:8443' });
  });
});

test('whatever the node is called, what is filled in is one word without a sign that a shell or a URL obeys', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), fc.string(), (node, address, bmc) => {
      const filled = fillPlaceholders('{node}{address}{bmc}', { node, address, bmc });
      if (filled.ok) expect(filled.text).toMatch(/^[A-Za-z0-9[:][A-Za-z0-9.:[\]-]*$/);
      else expect(filled.reason).not.toBe('');
    }),
  );
});
