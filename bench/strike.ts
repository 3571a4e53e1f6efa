/** One fault on the holder of the address, seen by the drill's own probe: the same for hale and for its peers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { HolderInterval } from '../src/core/drill/holders.ts';
import { measure, type Measurement } from '../src/core/drill/measure.ts';
import { outageOf } from '../src/core/drill/outage.ts';
import type { RequestRecord } from '../src/core/drill/record.ts';
import type { Fault } from '../src/lab/faults/effects.ts';
import type { LabHost } from '../src/lab/host.ts';
import type { Lab } from '../src/lab/lab.ts';
import { datapathOf } from '../src/lab/plan.ts';
import { handOversOf } from '../src/lab/drill/hand-overs.ts';
import { startInstruments } from '../src/lab/drill/instruments.ts';

export const WARM_UP_MS = 1000;
/** The fault comes at a random moment of this span, as long as the longest period of any subject, or it might always meet the same phase. */
export const PHASE_MS = 1000;
/** Longer than the slowest subject needs, and the same for all, so that counts of failed requests compare. */
export const OBSERVE_MS = 5000;
/** The client may learn of the next holder a little after the observer, and finish with the last one. */
const MOVE_SPARE_MS = 100;
/** The lab is taken down long before. */
const UNDO_AFTER_MS = 120_000;

export interface Strike extends Measurement {
  /** The outage as far as it touches the time from the fault until the next holder was first seen; later stalls are left out. */
  moveGapMs: number;
  /** Who answered next after the fault, whether or not the one before fell silent; null when nobody did. */
  holderNext: string | null;
}

export async function strike(lab: Lab, options: { fault: Fault; holder: LabHost; signal: AbortSignal }): Promise<Strike> {
  const { fault, holder, signal } = options;
  const instruments = await startInstruments(lab, { connections: 0 });
  try {
    await sleep(WARM_UP_MS + Math.random() * PHASE_MS, undefined, { signal });
    const { record } = await lab.inject(fault, holder.name, { undoAfterMs: UNDO_AFTER_MS });
    await sleep(OBSERVE_MS, undefined, { signal });
    const seen = await instruments.stop();
    const marks = [{ timeMs: record.injectedAtMs, label: `${fault} ${holder.name}`, kind: 'fault' as const }];
    const course = { datapath: datapathOf(lab.plan), struck: record.struck, handOvers: handOversOf(lab, { sinceMs: record.injectedAtMs }) };
    const measurement = measure({ ...seen, course, marks });
    const next = nextHolder(measurement);
    return { ...measurement, holderNext: next?.host ?? null, moveGapMs: moveGap({ requests: seen.requests, measurement, next }) };
  } finally {
    await instruments.abandon();
  }
}

function nextHolder({ faultMs, holders, holderBefore }: Measurement): HolderInterval | undefined {
  return holders.intervals.find((interval) => interval.host !== holderBefore && interval.endMs > faultMs);
}

interface Move {
  requests: readonly RequestRecord[];
  measurement: Measurement;
  next: HolderInterval | undefined;
}

function moveGap({ requests, measurement: { faultMs, outage }, next }: Move): number {
  if (next === undefined) return outage.outageMs;
  const answeredMs = requests
    .filter((request) => request.ok && request.endMs > next.startMs + MOVE_SPARE_MS)
    .map((request) => request.endMs);
  const untilMs = Math.min(...answeredMs);
  return outageOf(
    requests.filter((request) => request.endMs <= untilMs),
    faultMs,
  ).outageMs;
}
