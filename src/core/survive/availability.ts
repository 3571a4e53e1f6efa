import type { Random } from '../../base/random.ts';
import { EXACT_MAX } from './combinations.ts';
import type { SurvivalModel, Unit, UnitKind } from './model.ts';

/** Mean time between two failures, and to repair one, in hours. */
export interface Rates {
  mtbfHours: number;
  mttrHours: number;
}

export type RatesByKind = Readonly<Record<UnitKind, Rates>>;

/** Assumptions to start from, not measurements: a server fails once a year, an availability zone once in five. */
export const ASSUMED_RATES: RatesByKind = {
  host: { mtbfHours: 365 * 24, mttrHours: 4 },
  zone: { mtbfHours: 5 * 365 * 24, mttrHours: 4 },
  rack: { mtbfHours: 4 * 365 * 24, mttrHours: 8 },
  switch: { mtbfHours: 4 * 365 * 24, mttrHours: 4 },
};

/** The share of time in which a unit is down: MTTR / (MTBF + MTTR). */
export function unavailability({ mtbfHours, mttrHours }: Rates): number {
  return mttrHours / (mtbfHours + mttrHours);
}

/** Shares of time, from 0 to 1. */
export interface Availability {
  /** In which no API server answers at the address. */
  apiDown: number;
  /** In which nothing can be changed. */
  changeDown: number;
  /** Half the width of the 95 % interval of `changeDown`; 0 when every state was added up. */
  margin: number;
  /** How many states were added up, or drawn. */
  states: number;
}

const DRAWN = 2 ** 18;
/** A state is drawn as if each unit were down this often at least, and counts the less for it: real failures would hardly ever be drawn. */
const DRAWN_DOWN_MIN = 0.25;

/** Units fail independently of each other. The probabilities of all states in which it holds are added up. */
export function availability(model: SurvivalModel, { rates, random }: { rates: RatesByKind; random: Random }): Availability {
  const down = model.units.map(({ kind }) => unavailability(rates[kind]));
  return 2 ** model.units.length <= EXACT_MAX ? exact(model, down) : drawn(model, down, random);
}

function exact(model: SurvivalModel, down: readonly number[]): Availability {
  const sums = { apiDown: 0, changeDown: 0 };
  const go = (i: number, hostsDown: number, probability: number): void => {
    const unit = model.units[i];
    if (unit === undefined) {
      const { api, change } = model.judge(model.all & ~hostsDown);
      if (!api) sums.apiDown += probability;
      if (!change) sums.changeDown += probability;
      return;
    }
    const p = down[i] as number;
    go(i + 1, hostsDown, probability * (1 - p));
    go(i + 1, hostsDown | unit.hosts, probability * p);
  };
  go(0, 0, 1);
  return { ...sums, margin: 0, states: 2 ** model.units.length };
}

/** Importance sampling: each state that was drawn counts by how much likelier it was drawn than it is. */
function drawn(model: SurvivalModel, down: readonly number[], random: Random): Availability {
  let apiDown = 0;
  let changeDown = 0;
  let squares = 0;
  for (let i = 0; i < DRAWN; i++) {
    const { hostsDown, weight } = draw(model.units, down, random);
    const { api, change } = model.judge(model.all & ~hostsDown);
    if (!api) apiDown += weight;
    if (change) continue;
    changeDown += weight;
    squares += weight ** 2;
  }
  const mean = changeDown / DRAWN;
  const deviation = Math.sqrt(Math.max(0, squares / DRAWN - mean ** 2) / DRAWN);
  return { apiDown: apiDown / DRAWN, changeDown: mean, margin: 1.96 * deviation, states: DRAWN };
}

function draw(units: readonly Unit[], down: readonly number[], random: Random): { hostsDown: number; weight: number } {
  let hostsDown = 0;
  let weight = 1;
  for (const [i, unit] of units.entries()) {
    const real = down[i] as number;
    const tilted = Math.max(real, DRAWN_DOWN_MIN);
    const fails = random.chance(tilted);
    weight *= fails ? real / tilted : (1 - real) / (1 - tilted);
    if (fails) hostsDown |= unit.hosts;
  }
  return { hostsDown, weight };
}

/** How many nines: 0.9995 has 3.3. */
export function nines(downShare: number): number {
  return downShare <= 0 ? Number.POSITIVE_INFINITY : -Math.log10(downShare);
}
