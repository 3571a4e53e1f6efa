import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const main = join(root, 'src/cli/main.ts');
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hale-sim-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function sim(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'sim', ...args], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('seeds in several threads come out as in one', () => {
  const facts = (jobs: string) => {
    const { status, stdout } = sim('--count', '120', '--jobs', jobs, '--json');
    const { realMs: _, ratio: __, ...same } = JSON.parse(stdout);
    return { status, ...same };
  };
  const one = facts('1');
  expect(one).toMatchObject({ status: 0, seeds: 120, violations: 0, failed: [], files: [] });
  expect(facts('2')).toEqual(one);
});

test('a seed that fails is named with its replay, and leaves a shrunk scenario that replays', () => {
  const { status, stdout } = sim('--seed', '450', '--count', '10', '--drift', '0.03', '--json');
  const { failed, files } = JSON.parse(stdout);
  expect(status).toBe(1);
  expect(failed[0].replay).toBe(`./hale sim --seed ${failed[0].seed} --drift 0.03`);
  expect(files[0].file).toBe(`hale-sim-${failed[0].seed}.txt`);
  const replayed = sim('replay', files[0].file);
  expect(replayed).toMatchObject({ status: 1, stderr: '' });
  expect(replayed.stdout).toContain('VIOLATION');
});

test('Ctrl-C ends with the summary so far', async () => {
  const run = spawn(process.execPath, [main, 'sim', '--years', '1000', '--jobs', '1'], { cwd: folder });
  let printed = '';
  run.stdout.on('data', (text) => {
    printed += text;
  });
  await new Promise((resolve) => run.stderr.once('data', resolve));
  run.kill('SIGINT');
  const status = await new Promise((resolve) => run.once('exit', resolve));
  expect(status).toBe(0);
  expect(printed).toMatch(/^\d+ (life|lives), .* simulated in .*, no violation\n$/);
  expect(readdirSync(folder)).toEqual([]);
});

test('a file that cannot be read, or says nothing, is refused', () => {
  expect(sim('replay', 'none.txt')).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('[scenario_unreadable]') });
  expect(existsSync(join(folder, 'none.txt'))).toBe(false);
});
