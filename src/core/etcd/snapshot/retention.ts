import type { SnapshotName } from './name.ts';

/** How many snapshots stay: the newest ones, and the newest of each of the newest hours, days and weeks that have any (UTC; ISO 8601 weeks, which begin on Monday). */
export interface Keep {
  last: number;
  hourly: number;
  daily: number;
  weekly: number;
}

/** What retention needs to know of a snapshot. */
type Dated = Pick<SnapshotName, 'takenAtMs' | 'revision'> & { name: string };

export interface RetentionPlan<T extends Dated> {
  /** Newest first, with why each stays: `newest`, `last 2 of 6`, `hour 2026-11-22 08:00`, `day 2026-11-22`, `week 2026-W47`. */
  kept: readonly { snapshot: T; reasons: readonly string[] }[];
  /** Newest first. */
  removed: readonly T[];
}

/** What stays of the snapshots of one cluster. The newest always does, and all do when `keep` names no number above zero. */
export function planRetention<T extends Dated>(snapshots: readonly T[], keep: Keep): RetentionPlan<T> {
  const sorted = snapshots.toSorted(newestFirst);
  const rules = [
    { count: keep.hourly, period: hourOf },
    { count: keep.daily, period: dayOf },
    { count: keep.weekly, period: weekOf },
  ].map((rule) => ({ ...rule, seen: new Set<string>() }));
  const keepsAll = [keep.last, keep.hourly, keep.daily, keep.weekly].every((count) => count === 0);
  const kept: { snapshot: T; reasons: string[] }[] = [];
  const removed: T[] = [];
  for (const [i, snapshot] of sorted.entries()) {
    const reasons = i === 0 ? ['newest'] : keepsAll ? ['no rule'] : [];
    if (i < keep.last) reasons.push(`last ${i + 1} of ${keep.last}`);
    for (const { count, period, seen } of rules) {
      const name = period(snapshot.takenAtMs);
      if (seen.has(name) || seen.size >= count) continue;
      seen.add(name);
      reasons.push(name);
    }
    if (reasons.length > 0) kept.push({ snapshot, reasons });
    else removed.push(snapshot);
  }
  return { kept, removed };
}

/** Of two that were begun in the same second, the one with the higher revision is newer. */
export function newestFirst(a: Dated, b: Dated): number {
  return b.takenAtMs - a.takenAtMs || b.revision - a.revision || (a.name < b.name ? 1 : -1);
}

function hourOf(ms: number): string {
  const text = new Date(ms).toISOString();
  return `hour ${text.slice(0, 10)} ${text.slice(11, 13)}:00`;
}

function dayOf(ms: number): string {
  return `day ${new Date(ms).toISOString().slice(0, 10)}`;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** A week belongs to the year of its Thursday. */
function weekOf(ms: number): string {
  const days = Math.floor(ms / DAY_MS);
  // 1 January 1970 was a Thursday.
  const thursday = days - ((days + 3) % 7) + 3;
  const year = new Date(thursday * DAY_MS).getUTCFullYear();
  const week = Math.floor((thursday - Date.UTC(year, 0, 1) / DAY_MS) / 7) + 1;
  return `week ${year}-W${String(week).padStart(2, '0')}`;
}
