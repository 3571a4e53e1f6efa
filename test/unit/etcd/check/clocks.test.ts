import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clockOffset, judgeClock } from '../../../../src/core/etcd/check/clocks.ts';
import { NOW_MS, viewWith } from '../facts.ts';

const member = viewWith().members[0] as Parameters<typeof judgeClock>[0];

/** What a clock that is `aheadMs` of ours says to a question that is under way for `tripMs` each way. */
const reading = (askedAtMs: number, { aheadMs, tripMs }: { aheadMs: number; tripMs: number }) => ({
  askedAtMs,
  answeredAtMs: askedAtMs + 2 * tripMs,
  saidMs: Math.floor((askedAtMs + tripMs + aheadMs) / 1000) * 1000,
});

test('the offset lies within what readings bound, and a difference is claimed only when there is one', () => {
  const moments = fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(moments, fc.integer({ min: -5000, max: 5000 }), fc.integer({ min: 0, max: 400 }), (delays, aheadMs, tripMs) => {
      const readings = delays.map((delay) => reading(NOW_MS + delay, { aheadMs, tripMs }));
      const { fromMs, toMs } = clockOffset(readings) as { fromMs: number; toMs: number };
      expect(fromMs <= aheadMs && aheadMs <= toMs).toBe(true);
      if (judgeClock(member, readings).verdict === 'finding') expect(Math.abs(aheadMs)).toBeGreaterThan(1000);
    }),
  );
});

test('a clock that is minutes behind is a finding, with the direction', () => {
  const [behind, ahead] = [-600_000, 3000].map((aheadMs) => judgeClock(member, [reading(NOW_MS, { aheadMs, tripMs: 1 })]));
  expect(behind).toMatchObject({ verdict: 'finding', says: expect.stringMatching(/at least 10 min behind/) });
  expect(ahead).toMatchObject({ verdict: 'finding', says: expect.stringMatching(/at least 3\.0 s ahead of/) });
});

test('a member that does not tell the time is not judged', () => {
  expect(judgeClock(member, [])).toMatchObject({ verdict: 'not-judged' });
});
