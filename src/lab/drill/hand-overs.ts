import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HandOver } from '../../core/drill/record.ts';
import type { LossReason } from '../../core/lease/state.ts';
import type { Lab } from '../lab.ts';

/** Of all lines of an agent's log, those on a lost lease carry it (agent/agent.ts). */
const HANDED_OVER: LossReason = 'handed-over';

/** Hand-overs since `sinceMs` of the lab's clock, as the agents wrote them down; also those of a host that is off by now. In the order of time. */
export function handOversOf(lab: Lab, { sinceMs }: { sinceMs: number }): HandOver[] {
  const bootedAt = Date.now() - lab.now();
  return lab.controlPlane
    .flatMap((host) => handOverTimes(join(host.folder, 'log', 'agent.log')).map((wallMs) => ({ host: host.name, atMs: wallMs - bootedAt })))
    .filter(({ atMs }) => atMs >= sinceMs)
    .sort((a, b) => a.atMs - b.atMs);
}

/** Wall-clock times, in milliseconds. */
function handOverTimes(path: string): number[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines
    .filter((line) => line.includes(`"reason":"${HANDED_OVER}"`))
    .map((line) => Date.parse((JSON.parse(line) as { time: string }).time));
}
