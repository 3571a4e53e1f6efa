import type { Random } from '../../base/random.ts';
import type { SurvivalModel, Unit } from './model.ts';

/** All combinations up to this many are looked at; of more, a sample. */
export const EXACT_MAX = 2 ** 20;
const SAMPLE = 2 ** 16;

/** What becomes of a cluster when exactly `failures` units fail at once. */
export interface FailureRow {
  failures: number;
  /** How many combinations there are. */
  combinations: number;
  /** How many of them were looked at; all, or a sample. */
  examined: number;
  /** Of those, in how many each holds. */
  api: number;
  quorum: number;
  change: number;
  /** Half the width of the 95 % interval of the shares, at most; 0 when all were looked at. */
  margin: number;
}

/** Every combination of up to `failuresMax` failed units. */
export function failureRows(model: SurvivalModel, { failuresMax, random }: { failuresMax: number; random: Random }): FailureRow[] {
  const { length } = model.units;
  return Array.from({ length: Math.min(failuresMax, length) }, (_, i) => rowOf(model, { failures: i + 1, random }));
}

function rowOf(model: SurvivalModel, { failures, random }: { failures: number; random: Random }): FailureRow {
  const { units } = model;
  const combinations = choose(units.length, failures);
  const row = { failures, combinations, examined: 0, api: 0, quorum: 0, change: 0, margin: 0 };
  const note = (down: number) => {
    const { api, quorum, change } = model.judge(model.all & ~down);
    row.examined++;
    if (api) row.api++;
    if (quorum) row.quorum++;
    if (change) row.change++;
  };
  if (combinations <= EXACT_MAX) eachCombination(units, failures, note);
  else {
    for (let i = 0; i < SAMPLE; i++) note(someCombination(units, failures, random));
    row.margin = Math.max(...[row.api, row.quorum, row.change].map((hits) => wilsonMargin(hits, SAMPLE)));
  }
  return row;
}

/** The hosts that are down in each choice of `failures` units. */
function eachCombination(units: readonly Unit[], failures: number, visit: (down: number) => void): void {
  const go = (from: number, left: number, down: number): void => {
    if (left === 0) return visit(down);
    for (let i = from; i <= units.length - left; i++) go(i + 1, left - 1, down | (units[i] as Unit).hosts);
  };
  go(0, failures, 0);
}

function someCombination(units: readonly Unit[], failures: number, random: Random): number {
  const chosen = new Set<number>();
  while (chosen.size < failures) chosen.add(random.below(units.length));
  return [...chosen].reduce((down, i) => down | (units[i] as Unit).hosts, 0);
}

export function choose(n: number, k: number): number {
  let result = 1;
  for (let i = 0; i < k; i++) result = (result * (n - i)) / (i + 1);
  return Math.round(result);
}

const Z95 = 1.96;

/** Half the width of Wilson's 95 % interval of a share (Wilson 1927); it is right for shares near 0 and 1, too. */
function wilsonMargin(hits: number, of: number): number {
  const share = hits / of;
  return (Z95 / (1 + Z95 ** 2 / of)) * Math.sqrt((share * (1 - share)) / of + Z95 ** 2 / (4 * of ** 2));
}

/** The smallest sets of units whose failure takes away the power to change things, of at most `failuresMax`. */
export function fatalSets(model: SurvivalModel, failuresMax: number): Unit[][] {
  const found: { units: Unit[]; indexes: readonly number[] }[] = [];
  const { units } = model;
  for (let size = 1; size <= Math.min(failuresMax, units.length) && choose(units.length, size) <= EXACT_MAX; size++) {
    const go = (from: number, indexes: readonly number[], down: number): void => {
      if (indexes.length === size) {
        const isNew = !found.some((known) => known.indexes.every((i) => indexes.includes(i)));
        if (isNew && !model.judge(model.all & ~down).change) found.push({ units: indexes.map((i) => units[i] as Unit), indexes });
        return;
      }
      for (let i = from; i < units.length; i++) go(i + 1, [...indexes, i], down | (units[i] as Unit).hosts);
    };
    go(0, [], 0);
  }
  return found.map((one) => one.units);
}
