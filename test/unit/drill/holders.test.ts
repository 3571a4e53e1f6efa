import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holdersOf, lastHeard } from '../../../src/core/drill/holders.ts';
import { provenAnswers, provenHost } from '../../../src/core/drill/proof.ts';
import type { DatapathName } from '../../../src/core/balancer/choice.ts';
import type { Answer, HandOver, WatchRecord } from '../../../src/core/drill/record.ts';

/** A host answers all questions that reach it from `from` to `to`, in true time. */
interface Turn {
  host: string;
  from: number;
  to: number;
}

interface Network {
  /** When the rounds are asked. */
  askedMs: readonly number[];
  /** From asking to the arrival at the host, and from the answer to hearing it; each for the n-th question. */
  delays?: readonly { thereMs: number; backMs: number }[];
}

/** What a watch records of the truth. */
function watchOf(turns: readonly Turn[], { askedMs, delays = [{ thereMs: 0.02, backMs: 0.02 }] }: Network): WatchRecord {
  const answers: Answer[] = [];
  for (const [round, asked] of askedMs.entries()) {
    for (const [i, { host, from, to }] of turns.entries()) {
      const { thereMs, backMs } = delays[(round + i) % delays.length] as { thereMs: number; backMs: number };
      const atHost = asked + thereMs;
      if (atHost >= from && atHost <= to) answers.push({ round, host, how: 'arp', heardMs: atHost + backMs });
    }
  }
  return { askedMs: [...askedMs], answers: answers.sort((a, b) => a.heardMs - b.heardMs) };
}

const HAND_OVER: HandOver = { host: 'cp1', atMs: 1000 };
const rules = (['dsr', 'nat', 'ipvs', 'proxy'] satisfies DatapathName[]).flatMap((datapath) =>
  [[], [HAND_OVER]].map((handOvers) => ({ datapath, handOvers, after: handOvers.length === 0 ? 'nothing' : 'a hand-over' })),
);

describe('what an answer proves', () => {
  const answer = (facts: Pick<Answer, 'how' | 'host' | 'asked'>, askedMs = 1500) => ({ askedMs, heardMs: askedMs + 0.3, ...facts });

  test.each(rules)('$datapath, after $after: an answer on the link proves who gave it', (rule) => {
    for (const how of ['arp', 'ndp'] as const) expect(provenHost(answer({ how, host: 'cp1' }), rule)).toBe('cp1');
  });

  test.each(rules.filter(({ datapath }) => datapath !== 'dsr'))(
    '$datapath, after $after: a TCP answer proves the host that was asked and answered itself, and nothing of one that passed it on',
    (rule) => {
      expect(provenHost(answer({ how: 'tcp', asked: 'cp1', host: 'cp1' }), rule)).toBe('cp1');
      expect(provenHost(answer({ how: 'tcp', asked: 'cp1', host: 'cp2' }), rule)).toBeUndefined();
    },
  );

  test('dsr: a TCP answer proves the host that was asked, whichever API server gave it', () => {
    for (const host of ['cp1', 'cp2', '02:00:00:00:00:99']) {
      expect(provenHost(answer({ how: 'tcp', asked: 'cp1', host }), { datapath: 'dsr', handOvers: [] })).toBe('cp1');
    }
  });

  test('dsr: of a host that handed the address over a TCP answer proves nothing while its kernel may steer on; of others, before and afterwards it does', () => {
    const rule = { datapath: 'dsr' as const, handOvers: [HAND_OVER] };
    const provenAt = (askedMs: number, asked = 'cp1') => provenHost(answer({ how: 'tcp', asked, host: 'cp3' }, askedMs), rule);
    // The agent writes it down a little after its kernel has stopped.
    for (const askedMs of [995, 1000, 3000, 3500]) expect(provenAt(askedMs)).toBeUndefined();
    for (const askedMs of [800, 3501]) expect(provenAt(askedMs)).toBe('cp1');
    for (const askedMs of [800, 1000, 3000]) expect(provenAt(askedMs, 'cp2')).toBe('cp2');
  });

  test('a holder that steers to every host is one holder; one beside it that steers too is a second', () => {
    const askedMs = every(1, 300);
    const steered = (asked: string): Answer[] =>
      askedMs.map((ms, round) => ({ round, how: 'tcp', asked, host: `cp${1 + (round % 3)}`, heardMs: ms + 0.2 }));
    const holders = (...answers: Answer[][]) =>
      holdersOf(provenAnswers({ askedMs, answers: answers.flat() }, { datapath: 'dsr', handOvers: [] }));
    expect(holders(steered('cp1'))).toMatchObject({ maxSimultaneous: 1, intervals: [{ host: 'cp1' }] });
    expect(holders(steered('cp1'), steered('cp2'))).toMatchObject({ maxSimultaneous: 2, overlapMs: expect.closeTo(299, 0) });
  });
});

const every = (stepMs: number, toMs: number): number[] => Array.from({ length: Math.ceil(toMs / stepMs) }, (_, i) => i * stepMs);

/** Turns one after the other, as a lease gives them. */
const history = fc.array(
  fc.record({
    host: fc.constantFrom('cp1', 'cp2', 'cp3'),
    pauseMs: fc.double({ min: 0.001, max: 200, noNaN: true }),
    lengthMs: fc.double({ min: 60, max: 500, noNaN: true }),
  }),
  { minLength: 1, maxLength: 6 },
);

function oneAfterTheOther(parts: { host: string; pauseMs: number; lengthMs: number }[]): Turn[] {
  let timeMs = 0;
  return parts.map(({ host, pauseMs, lengthMs }) => {
    const from = timeMs + pauseMs;
    timeMs = from + lengthMs;
    return { host, from, to: timeMs };
  });
}

const delay = fc.record({ thereMs: fc.double({ min: 0, max: 15, noNaN: true }), backMs: fc.double({ min: 0, max: 40, noNaN: true }) });
/** Steps between rounds: mostly regular, with stalls. */
const steps = fc.array(
  fc.oneof({ weight: 20, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.double({ min: 0.2, max: 300, noNaN: true }) }),
  {
    minLength: 2000,
    maxLength: 2000,
  },
);

describe('who held the address', () => {
  test('nobody answered: 0 at once', () => {
    expect(holdersOf({ askedMs: every(1, 100), answers: [] })).toEqual({ intervals: [], maxSimultaneous: 0, overlapMs: 0 });
  });

  test('turns that follow one another never count as two at once, however late the watch asks and hears', () => {
    fc.assert(
      fc.property(history, steps, fc.array(delay, { minLength: 1, maxLength: 5 }), (parts, stepsMs, delays) => {
        let timeMs = 0;
        const askedMs = stepsMs.map((stepMs) => (timeMs += stepMs));
        const { maxSimultaneous, overlapMs } = holdersOf(watchOf(oneAfterTheOther(parts), { askedMs, delays }));
        expect([maxSimultaneous <= 1, overlapMs]).toEqual([true, 0]);
      }),
      { numRuns: 60 },
    );
  });

  test('an overlap is claimed for no longer than it lasted, and missed by no more than two rounds', () => {
    fc.assert(
      fc.property(fc.double({ min: 3, max: 400, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (lengthMs, phase) => {
        const turns = [
          { host: 'cp1', from: 0, to: 500 + phase },
          { host: 'cp2', from: 500 + phase - lengthMs, to: 1000 },
        ];
        const { maxSimultaneous, overlapMs } = holdersOf(watchOf(turns, { askedMs: every(1, 1000) }));
        expect(maxSimultaneous).toBe(2);
        expect(overlapMs).toBeLessThanOrEqual(lengthMs);
        expect(overlapMs).toBeGreaterThan(lengthMs - 2.1);
      }),
    );
  });

  test('one answer of another host inside a turn is two at once, of unknown length', () => {
    const own = watchOf([{ host: 'cp1', from: 0, to: 1000 }], { askedMs: every(1, 1000) });
    const intruder: Answer = { round: 500, host: 'cp2', how: 'tcp', heardMs: 500.3 };
    expect(holdersOf({ ...own, answers: [...own.answers, intruder] })).toMatchObject({ maxSimultaneous: 2, overlapMs: 0 });
  });

  test('an answer that was under way while the address moved proves nothing', () => {
    const moved = watchOf(
      [
        { host: 'cp1', from: 0, to: 99.5 },
        { host: 'cp2', from: 100.5, to: 200 },
      ],
      { askedMs: every(1, 200) },
    );
    const late: Answer = { round: 99, host: 'cp1', how: 'tcp', heardMs: 140 };
    expect(holdersOf({ ...moved, answers: [...moved.answers, late] })).toMatchObject({ maxSimultaneous: 1, overlapMs: 0 });
  });

  test('hosts that answer by turns of a few rounds are two at once', () => {
    const { askedMs, answers } = watchOf([{ host: 'cp1', from: 0, to: 200 }], { askedMs: every(1, 200) });
    const alternating = answers.map((answer) => ({ ...answer, host: Math.floor(answer.round / 10) % 2 === 0 ? 'cp1' : 'cp2' }));
    expect(holdersOf({ askedMs, answers: alternating })).toMatchObject({ maxSimultaneous: 2, overlapMs: expect.closeTo(179, 0) });
  });

  test('a watch that stalls does not end a turn', () => {
    const askedMs = [...every(1, 100), ...every(1, 100).map((timeMs) => timeMs + 900)];
    const turns = ['cp1', 'cp2'].map((host) => ({ host, from: 0, to: 2000 }));
    expect(holdersOf(watchOf(turns, { askedMs }))).toMatchObject({ maxSimultaneous: 2, intervals: [{ host: 'cp1' }, { host: 'cp2' }] });
  });

  test('three at once', () => {
    const turns = ['cp1', 'cp2', 'cp3'].map((host, i) => ({ host, from: i * 10, to: 500 }));
    expect(holdersOf(watchOf(turns, { askedMs: every(1, 600) })).maxSimultaneous).toBe(3);
  });

  test('a host that goes and comes back has two intervals, with or without a turn of another in between', () => {
    const hosts = (turns: Turn[]): string[] => holdersOf(watchOf(turns, { askedMs: every(1, 500) })).intervals.map(({ host }) => host);
    const gone = [
      { host: 'cp1', from: 0, to: 100 },
      { host: 'cp1', from: 200, to: 300 },
    ];
    expect(hosts(gone)).toEqual(['cp1', 'cp1']);
    expect(hosts([...gone, { host: 'cp2', from: 110, to: 190 }])).toEqual(['cp1', 'cp2', 'cp1']);
  });

  test('lastHeard looks only into its window', () => {
    const watch = watchOf(
      [
        { host: 'cp1', from: 0, to: 100 },
        { host: 'cp2', from: 200, to: 300 },
      ],
      { askedMs: every(1, 400) },
    );
    expect(lastHeard(watch, { untilMs: 150 })).toBe('cp1');
    expect(lastHeard(watch, { sinceMs: 110, untilMs: 190 })).toBeNull();
    expect(lastHeard(watch, { sinceMs: 110, untilMs: 1000 })).toBe('cp2');
  });
});
