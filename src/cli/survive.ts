import { Command, InvalidArgumentError } from 'commander';
import { createRandom } from '../base/random.ts';
import { EXIT_FINDING } from '../base/error.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { ASSUMED_RATES, type Availability, availability, nines, type RatesByKind } from '../core/survive/availability.ts';
import { type FailureRow, failureRows, fatalSets } from '../core/survive/combinations.ts';
import { type SurvivalModel, survivalModel, type Unit, UNIT_KINDS, type UnitKind, unitText } from '../core/survive/model.ts';
import { withMembers } from '../core/survive/variants.ts';
import { DEFAULT_CONFIG, readClusterFile } from './read-cluster.ts';
import { renderSurvival } from './render-survive.ts';
import { wholeNumber } from './whole-number.ts';

/** One seed for all: the same question has the same answer. */
const SEED = 1;

export interface Survival {
  cluster: Cluster;
  units: readonly Unit[];
  rows: FailureRow[];
  fatal: Unit[][];
  rates: RatesByKind;
  members: (Availability & { members: number; quorum: number; tolerates: number })[];
}

type HoursOf = Partial<Record<UnitKind, number>>;

/** `hale sim survive`: every combination of failed hosts, zones, racks and switches, and what is left then. */
export function surviveCommand(): Command {
  return new Command('survive')
    .description(
      'let every combination of hosts, zones, racks and switches fail, and tell what is left; availability, also with more and fewer members',
    )
    .argument('[file]', 'cluster description', DEFAULT_CONFIG)
    .option('--failures <k>', 'up to this many failures at once', wholeNumber, 3)
    .option('--mtbf <list>', 'mean time between failures, such as host=365d,zone=5y; what is not given is assumed', hoursList, {})
    .option('--mttr <list>', 'mean time to repair, such as host=4h,zone=90m', hoursList, {})
    .option('--json', 'print one JSON document')
    .action((file: string, options: { failures: number; mtbf: HoursOf; mttr: HoursOf; json?: true }) => {
      const survival = survive(readClusterFile(file), { ...options, rates: ratesOf(options) });
      process.stdout.write(options.json ? `${JSON.stringify(jsonOf(survival))}\n` : renderSurvival(survival));
      // One failure that takes the API away is what all of this is meant to prevent.
      if (survival.fatal.some(({ length }) => length === 1)) process.exitCode = EXIT_FINDING;
    });
}

function survive(cluster: Cluster, { failures, rates }: { failures: number; rates: RatesByKind }): Survival {
  const model = survivalModel(cluster);
  const random = createRandom(SEED);
  const stacked = cluster.etcd.topology === 'stacked';
  const now = cluster.controlPlane.hosts.length;
  // With etcd elsewhere another API server does not change the quorum.
  const sizes = stacked ? [now - 1, now, now + 1, now + 2] : [now];
  const members = sizes.flatMap((size) => {
    const variant = withMembers(cluster, size);
    return variant === undefined ? [] : [{ ...sizeOf(survivalModel(variant)), ...availability(survivalModel(variant), { rates, random }) }];
  });
  return {
    cluster,
    units: model.units,
    rows: failureRows(model, { failuresMax: failures, random }),
    fatal: fatalSets(model, failures),
    rates,
    members,
  };
}

function sizeOf({ members }: SurvivalModel) {
  const quorum = Math.floor(members / 2) + 1;
  return { members, quorum, tolerates: members - quorum };
}

function jsonOf({ cluster, units, rows, fatal, rates, members }: Survival): object {
  return {
    cluster: cluster.name,
    units: units.map(({ kind, name }) => ({ kind, name })),
    failures: rows,
    fatal: fatal.map((set) => set.map(unitText)),
    rates,
    members: members.map((one) => ({ ...one, nines: nines(one.changeDown) })),
  };
}

const HOURS = { s: 1 / 3600, m: 1 / 60, h: 1, d: 24, w: 168, y: 8760 } as const;

/** `host=365d,zone=5y` in hours. */
function hoursList(text: string): HoursOf {
  const entries = text.split(',').map((part) => {
    const [, kind, number, unit] = /^(\w+)=(\d+(?:\.\d+)?)([smhdwy])$/.exec(part.trim()) ?? [];
    const isKind = (UNIT_KINDS as readonly (string | undefined)[]).includes(kind);
    if (!isKind || number === undefined || Number(number) === 0)
      throw new InvalidArgumentError(
        `${JSON.stringify(part)} is not such as host=365d: one of ${UNIT_KINDS.join(', ')}, then a time above 0 in s, m, h, d, w or y`,
      );
    return [kind, Number(number) * HOURS[unit as keyof typeof HOURS]];
  });
  return Object.fromEntries(entries) as HoursOf;
}

function ratesOf({ mtbf, mttr }: { mtbf: HoursOf; mttr: HoursOf }): RatesByKind {
  const rates = UNIT_KINDS.map((kind) => {
    const assumed = ASSUMED_RATES[kind];
    return [kind, { mtbfHours: mtbf[kind] ?? assumed.mtbfHours, mttrHours: mttr[kind] ?? assumed.mttrHours }];
  });
  return Object.fromEntries(rates) as RatesByKind;
}
