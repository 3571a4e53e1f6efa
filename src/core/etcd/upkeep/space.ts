import { alarmsOf } from '../alarms.ts';
import { nameOf } from '../member.ts';
import { sizeText } from '../size-text.ts';
import type { HaleError } from '../../../base/error.ts';
import { refusal } from '../refusal.ts';
import type { EtcdView } from '../view.ts';

/** How full the database of one member is. */
export interface MemberSpace {
  id: string;
  name: string;
  sizeBytes: number;
  /** What a defragmentation leaves, about. */
  inUseBytes: number;
  /** Null where the member does not tell. */
  quotaBytes: number | null;
  /** Whether it has raised the alarm NOSPACE. */
  hasAlarm: boolean;
}

/** A write may need so much at once (`--max-request-bytes`, 1.5 MiB by default); of a small quota, a share of it. */
const ROOM_BYTES = 1.5 * 1024 ** 2;
const ROOM_SHARE = 0.05;

/** Of the members that answer. `quotas`: by id, where the status does not tell (before etcd 3.6). */
export function spaceOf(view: EtcdView, quotas: ReadonlyMap<string, number>): MemberSpace[] {
  const statuses = view.members.flatMap(({ status }) => status ?? []);
  const alarmed = new Set(alarmsOf(statuses).flatMap(({ alarm, memberId }) => (alarm === 'NOSPACE' ? memberId : [])));
  return view.members.flatMap((member) => {
    if (member.status === null) return [];
    const { dbSizeBytes: sizeBytes, dbSizeInUseBytes: inUseBytes, quotaBytes } = member.status;
    const quota = quotaBytes ?? quotas.get(member.id) ?? null;
    return { id: member.id, name: member.name, sizeBytes, inUseBytes, quotaBytes: quota, hasAlarm: alarmed.has(member.id) };
  });
}

/** Whether the next write would raise the alarm again: what counts is the size of the file, free pages in it included. Null when the quota is not known. */
export function isAtQuota({ sizeBytes, quotaBytes }: MemberSpace): boolean | null {
  if (quotaBytes === null) return null;
  return sizeBytes >= quotaBytes - Math.min(ROOM_BYTES, ROOM_SHARE * quotaBytes);
}

/** Why the alarm NOSPACE must not be disarmed; null when it may. */
export function noSpaceRefusal(spaces: readonly MemberSpace[]): HaleError | null {
  const full = spaces.filter((space) => isAtQuota(space) === true);
  if (full.length > 0) {
    const whose = full.map((space) => `${nameOf(space)} (${sizeText(space.sizeBytes)} of ${sizeText(space.quotaBytes as number)})`);
    return refusal(
      'etcd_still_full',
      `the database of ${whose.join(', ')} is still at its quota, so the next write would raise the alarm again`,
    );
  }
  const unknown = spaces.filter((space) => space.hasAlarm && space.quotaBytes === null);
  if (unknown.length === 0) return null;
  const whose = unknown.map((space) => `${nameOf(space)} (${sizeText(space.sizeBytes)})`);
  return refusal(
    'etcd_still_full',
    `nobody tells the quota of ${whose.join(', ')}, so it is not known whether the next write would raise the alarm again`,
  );
}

/** Whether a member stays too full even without history and free pages, so that more has to be deleted; null when not. `maxShare`: of the quota, 0 to 1. */
export function tooFullText(space: MemberSpace, maxShare: number): string | null {
  const { sizeBytes, quotaBytes } = space;
  if (quotaBytes === null || sizeBytes <= maxShare * quotaBytes) return null;
  return `without history and gaps the database of ${nameOf(space)} is still ${sizeText(sizeBytes)} of its quota of ${sizeText(quotaBytes)}`;
}
