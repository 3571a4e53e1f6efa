/** Every scenario beside the core runs as its file says. After a change that is meant: HALE_REWRITE=1 npm test -- sim, and review the diff. */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { runScenario } from '../../src/sim/run.ts';
import { joinFile, parseScenario, splitFile } from '../../src/sim/scenario-text.ts';

const files = globSync(join(import.meta.dirname, '../../src/core/lease/scenarios/*.txt')).toSorted();
const REWRITE = process.env.HALE_REWRITE === '1';

/** What breaks an assumption on purpose must show what comes of it. */
const BROKEN = ['beyond-the-bound.txt', 'member-replaced-at-once.txt', 'suspended-timeout-gate.txt', 'two-members-at-once.txt'];

test.for(files.map((file) => [basename(file), file] as const))('%s', ([name, file]) => {
  const text = readFileSync(file, 'utf8');
  const scenario = parseScenario(text, name);
  const trace: string[] = [];
  const { violations } = runScenario(scenario, (line) => trace.push(line));
  const now = joinFile(scenario, trace);
  if (REWRITE) writeFileSync(file, now);
  else expect(now).toBe(text);
  expect(violations.some(({ kind }) => kind === 'two-answer')).toBe(BROKEN.includes(name));
});

test('there are scenarios, and those that break an assumption are among them', () => {
  expect(files.map((file) => basename(file))).toEqual(expect.arrayContaining(BROKEN));
});

/** Times between the loss of the address and the next holder, except where it was handed over, after the start of the cluster. */
function outages(name: string): number[] {
  const file = files.find((path) => basename(path) === name) as string;
  const lines = (splitFile(readFileSync(file, 'utf8')).trace as string).split('\n');
  const timeOf = (line: string | undefined) => Number(line?.trim().split(' ')[0]);
  return lines.flatMap((line, i) =>
    line.includes('lost it: expired') ? [timeOf(lines.slice(i).find((later) => later.includes(' holds '))) - timeOf(line)] : [],
  );
}

test('what the guide promises of a change that is rolled out: once no holder for less than 2 s, and none at all for a new key', () => {
  for (const name of ['member-added.txt', 'member-removed.txt', 'profile-change.txt']) {
    expect(outages(name)).toHaveLength(1);
    expect(outages(name)[0]).toBeLessThan(2000);
  }
  expect(outages('key-rotation.txt')).toEqual([]);
});
