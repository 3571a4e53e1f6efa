import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { copyArgv, lookArgv, moveArgv, putArgv, readLook, removeArgv, restoreArgv } from '../../../src/core/etcd/rebuild/host-script.ts';
import { run } from '../../../src/lab/command.ts';

let folder: string;
const at = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hale-host-script-'));
  mkdirSync(at('member/wal'), { recursive: true });
  writeFileSync(at('member/wal/1'), 'old');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a program, and kills it with all that it started as soon as something lies there that begins with `prefix`. */
async function killedWhen(argv: readonly string[], prefix: string): Promise<void> {
  const child = spawn(argv[0] as string, argv.slice(1), { detached: true, stdio: 'ignore' });
  const ended = once(child, 'close');
  while (child.exitCode === null && !readdirSync(folder).some((name) => name.startsWith(prefix)))
    await new Promise((resolve) => setTimeout(resolve, 1));
  process.kill(-(child.pid as number), 'SIGKILL');
  await ended;
}

describe('a move', () => {
  const argv = () => moveArgv(at('member'), at('kept'), { missing: 'error' });

  test('may be repeated', async () => {
    for (let i = 0; i < 2; i++) expect(await run(argv())).toMatchObject({ code: 0 });
    expect(readFileSync(at('kept/wal/1'), 'utf8')).toBe('old');
    expect(existsSync(at('member'))).toBe(false);
  });

  test('touches nothing when somebody else made the other', async () => {
    mkdirSync(at('kept'));
    expect(await run(argv())).toMatchObject({ code: 9, stderr: expect.stringContaining('both exist') });
    expect(readFileSync(at('member/wal/1'), 'utf8')).toBe('old');
  });

  test('of nothing is an error where something must be there', async () => {
    rmSync(at('member'), { recursive: true });
    expect(await run(argv())).toMatchObject({ code: 9, stderr: expect.stringContaining('does not exist') });
    expect(await run(moveArgv(at('member'), at('kept'), { missing: 'fine' }))).toMatchObject({ code: 0 });
  });
});

describe('a copy', () => {
  test('killed in the middle shows nothing, and the next is whole', async () => {
    writeFileSync(at('member/wal/2'), Buffer.alloc(64 << 20, 1));
    const argv = copyArgv(at('member'), at('kept'));
    await killedWhen(argv, 'kept.');
    expect(existsSync(at('kept'))).toBe(false);
    for (let i = 0; i < 2; i++) expect(await run(argv)).toMatchObject({ code: 0 });
    expect(statSync(at('kept/wal/2')).size).toBe(64 << 20);
    expect(statSync(at('member/wal/2')).size).toBe(64 << 20);
  });
});

describe('a file that is put', () => {
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const argv = (text: string) => putArgv(at('file'), hash(text));

  test('is there with what was sent and for its owner alone, and is not sent twice', async () => {
    expect(await run(argv('abc'), { input: 'abc' })).toMatchObject({ code: 0 });
    expect([readFileSync(at('file'), 'utf8'), statSync(at('file')).mode & 0o777]).toEqual(['abc', 0o600]);
    expect(await run(argv('abc'), { input: 'something else' })).toMatchObject({ code: 0 });
    expect(readFileSync(at('file'), 'utf8')).toBe('abc');
  });

  test('that arrives otherwise than it was sent is not there, nor any part of it', async () => {
    expect(await run(argv('abc'), { input: 'ab' })).toMatchObject({ code: 9, stderr: expect.stringContaining('not what was sent') });
    expect(readdirSync(folder)).toEqual(['member']);
  });
});

describe('a restore', () => {
  const argv = (pauseSeconds: number) =>
    restoreArgv({
      dataDir: folder,
      made: at('made'),
      command: [
        'sh',
        '-c',
        `for a; do case $a in --data-dir=*) d=\${a#*=};; esac; done; mkdir -p "$d/member"; sleep ${pauseSeconds}; echo new >"$d/member/db"`,
        'tool',
      ],
    });

  test('killed in the middle shows nothing, and the next is whole', async () => {
    await killedWhen(argv(5), 'made.');
    expect(existsSync(at('made'))).toBe(false);
    expect(await run(argv(0))).toMatchObject({ code: 0 });
    expect([readFileSync(at('made/member/db'), 'utf8'), statSync(at('made')).mode & 0o777]).toEqual(['new\n', 0o700]);
    expect(await run(removeArgv(at('made')))).toMatchObject({ code: 0 });
    expect(readdirSync(folder)).toEqual(['member']);
  });

  test('that still works when it is begun once more does no harm', async () => {
    const [one, other] = await Promise.all([run(argv(0.2)), run(argv(0))]);
    expect([one.code, other.code]).toContain(0);
    expect(readdirSync(at('made'))).toEqual(['member']);
    expect(await run(argv(0))).toMatchObject({ code: 0 });
  });
});

test('removing takes what was made and what was left of it half made, and nothing else', async () => {
  for (const name of ['made', 'made.Ab12Cd', 'made-by-another', 'made.db']) writeFileSync(at(name), '');
  await run(removeArgv(at('made')));
  expect(readdirSync(folder)).toEqual(['made-by-another', 'made.db', 'member']);
});

test('a look tells the room, and the program that restores', async () => {
  const seen = readLook((await run(lookArgv(folder, []))).stdout);
  expect(seen.availableBytes).toBeGreaterThan(0);
  expect(seen.usedBytes).toBeGreaterThan(0);
  expect(seen.tool).toMatchObject({ version: expect.stringMatching(/^3\.\d+\.\d+/) });
});
