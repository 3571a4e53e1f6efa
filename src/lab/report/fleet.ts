/** What clients of a real API server went through: the ledger of their writes and events, and how long they were without. */
import type { DrillResult } from '../../core/drill/result.ts';
import { formatCount, formatMs } from './html.ts';

type Fleet = Required<DrillResult>['fleet'];

export function renderFleet({ fleet }: DrillResult): string {
  if (fleet === undefined) return '';
  return `<h3>Clients of the API</h3>
<p>${inWords(fleet)}</p>
<div class="scroll"><table><caption>${formatCount(fleet.watchers)} watches and ${formatCount(fleet.writers)} writers over HTTP/2, each on a connection of its own</caption><tbody>${rowsOf(
    fleet,
  )
    .map(([name, ...cells]) => `<tr><th scope="row">${name}</th>${cells.map((cell) => `<td class="number">${cell}</td>`).join('')}</tr>`)
    .join('')}</tbody></table></div>`;
}

function inWords({
  committedWrites,
  lostWrites,
  overwrittenWrites,
  lostEvents,
  duplicateEvents,
  disorderedEvents,
  unreadWriters,
  cutOff,
}: Fleet): string {
  const missing = lostWrites + overwrittenWrites;
  const writes =
    missing === 0
      ? `All ${formatCount(committedWrites)} writes that the API acknowledged are there.`
      : `${formatCount(missing)} of ${formatCount(committedWrites)} acknowledged writes are not there.`;
  const broken = lostEvents + duplicateEvents + disorderedEvents;
  const events =
    broken === 0
      ? 'Every watcher saw every change once and in order, or listed what it had missed.'
      : `Watch events lost: ${formatCount(lostEvents)}, twice: ${formatCount(duplicateEvents)}, out of order: ${formatCount(disorderedEvents)}.`;
  const unknown = unreadWriters === 0 ? '' : ` The objects of ${formatCount(unreadWriters)} writers could not be read at the end.`;
  return `${writes}${unknown} ${events}${cutOff === 0 ? '' : ` ${formatCount(cutOff)} watchers had no watch at the end.`}`;
}

function rowsOf({
  watchesLost,
  lostElsewhere,
  withoutWatchMs,
  unheardMs,
  relists,
  failedWrites,
  writeMs,
  stalledMs,
  gets,
}: Fleet): [string, ...string[]][] {
  return [
    ['Watches lost after the fault', formatCount(watchesLost)],
    ['Of these, ended in order by an API server whose host was not struck', formatCount(lostElsewhere.ended)],
    ['Of these, to such an API server, with a connection that broke', formatCount(lostElsewhere.broken)],
    ['Without a watch, from when the client knew', ...spreadCells(withoutWatchMs)],
    ['Without a watch, from the last that was heard', ...spreadCells(unheardMs)],
    ['Lists anew after 410 Gone', formatCount(relists)],
    ['Writes that were not acknowledged', formatCount(failedWrites)],
    ['A write took, until it was acknowledged or its outcome read', ...spreadCells(writeMs)],
    ['Longest time without any acknowledged write', formatMs(stalledMs)],
    ['Outage of GETs over new connections', formatMs(gets.outageMs), `${formatCount(gets.failed)} of ${formatCount(gets.total)} failed`],
  ];
}

function spreadCells({ median, max }: Fleet['writeMs']): string[] {
  return median === null ? ['–'] : [`${formatMs(median)} (median)`, `${formatMs(max as number)} (at worst)`];
}
