import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { replaceText } from '../../../src/drivers/doctor/replace.ts';
import { HALE } from '../../support/hale.ts';
import { IS_MACHINE_ROOT } from '../../support/user.ts';

let dir: string;
let path: string;

/** As an editor on Windows leaves it; what is wrong can be mended by one word. */
const BEFORE =
  '\ufeffbackend apiservers\n  stats auth admin:Hunter2x\n  balance source\n  server cp1 10.0.0.11:6443 check\n  server cp2 10.0.0.12:6443 check\n'.replaceAll(
    '\n',
    '\r\n',
  );
const AFTER = BEFORE.replace('balance source', 'balance leastconn');

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hale-fix-'));
  path = join(dir, 'haproxy.cfg');
  writeFileSync(path, BEFORE);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function fix(...words: string[]) {
  return spawnSync(HALE, ['doctor', '--fix', ...words], { encoding: 'utf8', cwd: dir, input: '' });
}
const content = () => readFileSync(path, 'utf8');

test('--fix shows what it would change, without secrets, and writes nothing with --dry-run or when nobody can be asked', () => {
  const { status, stdout } = fix('haproxy.cfg', '--dry-run');
  expect(status).toBe(1);
  expect(stdout).toMatch(/^--- haproxy\.cfg\n\+\+\+ haproxy\.cfg\n@@ /);
  expect(stdout).toMatch(/^- {2}balance source$/m);
  expect(stdout).toMatch(/^\+ {2}balance leastconn$/m);
  expect(stdout).toContain('stats auth (hidden)');
  expect(stdout).not.toContain('Hunter2x');
  expect(fix('haproxy.cfg')).toMatchObject({ status: 2, stderr: expect.stringContaining('not_confirmed') });
  expect(content()).toBe(BEFORE);
});

test('--fix --yes changes that and nothing else: line ends, byte-order mark, mode and owner stay, and so does a link to the file', () => {
  chmodSync(path, 0o640);
  if (IS_MACHINE_ROOT) chownSync(path, 1234, 4321);
  const { uid, gid } = statSync(path);
  symlinkSync('haproxy.cfg', join(dir, 'haproxy-link.cfg'));
  const { stdout } = fix('haproxy-link.cfg', '--yes');
  expect(stdout).toContain('written: haproxy-link.cfg');
  expect(stdout).not.toContain('haproxy-balance-source');
  expect(content()).toBe(AFTER);
  expect(statSync(path)).toMatchObject({ mode: 0o100640, uid, gid });
  expect(readdirSync(dir)).toEqual(['haproxy-link.cfg', 'haproxy.cfg']);
  expect(fix('haproxy.cfg', '--yes').stdout).not.toContain('@@');
});

test('with --json the document is of what is left, and stands alone on stdout', () => {
  const { stdout, stderr } = fix('haproxy.cfg', '--yes', '--json');
  expect((JSON.parse(stdout) as { findings: { id: string }[] }).findings.map(({ id }) => id)).not.toContain('haproxy-balance-source');
  expect(stderr).toContain('+  balance leastconn');
});

test('what came on standard input is not written', () => {
  const { stdout } = spawnSync(HALE, ['doctor', '--fix', '--yes', '-'], { encoding: 'utf8', cwd: dir, input: BEFORE });
  expect(stdout).toContain('nothing here can be mended');
  expect(content()).toBe(BEFORE);
});

test('a file that has changed since, or is no UTF-8, is left alone', () => {
  const file = { path, text: BEFORE.slice(1) };
  const changed = BEFORE.replace('cp1', 'cp9');
  writeFileSync(path, changed);
  expect(() => replaceText({ file, text: 'x' })).toThrow(/changed meanwhile/);
  const latin = Buffer.from('# f\u00fcr\n', 'latin1');
  writeFileSync(path, latin);
  expect(() => replaceText({ file: { path, text: latin.toString() }, text: 'x' })).toThrow(/no UTF-8/);
  expect(readFileSync(path).equals(latin)).toBe(true);
});
