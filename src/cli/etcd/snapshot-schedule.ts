import { writeFileSync } from 'node:fs';
import { hostname, setPriority } from 'node:os';
import { asciiBytes } from '../../base/ascii-json.ts';
import { HaleError } from '../../base/error.ts';
import { encodeSnapshotRecord, SNAPSHOT_RECORD_KEY, snapshotDueAtMs } from '../../core/etcd/snapshot/last-save.ts';
import type { EtcdAccess } from '../../drivers/etcd/access.ts';
import { newestSnapshot } from '../../engine/etcd/newest-snapshot.ts';
import type { TakenSnapshot } from './take-snapshot.ts';
import { withEtcd } from './options.ts';

/** Part of the document of `hale etcd snapshot save --if-due --json`; times are Unix times. */
export interface ScheduleTurn {
  saved: boolean;
  newestAtMs: number;
  dueAtMs: number;
}

const KEY = asciiBytes(SNAPSHOT_RECORD_KEY);
const LOW_PRIORITY = 10;

interface Asked {
  access: EtcdAccess;
  timeoutMs: number;
}

/** Undefined when one is due. HaleError `snapshot_not_scheduled` when the description says nothing of a schedule. */
export async function notDue(asked: Asked, everyMinutes: number | undefined): Promise<ScheduleTurn | undefined> {
  if (everyMinutes === undefined) {
    throw new HaleError({
      code: 'snapshot_not_scheduled',
      kind: 'usage',
      message: '--if-due: the cluster description does not say how often (etcd.snapshots.everyMinutes)',
      remedy: 'add it there, or leave out --if-due',
    });
  }
  const nowMs = Date.now();
  const record = await withEtcd(asked, newestSnapshot);
  const dueAtMs = snapshotDueAtMs(record, { nowMs, everyMinutes });
  if (record === undefined || dueAtMs <= nowMs) return undefined;
  return { saved: false, newestAtMs: Date.parse(record.takenAt), dueAtMs };
}

/** One that was just taken is the newest, and the next one is due from then on. */
export function turnAfter({ takenAt }: TakenSnapshot, everyMinutes: number): ScheduleTurn {
  const newestAtMs = Date.parse(takenAt);
  return { saved: true, newestAtMs, dueAtMs: newestAtMs + everyMinutes * 60_000 };
}

/** Remembers it in etcd. A reason why that failed, for people: under NOSPACE and without a quorum the snapshot is good all the same. */
export async function remember({ access, timeoutMs }: Asked, { takenAt, revision, place }: TakenSnapshot): Promise<string | undefined> {
  const value = encodeSnapshotRecord({ takenAt, revision, place, host: hostname() });
  try {
    await withEtcd({ access, timeoutMs }, (etcd) => etcd.put(KEY, value));
    return undefined;
  } catch (error) {
    return `etcd could not be told of it (${SNAPSHOT_RECORD_KEY}), so another may be taken before its time: ${(error as Error).message}`;
  }
}

/** A snapshot that nobody waits for gives way to everything else, and when memory is short goes before what the agent that began it does. */
export function giveWay(): void {
  setPriority(LOW_PRIORITY);
  writeFileSync('/proc/self/oom_score_adj', '500');
}
