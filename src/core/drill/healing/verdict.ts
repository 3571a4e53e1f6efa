import type { Verdict } from '../verdict.ts';
import type { HealingMeasurement } from './measure.ts';
import type { HealingScenario } from './scenario.ts';

/** A failed verdict names each expectation that did not hold, with what was seen. Void: all held in what was seen, and that was not all. */
export function judgeHealing({ expect }: HealingScenario, seen: HealingMeasurement, struck: readonly string[]): Verdict {
  const reasons = [
    ...seen.violations.map((text) => `a budget was violated: ${text}`),
    ...touchedReasons(expect.touched, seen.touched, struck),
    ...(seen.atOnce > expect.atOnceMax
      ? [`${seen.atOnce} nodes were under a remedy at once; at most ${expect.atOnceMax} were allowed`]
      : []),
    ...remedyReasons(expect.remedies, seen.remedies),
    ...replacedReasons(expect.replacedWithinMs, seen.replacedMs),
    ...(expect.recovered && seen.recoveredMs === null ? ['at the end not every node was ready, schedulable and without a mark'] : []),
    ...(expect.brake !== undefined && !seen.brakes.includes(expect.brake)
      ? [`no Event told of the brake ${expect.brake}; those that were told: ${seen.brakes.join(', ') || 'none'}`]
      : []),
  ];
  if (reasons.length > 0) return { verdict: 'fail', reasons };
  if (seen.gaps > 0)
    return {
      verdict: 'void',
      reasons: [`a watch lost what happened between two looks, ${seen.gaps === 1 ? 'once' : `${seen.gaps} times`}`],
    };
  return { verdict: 'pass', reasons };
}

function touchedReasons(allowed: 'struck' | 'none', touched: readonly string[], struck: readonly string[]): string[] {
  const wrong = touched.filter((node) => allowed === 'none' || !struck.includes(node));
  return wrong.length === 0
    ? []
    : [
        `${wrong.join(', ')} ${wrong.length === 1 ? 'was' : 'were'} touched; ${allowed === 'none' ? 'no node was to be' : 'only the struck nodes were to be'}`,
      ];
}

function remedyReasons({ min, max }: { min: number; max: number }, remedies: number): string[] {
  if (remedies >= min && remedies <= max) return [];
  return [`${remedies} remedies were begun; ${min === max ? min : `${min} to ${max}`} were expected`];
}

function replacedReasons(boundMs: number | undefined, replaced: HealingMeasurement['replacedMs']): string[] {
  if (boundMs === undefined) return [];
  const late = Object.entries(replaced).filter(([, ms]) => ms === null || ms > boundMs);
  const none = Object.keys(replaced).length === 0 ? ['no Pod was on a struck node, so nothing was measured'] : [];
  return [
    ...none,
    ...late.map(
      ([owner, ms]) =>
        `${owner} was ${ms === null ? 'never' : `only after ${Math.round(ms)} ms`} whole again elsewhere; at most ${boundMs} ms were allowed`,
    ),
  ];
}
