/** Power by a command of the user's: real scripts, real processes. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPower } from '../../../../src/drivers/power/open.ts';
import type { Power } from '../../../../src/ports/power.ts';
import { until } from '../../../support/hale.ts';
import { powerSettings, reasonOf, target } from '../../../support/power.ts';

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'hale-power-command-'));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const HOST = { node: 'cp1', address: '10.0.0.11', bmc: '' };

function script(name: string, ...lines: string[]): string {
  const path = join(dir, name);
  writeFileSync(path, `#!/bin/sh\ncd ${dir}\n${lines.join('\n')}\n`, { mode: 0o700 });
  return path;
}

const power = (command: string[], timeoutSeconds = 20): Power =>
  openPower(powerSettings({ by: 'command', command, timeoutSeconds })) as Power;

test('nothing switches hosts off where nothing is set', () => {
  expect(openPower(powerSettings({}))).toBeUndefined();
});

test('state, off and on, with the host in its place and the verb last', async () => {
  const path = script('keeps', 'echo "$*" >>asked', 'case "$3" in state) cat state ;; *) printf "%s" "$3" >state ;; esac');
  const { name, state, off, on } = power([path, '--node={node}', '{address}']);
  expect(name).toBe(path);
  expect(await on(HOST)).toEqual({ ok: true });
  expect(await state(HOST)).toEqual({ kind: 'on' });
  expect(await off(HOST)).toEqual({ ok: true });
  expect(await state(HOST)).toEqual({ kind: 'off' });
  expect(readFileSync(join(dir, 'asked'), 'utf8').split('\n').slice(0, 2)).toEqual([
    '--node=cp1 10.0.0.11 on',
    '--node=cp1 10.0.0.11 state',
  ]);
});

describe('anything but on or off and status 0 is unknown', () => {
  test.each([
    ['nothing', 'true', 'printed nothing'],
    ['another word', 'echo powered-off', 'printed "powered-off"'],
    ['another case', 'echo Off', 'printed "Off"'],
    ['two words', 'echo off; echo on', 'printed "off\\non"'],
    ['off, and a failure', 'echo off; exit 3', 'failed: off'],
    ['off, and an end by a signal', 'echo off; kill -9 $$', 'failed: off'],
    ['an error', 'echo "no such machine" >&2; exit 1', 'failed: no such machine'],
    ['control characters', 'printf "\\033[31mred" >&2; exit 1', 'failed: [31mred'],
    ['off at the end of very much', 'yes "                                " | head -c 3000000; echo off', 'printed "…'],
    ['very much before off', 'yes xxxxxxxxxxxxxxxxxxxxxxxx | head -c 70000; yes "" | head -c 70000; echo off', 'printed "…'],
  ])('%s', async (name, line, reason) => {
    const path = script(name.replaceAll(/\W/g, '-'), line);
    expect(await power([path, '{node}']).state(HOST)).toEqual({ kind: 'unknown', reason: expect.stringContaining(reason) });
  });

  test('a command that is not there', async () => {
    expect(reasonOf(await power([join(dir, 'none'), '{node}']).state(HOST))).toContain('cannot be run: spawn');
  });
});

test('an order that fails is one all the same where it is so already', async () => {
  const path = script('refuses', '[ "$2" = state ] && echo off && exit', 'echo "cannot switch $2" >&2; exit 1');
  expect(await power([path, '{node}']).off(HOST)).toEqual({ ok: true });
  expect(await power([path, '{node}']).on(HOST)).toEqual({ ok: false, reason: `${path} on failed: cannot switch on` });
});

test('at the deadline the whole process group ends, and what holds its output open is not waited for', async () => {
  const path = script(
    'slow',
    'sh -c "echo \\$\\$ >inner; exec sleep 60" &',
    'echo $$ >outer',
    'setsid sh -c "echo \\$\\$ >away; exec sleep 60" &',
    'echo off',
    'wait',
  );
  const pidOf = (name: string) => (existsSync(join(dir, name)) ? Number(readFileSync(join(dir, name), 'utf8')) : 0);
  const isGone = (pid: number) => !existsSync(`/proc/${pid}`) || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  try {
    expect(await power([path, '{node}'], 1).state(HOST)).toEqual({ kind: 'unknown', reason: 'no answer within 1 s' });
    for (const name of ['outer', 'inner']) {
      expect(pidOf(name)).toBeGreaterThan(1);
      await until(
        () => isGone(pidOf(name)),
        (gone) => gone,
        `${name} has ended`,
      );
    }
  } finally {
    for (const pid of ['outer', 'inner', 'away'].map(pidOf)) if (pid > 1 && !isGone(pid)) process.kill(pid, 'SIGKILL');
  }
});

test('nothing in a name is interpreted, and odd ones are not passed on', async () => {
  const path = script('says', 'printf "%s|" "$@" >words; echo on');
  for (const node of ['$(reboot)', '-oProxyCommand=touch made', 'a;touch made', '`touch made`', '{address}', '\n', 'x\0y', '../x']) {
    expect(reasonOf(await power([path, '{node}']).state(target('', node)))).toContain('cannot stand for {node}');
    expect(await power([path, '{node}']).off(target('', node))).toMatchObject({ ok: false });
  }
  expect(existsSync(join(dir, 'words')) || existsSync(join(dir, 'made'))).toBe(false);
  // What the user writes is one word, whatever is in it.
  expect(await power([path, '$(touch made) ; {node} > x', '{node}']).state(HOST)).toEqual({ kind: 'on' });
  expect(readFileSync(join(dir, 'words'), 'utf8')).toBe('$(touch made) ; cp1 > x|cp1|state|');
  expect(existsSync(join(dir, 'made'))).toBe(false);
});
