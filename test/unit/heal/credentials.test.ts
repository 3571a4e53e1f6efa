import { expect, test } from 'vitest';
import { parseCredentials } from '../../../src/drivers/power/credentials.ts';

const parse = (...lines: string[]) => parseCredentials(lines.join('\n'), '/etc/hale/bmc-credentials');

test('a section overrides what it names, and no more', () => {
  const { of } = parse(
    '# of all',
    'username = admin',
    'password=a = b # c',
    '',
    '[cp2]',
    'password =  other ',
    '[ cp3.example ]\r',
    'username = root\r',
    'password = third\r',
  );
  expect(of('cp1')).toEqual({ username: 'admin', password: 'a = b # c' });
  expect(of('cp2')).toEqual({ username: 'admin', password: 'other' });
  expect(of('cp3.example')).toEqual({ username: 'root', password: 'third' });
  expect(of('toString')).toEqual(of('cp1'));
});

test.each([
  [['username = admin', 'hunter2'], ':2: expected `username = `'],
  [['user = hunter2'], ':1: expected `username = `'],
  [['username = hunter2', 'username = hunter2'], ':2: username is given twice'],
  [['password ='], ':1: password has no value'],
  [['password = hunter2\u0000'], ':1: password has a control character in it'],
  [['username = hunter2:x'], ':1: username has a colon in it'],
  [['[hunter2'], ':1: this is no section'],
  [['[hunter2!]'], ':1: this is no section'],
  [['[cp1]', '[cp1]'], ':2: the section [cp1] is there twice'],
])('%j is refused with its line, and without what stands there', (lines, message) => {
  const read = () => parse(...lines);
  expect(read).toThrow(`/etc/hale/bmc-credentials${message}`);
  expect(read).not.toThrow('hunter2');
});

test('a node for which something is missing is named', () => {
  const { of } = parse('username = admin', '[cp2]', 'password = x');
  expect(of('cp2').password).toBe('x');
  expect(() => of('cp1')).toThrow('/etc/hale/bmc-credentials: there is no password for the node "cp1"');
});
