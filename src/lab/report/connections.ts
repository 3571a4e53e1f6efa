/** What became of the long-lived connections, by where their API server is and whether they spoke: in words and as a table. */
import type { ByActivity, Fates } from '../../core/drill/measure.ts';
import type { DrillResult } from '../../core/drill/result.ts';
import { formatCount, formatMs } from './html.ts';

type Connections = DrillResult['connections'];

export function renderConnections({ connections }: DrillResult): string {
  if (connections.survivorsLost === null) return '<p class="soft">No connection said on which API server it lived.</p>';
  const rows = [
    ...rowsOf('on the struck host', connections.struck, connections.toldAfterMs),
    ...rowsOf('on the others', connections.others),
  ];
  const head = ['Long-lived connections', 'Kept', 'Reset', 'Hung', 'Told after, median', 'at worst'];
  const headCells = head.map((name, i) => `<th scope="col"${i === 0 ? '' : ' class="number"'}>${name}</th>`).join('');
  return `<h3>Long-lived connections</h3>
<p>${inWords(connections)}</p>
<div class="scroll"><table><caption>By the host of their API server</caption><thead><tr>${headCells}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function rowsOf(where: string, fates: ByActivity<Fates>, told?: Connections['toldAfterMs']): string[] {
  return (['active', 'idle'] as const).map((activity) => {
    const { kept, reset, hung } = fates[activity];
    const { median, max } = told?.[activity] ?? { median: null, max: null };
    const cells = [...[kept, reset, hung].map(formatCount), ...[median, max].map(orDash)];
    return `<tr><th scope="row">${activity}, ${where}</th>${cells.map((cell) => `<td class="number">${cell}</td>`).join('')}</tr>`;
  });
}

function orDash(valueMs: number | null): string {
  return valueMs === null ? '–' : formatMs(valueMs);
}

function inWords({ struck, others, survivorsLost, toldAfterMs }: Connections): string {
  const all = total(others);
  const lives =
    survivorsLost === 0
      ? `All ${formatCount(all)} connections to API servers on other hosts lived on.`
      : `${formatCount(survivorsLost as number)} of ${formatCount(all)} connections to API servers on other hosts were lost.`;
  const lost = lostOf(struck.active) + lostOf(struck.idle);
  if (lost === 0) return `${lives} None to the struck host was lost.`;
  const told = (['active', 'idle'] as const)
    .filter((activity) => toldAfterMs[activity].median !== null)
    .map((activity) => `the ${activity} ones after ${orDash(toldAfterMs[activity].median)} (median)`);
  const hung = struck.active.hung + struck.idle.hung;
  return `${lives} Of ${formatCount(total(struck))} to the struck host ${formatCount(lost)} were lost${told.length === 0 ? '' : `, and told: ${told.join(', ')}`}; ${hung === 0 ? 'none' : formatCount(hung)} hung.`;
}

function lostOf({ reset, hung }: Fates): number {
  return reset + hung;
}

function total({ active, idle }: ByActivity<Fates>): number {
  return active.kept + lostOf(active) + idle.kept + lostOf(idle);
}
