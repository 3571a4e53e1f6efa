import type { HealingResult } from '../lab/healing/run.ts';
import { table } from './table.ts';

/** The result of a drill of nodes in a few lines. */
export function renderHealing({
  scenario,
  verdict,
  reasons,
  struck,
  nodes,
  measurement,
  report,
}: HealingResult & { report: string }): string {
  const { touched, atOnce, remedies, replacedMs, recoveredMs, brakes, violations } = measurement;
  const rows = [
    ['struck', names(struck)],
    ['touched', names(touched)],
    ['remedies', `${remedies}, at most ${atOnce} at once`],
    ...Object.entries(replacedMs).map(([owner, ms]) => [
      `${owner} whole again`,
      ms === null ? 'never elsewhere' : `after ${seconds(ms)} elsewhere`,
    ]),
    ['all nodes well', recoveredMs === null ? 'not at the end' : `after ${seconds(recoveredMs)}`],
    ['brakes told', brakes.join(', ') || 'none'],
    ['budgets violated', violations.length === 0 ? 'never' : `${violations.length} times`],
    ['nodes', nodes],
    ['report', report],
  ];
  const why = reasons.map((reason) => `  because ${reason}\n`).join('');
  return `${scenario}: ${verdict}\n${why}${table(['', ''], rows).trimStart()}`;
}

const LISTED_MAX = 5;

function names(list: readonly string[]): string {
  if (list.length === 0) return 'none';
  return list.length <= LISTED_MAX ? list.join(', ') : `${list.slice(0, LISTED_MAX).join(', ')} and ${list.length - LISTED_MAX} more`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
