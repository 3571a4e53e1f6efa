/** Each fault that a scenario can name does happen: a run with it differs from one without in just the way that is meant. */
import { describe, expect, test } from 'vitest';
import { runScenario } from '../../src/sim/run.ts';
import { parseScenario } from '../../src/sim/scenario-text.ts';

/** Host 0 holds from about 1555 ms on. */
const CALM = 'members 3\nseed 5\nend 9000\n';

function traceOf(lines: string): string[] {
  const trace: string[] = [];
  runScenario(parseScenario(`${CALM}${lines}`), (line) => trace.push(line.trim()));
  return trace;
}

/** Time of the first line with these words, after `fromMs`. */
function timeOf(trace: readonly string[], words: string, fromMs = 0): number | undefined {
  return trace
    .filter((line) => line.includes(words))
    .map((line) => Number(line.split(' ')[0]))
    .find((at) => at > fromMs);
}

const LEASE_MS = 300;
const nextHolder = (lines: string) => timeOf(traceOf(lines), 'holds', 4000);

test('without a fault the address stays', () => {
  expect(nextHolder('')).toBeUndefined();
});

describe('what takes the holder away', () => {
  test.for([
    ['a power cut', 'at 4000 crash 0'],
    ['kill -9 of agent and guardian', 'at 4000 kill 0'],
    ['a frozen agent', 'at 4000 freeze 0'],
    ['a suspended host', 'at 4000 suspend 0'],
    ['an isolated host', 'at 4000 isolate 0'],
    ['renewals that reach nobody', 'at 4000 cut 0>1\nat 4000 cut 0>2'],
    ['answers that do not come back', 'at 4000 cut 1>0\nat 4000 cut 2>0'],
    ['loss of everything on its links', 'at 4000 link 0>1 loss 1 duplicate 0 delay 0..1\nat 4000 link 0>2 loss 1 duplicate 0 delay 0..1'],
  ])('%s: the next one waits for the end of the lease', ([, lines]) => {
    const at = nextHolder(lines as string) as number;
    expect(at).toBeGreaterThan(4000 + LEASE_MS / 2);
    expect(at).toBeLessThan(4000 + 2 * LEASE_MS);
  });

  test.for([
    ['a drain', 'at 4000 drain 0'],
    ['a restart in good order', 'at 4000 restart 0'],
    ['a host that must not hold', 'at 4000 unable 0'],
    ['an agent that is killed while its guardian lives', 'at 4000 kill-guarded 0 after 2'],
    ['a kernel that refuses to hold', 'at 4000 break 0 hold'],
  ])('%s: the next one holds before the lease would have ended', ([, lines]) => {
    expect(nextHolder(lines as string)).toBeLessThan(4000 + LEASE_MS / 2);
  });

  test('a host without a ready API server: only after a while, for one wobble must not move the address', () => {
    const at = nextHolder('at 4000 poor 0') as number;
    expect(at).toBeGreaterThan(4000 + 4 * LEASE_MS);
    expect(nextHolder('at 4000 poor 0 for 900')).toBeUndefined();
  });
});

describe('what comes back', () => {
  test.for([
    ['start', 'at 4000 crash 1\nat 4000 crash 2\nat 6000 start 1'],
    ['thaw', 'at 4000 freeze 1\nat 4000 freeze 2\nat 6000 thaw 1'],
    ['wake', 'at 4000 suspend 1\nat 4000 suspend 2\nat 6000 wake 1'],
    ['join', 'at 4000 isolate 0\nat 4000 isolate 1\nat 6000 join 0'],
    ['a time', 'at 4000 freeze 1 for 2000\nat 4000 freeze 2'],
    ['repair', 'at 4000 crash 1\nat 4000 freeze 2\nat 6000 repair'],
  ])('%s: nobody holds without a majority, and somebody does with it', ([, lines]) => {
    expect(nextHolder(lines as string)).toBeGreaterThan(6000);
  });
});

describe('a kernel that refuses', () => {
  test('a gate that does not close keeps the lease from being given back', () => {
    const trace = traceOf('at 4000 break 0 withdraw for 100\nat 4000 break 0 yield for 100\nat 4010 drain 0');
    expect(timeOf(trace, 'withdraw-failed')).toBeDefined();
    expect(timeOf(trace, 'host 1 holds')).toBeGreaterThan(4100);
  });

  test('a guardian whose gate does not close says nothing: the lease runs out', () => {
    const at = nextHolder('at 4000 break 0 withdraw\nat 4000 kill-guarded 0 after 2');
    expect(at).toBeGreaterThan(4000 + LEASE_MS / 2);
  });

  test('announcements that are lost leave clients with the old holder', () => {
    const heard = (lines: string) => timeOf(traceOf(`${lines}at 4000 crash 0`), 'clients learn host 1', 4000) as number;
    expect(heard('')).toBeLessThan(4000 + 2 * LEASE_MS);
    expect(heard('at 3000 break 1 announce for 2000\n')).toBeGreaterThan(5000);
  });
});

describe('clocks', () => {
  test('a suspended host: a gate with a timer wakes open, one with a deadline closed', () => {
    const answers = (gate: string) =>
      runScenario(parseScenario(`${CALM}${gate}at 4000 suspend 0 for 1000`)).violations.map(({ kind }) => kind);
    expect(answers('gate timeout\n')).toContain('two-answer');
    expect(answers('gate deadline\n')).toEqual([]);
  });

  test('slow clocks make the lease longer in true time', () => {
    const lost = (clocks: string) => timeOf(traceOf(`${clocks}at 4000 isolate holder`), 'lost it: expired', 4000) as number;
    expect(lost('clock 0 0.7\nclock 1 0.7\nclock 2 0.7\n')).toBeGreaterThan(lost('') + 20);
  });
});

describe('configurations', () => {
  test('agents with different member lists do not count on each other', () => {
    const trace = traceOf('at 3000 configure 0 members 0,1,2,3\nat 3000 restart 0\nat 4000 configure 1 members 0,1,2,3\nat 4000 restart 1');
    expect(timeOf(trace, 'holds', 4500)).toBeUndefined();
  });

  test('agents without a common key do not hear each other, one that accepts both hears all', () => {
    const rotated = (keys: string) =>
      timeOf(traceOf(`sealed\nat 3000 configure 0 keys ${keys}\nat 3000 restart 0\nat 6000 crash holder`), 'holds', 6000);
    expect(rotated('2')).toBeUndefined();
    expect(rotated('1,2')).toBeDefined();
  });
});
