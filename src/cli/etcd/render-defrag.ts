import { alarmsOf } from '../../core/etcd/alarms.ts';
import type { DefragPlan } from '../../core/etcd/upkeep/defrag.ts';
import { nameOf } from '../../core/etcd/member.ts';
import { quorumText } from '../../core/etcd/quorum.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import type { DefragReport } from '../../engine/etcd/defrag.ts';
import { table } from '../table.ts';

/** What a member writes anew in a second, at least, on a disk that is good enough for etcd. */
const REWRITTEN_BYTES_PER_SECOND = 50 * 1024 ** 2;

/** The plan, for stderr: what is done to whom, in which order, and what is not. */
export function renderDefragPlan(view: EtcdView, plan: DefragPlan): string {
  const { targets, skipped, stopsWrites } = plan;
  const rows = targets.map(({ id, name, sizeBytes, inUseBytes, freesBytes, isLeader }, i) => {
    const turn = isLeader && view.quorum.voters > 1 ? `${i + 1}, after its leadership has moved` : `${i + 1}`;
    return [nameOf({ id, name }), sizeText(sizeBytes), sizeText(inUseBytes), sizeText(freesBytes), turn];
  });
  const others = skipped.map((skip) => {
    const size = (bytes: number | null) => (bytes === null ? '-' : sizeText(bytes));
    return [nameOf(skip), size(skip.sizeBytes), size(skip.inUseBytes), '-', `skipped: ${skip.why}`];
  });
  const head = `${quorumText(view.quorum)}\n${table(['MEMBER', 'SIZE', 'IN USE', 'COMES FREE', 'TURN'], [...rows, ...others])}`;
  const full = alarmsOf(view.members.flatMap(({ status }) => status ?? [])).some(({ alarm }) => alarm === 'NOSPACE');
  const hint = full ? ['etcd has raised the alarm NOSPACE: hale etcd reclaim-space compacts before, and disarms after.'] : [];
  if (targets.length === 0) return [head.trimEnd(), 'Nothing is worth a defragmentation.', ...hint, ''].join('\n');
  const longest = Math.max(...targets.map(({ inUseBytes }) => inUseBytes));
  const seconds = Math.max(1, Math.ceil(longest / REWRITTEN_BYTES_PER_SECOND));
  return [
    head.trimEnd(),
    `Each answers nothing for about ${seconds} s, and neither does an API server that asks only it; its data folder needs ${sizeText(longest)} free meanwhile.`,
    ...hint,
    ...(stopsWrites ? ['No member can be missed here: etcd serves nothing meanwhile.'] : []),
    '',
  ].join('\n');
}

/** What was done, without a line break at the end. */
export function renderDefragged({ done, worstLatencyMs }: DefragReport): string {
  const rows = done.map((member) => [
    nameOf(member),
    sizeText(member.sizeBeforeBytes),
    sizeText(member.sizeAfterBytes),
    `${(member.pauseMs / 1000).toFixed(1)} s`,
  ]);
  const list = table(['MEMBER', 'BEFORE', 'AFTER', 'ANSWERED NOTHING FOR'], rows);
  const slowest = `Slowest answer of a member that was not being defragmented: ${Math.round(worstLatencyMs)} ms.`;
  return `${done.length === 0 ? 'Nothing was defragmented.\n' : list}${slowest}`;
}

export function renderDefragReport(report: DefragReport): string {
  const { left, stopped } = report;
  const names = left.map(nameOf);
  const stop =
    stopped === null
      ? []
      : [
          `Stopped: ${stopped.message}.`,
          `Left: ${names.join(', ')}. When hale etcd status shows all of them well: hale etcd defrag ${names.join(' ')}`,
        ];
  return `${[renderDefragged(report), ...stop].join('\n')}\n`;
}
