import { nines, unavailability } from '../core/survive/availability.ts';
import type { FailureRow } from '../core/survive/combinations.ts';
import { UNIT_KINDS, unitText } from '../core/survive/model.ts';
import type { Survival } from './survive.ts';
import { table } from './table.ts';

const FATAL_SHOWN = 12;

/** What survives, for people. */
export function renderSurvival(survival: Survival): string {
  return [failuresText(survival), fatalText(survival), membersText(survival), formulaText(survival), adviceText(survival)].join('\n');
}

function failuresText({ cluster, units, rows }: Survival): string {
  const kinds = UNIT_KINDS.flatMap((kind) => {
    const { length } = units.filter((unit) => unit.kind === kind);
    return length === 0 ? [] : [`${length} ${kind}${length === 1 ? '' : kind === 'switch' ? 'es' : 's'}`];
  });
  const body = rows.map((row) => [
    `${row.failures}`,
    `${row.combinations}`,
    share(row.api, row),
    share(row.quorum, row),
    share(row.change, row),
  ]);
  return `${cluster.name}: ${kinds.join(', ')}, each of which may fail\n${table(['FAILED AT ONCE', 'COMBINATIONS', 'API ANSWERS', 'QUORUM', 'CAN BE CHANGED'], body)}`;
}

/** Of how many combinations it holds; of a sample, the share with its error. */
function share(hits: number, { examined, combinations, margin }: FailureRow): string {
  if (examined === combinations) return hits === combinations ? 'always' : hits === 0 ? 'never' : `in ${hits} of ${combinations}`;
  return `in ${((100 * hits) / examined).toFixed(1)} % ± ${(100 * margin).toFixed(1)} (sample of ${examined})`;
}

function fatalText({ fatal, rows }: Survival): string {
  if (fatal.length === 0) return `No ${rows.length} of them together make it impossible to change anything.\n`;
  const shown = fatal.slice(0, FATAL_SHOWN).map((set) => `  ${set.map(unitText).join(' + ')}\n`);
  const rest = fatal.length - shown.length;
  return `Nothing can be changed any more when these fail, or more:\n${shown.join('')}${rest > 0 ? `  and ${rest} more (--json)\n` : ''}`;
}

function membersText({ members, cluster }: Survival): string {
  const now = cluster.controlPlane.hosts.length;
  const stacked = cluster.etcd.topology === 'stacked';
  const body = members.map(({ members: size, quorum, tolerates, changeDown, margin }) => [
    `${size}${stacked && size === now ? ' (now)' : ''}`,
    `${quorum}`,
    `${tolerates}`,
    `${(100 * (1 - changeDown)).toFixed(6)} %`,
    `${nines(changeDown).toFixed(2)}${margin === 0 ? '' : ` (down ${exponent(changeDown)} ± ${exponent(margin)})`}`,
    perYear(changeDown),
  ]);
  return table(['ETCD MEMBERS', 'QUORUM', 'TOLERATES', 'CAN BE CHANGED', 'NINES', 'NOT, PER YEAR'], body);
}

const exponent = (value: number): string => value.toExponential(1);

const SECONDS_PER_YEAR = 365.25 * 24 * 3600;

function perYear(down: number): string {
  const seconds = down * SECONDS_PER_YEAR;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function formulaText({ units, rates }: Survival): string {
  const used = UNIT_KINDS.filter((kind) => units.some((unit) => unit.kind === kind));
  const lines = used.map((kind) => {
    const { mtbfHours, mttrHours } = rates[kind];
    return `  ${kind}: fails every ${days(mtbfHours)}, is repaired in ${mttrHours.toFixed(1)} h: q = MTTR / (MTBF + MTTR) = ${unavailability(rates[kind]).toExponential(2)}\n`;
  });
  return `Down = sum over all sets F of failed units that leave no way to change anything, of the product of q over F and (1 - q) over the others;\nunits fail independently. Of n equal hosts alone: sum over i > n - quorum of C(n, i) q^i (1 - q)^(n - i).\n${lines.join('')}  These are assumptions unless you gave them (--mtbf, --mttr).\n`;
}

function days(hours: number): string {
  return hours >= 8760 ? `${(hours / 8760).toFixed(1)} years` : `${(hours / 24).toFixed(1)} days`;
}

/** What the numbers say, in words. */
function adviceText({ members, fatal, cluster }: Survival): string {
  const now = cluster.controlPlane.hosts.length;
  const at = (size: number) => members.find((one) => one.members === size);
  const lines: string[] = [];
  const single = fatal.filter(({ length }) => length === 1).map((set) => set.map(unitText).join());
  if (single.length > 0) lines.push(`One failure is enough to stop every change: ${single.join(', ')}.`);
  const [here, more, two] = [at(now), at(now + 1), at(now + 2)];
  if (cluster.etcd.topology === 'stacked' && here !== undefined && more !== undefined && two !== undefined) {
    lines.push(
      `${now + 1} members would be ${compared(more.changeDown, here.changeDown)}, ${now + 2} ${compared(two.changeDown, here.changeDown)} than ${now}.`,
    );
  }
  return lines.map((line) => `${line}\n`).join('');
}

function compared(down: number, than: number): string {
  const factor = down / than;
  if (factor > 0.95 && factor < 1.05) return 'as long';
  return factor > 1 ? `${factor.toFixed(1)} times as long` : `1/${(1 / factor).toFixed(1)} of the time`;
}
