import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HaleError } from '../../../src/base/error.ts';
import { generateLife, generateScenario } from '../../../src/sim/generate.ts';
import { type Action, type Quality, type Scenario, undoing } from '../../../src/sim/scenario.ts';
import { formatScenario, joinFile, parseScenario, splitFile } from '../../../src/sim/scenario-text.ts';
import { numberText, writable } from '../../../src/sim/words.ts';

const amount = (max: number) => fc.double({ min: 0, max, noNaN: true }).map(writable);
const quality: fc.Arbitrary<Quality> = fc
  .record({ lossProbability: amount(1), duplicateProbability: amount(1), delays: fc.tuple(amount(60_000), amount(60_000)) })
  .map(({ delays, ...rest }) => ({ ...rest, delayMinMs: Math.min(...delays), delayMaxMs: Math.max(...delays) }));
const number = fc.nat(7);
const host = fc.oneof(number, fc.constant('holder' as const));
const config = fc.record(
  {
    members: fc.uniqueArray(number, { minLength: 1, maxLength: 7 }),
    profile: fc.constantFrom('fast', 'default', 'calm'),
    keys: fc.uniqueArray(fc.nat(255), { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: [] },
);
const action = fc.oneof(
  fc.record({ kind: fc.constantFrom('crash', 'kill', 'freeze', 'suspend', 'isolate', 'drain'), host }),
  fc.record({ kind: fc.constantFrom('start', 'thaw', 'wake', 'join', 'resume', 'restart'), host }),
  fc.record({ kind: fc.constant('kill-guarded'), host, afterMs: amount(1e6) }),
  fc.record({ kind: fc.constant('fitness'), host, fitness: fc.constantFrom('unable', 'poor', 'good') }),
  fc.record({ kind: fc.constantFrom('break', 'mend'), host, fault: fc.constantFrom('hold', 'withdraw', 'yield', 'announce') }),
  fc.record({ kind: fc.constantFrom('cut', 'heal'), from: host, to: host }),
  fc.record({ kind: fc.constant('link'), from: number, to: number, quality }),
  fc.record({ kind: fc.constant('network'), quality }),
  fc.record({ kind: fc.constant('configure'), host, config }),
  fc.record({ kind: fc.constant('repair') }),
) as fc.Arbitrary<Action>;
const event = fc
  .record({ atMs: amount(1e11), action, forMs: amount(1e11) })
  .map(({ forMs, ...rest }) => (undoing(rest.action) === undefined ? rest : { ...rest, forMs }));
const scenario: fc.Arbitrary<Scenario> = fc.record({
  notes: fc.array(fc.constantFrom('', 'a note', 'members 3')),
  seed: fc.nat(1e9),
  members: fc.integer({ min: 1, max: 7 }),
  profile: fc.constantFrom('fast', 'default', 'calm'),
  gate: fc.constantFrom('deadline', 'timeout'),
  sealed: fc.boolean(),
  network: quality,
  links: fc.array(fc.record({ from: number, to: number, quality })),
  clocks: fc.array(fc.record({ host: number, rate: amount(1.5).map((rate) => writable(rate + 0.5)) })),
  events: fc.array(event),
  endMs: fc.constant(1e11),
});

describe('the reader accepts all that the writer writes', () => {
  test('any scenario', () => {
    fc.assert(fc.property(scenario, (written) => void expect(parseScenario(formatScenario(written))).toEqual(written)));
  });

  test('what seeds make', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const made = seed % 10 === 0 ? generateLife({ seed }) : generateScenario({ seed });
      expect(parseScenario(formatScenario(made))).toEqual(made);
    }
  });

  test('numbers have no exponent, however small or large', () => {
    fc.assert(fc.property(fc.double({ min: 0, noNaN: true }), (value) => void expect(numberText(value)).toMatch(/^\d+(\.\d+)?$/)));
    expect(numberText(1e-7)).toBe('0');
    expect(numberText(0.000001)).toBe('0.000001');
    expect(numberText(1e11)).toBe('100000000000');
  });

  test('the trace stays below the rule', () => {
    const made = generateScenario({ seed: 1 });
    const text = joinFile(made, ['one', 'two']);
    expect(splitFile(text).trace).toBe('one\ntwo\n');
    expect(parseScenario(text)).toEqual(made);
  });
});

function complaintOf(text: string): string {
  try {
    parseScenario(text, 'bad.txt');
  } catch (error) {
    expect(error).toBeInstanceOf(HaleError);
    const { message, remedy } = error as HaleError;
    return `${message}. ${remedy}`;
  }
  throw new Error('it was accepted');
}

const HEAD = 'members 3\nend 1000\n';

test.for([
  ['---', 'bad.txt: the scenario does not say how many members the cluster has. Add a line such as: members 3'],
  ['', 'bad.txt: the scenario does not say how many members the cluster has. Add a line such as: members 3'],
  ['members 3', 'bad.txt: the scenario does not say when it ends. Add a line such as: end 5000'],
  [
    'members 9',
    'bad.txt:1: the number of members cannot be 9. Write a number from 1 to 7, with at most 6 digits after the point and no exponent.',
  ],
  ['members 2.5', 'bad.txt:1: the number of members cannot be 2.5. Write a whole number.'],
  ['members', 'bad.txt:1: the line ends where the number of members belongs. Add the number of members.'],
  ['members 3 4', 'bad.txt:1: 4 is more than this line can say. Remove it.'],
  ['menbers 3', 'bad.txt:1: menbers is not a heading. Write one of: members, profile, gate, sealed, seed, network, link, clock, end, at.'],
  [
    `${HEAD}at 1e2 crash 0`,
    'bad.txt:3: a time in ms cannot be 1e2. Write a number from 0 to 100000000000, with at most 6 digits after the point and no exponent.',
  ],
  [`${HEAD}at 10 crash 8`, 'bad.txt:3: 8 is not a host. Write a number from 0 to 7, or holder.'],
  [`${HEAD}at 10 repair for 5`, 'bad.txt:3: repair is not undone by itself. Remove for and its time.'],
  [`${HEAD}at 10 cut 0-1`, 'bad.txt:3: 0-1 is not a direction of a link. Write two hosts with > between, such as 0>1.'],
  [
    `${HEAD}at 2000 crash 0`,
    'bad.txt: the event at 2000 ms comes after the end at 1000 ms. Let it happen earlier, or let the scenario end later.',
  ],
  [`${HEAD}network loss 0 delay 1..2`, 'bad.txt:3: delay stands where duplicate belongs. Write duplicate before it.'],
  [`${HEAD}network loss 0 duplicate 0 delay 2..1`, 'bad.txt:3: a delay in ms 2..1 ends before it begins. Write 1..2.'],
  [`${HEAD}at 10 configure 0 members 1,1`, 'bad.txt:3: members 1,1 names one of them twice. Name each once.'],
])('a bad scenario is refused with line, value, reason and way out: %j', ([text, complaint]) => {
  expect(complaintOf(text as string)).toBe(complaint);
});

test('whatever a file holds, it is read or refused, and nothing else', () => {
  const word = fc.constantFrom(
    'members',
    'at',
    '3',
    '0>1',
    'crash',
    'holder',
    'for',
    '---',
    '#',
    'link',
    'loss',
    'configure',
    '-1',
    '0..1',
    ',',
    '>',
    '..',
  );
  const line = fc.array(fc.oneof(word, fc.string()), { maxLength: 6 }).map((words) => words.join(' '));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
      try {
        parseScenario(lines.join('\n'));
      } catch (error) {
        expect(error).toBeInstanceOf(HaleError);
      }
    }),
  );
});
