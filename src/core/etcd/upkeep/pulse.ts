import { median } from '../../../base/stats.ts';

/** How members answer small reads, one after another, while one of them is away. */
export interface Pulse {
  /** Who must lead, in which term; null: anybody. */
  expected: { leaderId: string; term: number } | null;
  /** Whose silence is meant: the member that is defragmented. */
  awayId: string | null;
  /** By id. */
  members: Readonly<Record<string, MemberPulse>>;
  /** The first thing that went wrong, in words; stays. */
  degraded: string | null;
}

export interface MemberPulse {
  name: string;
  /** What an answer took before; null until it is known. */
  baselineMs: number | null;
  /** The newest last; Infinity where none came. */
  recentMs: readonly number[];
  /** Since when answers are slow, or do not come, without a break. */
  slowSince: number | null;
  /** In a row. */
  failures: number;
  /** Longest time for an answer while it was not away, those that never came not counted. */
  worstMs: number;
}

export interface PulseLimits {
  /** Slow is what takes longer than this times the baseline, and longer than the floor. */
  slowFactor: number;
  slowFloorMs: number;
  /** Without a break. */
  slowForMs: number;
}

export const PULSE_LIMITS: PulseLimits = { slowFactor: 10, slowFloorMs: 250, slowForMs: 3000 };

/** What one read said. */
export interface Beat {
  memberId: string;
  sentAt: number;
  /** When the answer or the failure came. */
  now: number;
  /** Null when none came; `problem` says why. */
  latencyMs: number | null;
  problem?: string;
  /** Whom the member takes for the leader, undefined when for nobody. Absent where that says nothing. */
  leader?: { id: string | undefined; term: number };
}

/** Beats that make a baseline, and say whether a member is calm. */
export const RECENT = 5;
/** So many reads in a row without an answer, over so long a time, make a member one that does not answer: a connection may break once. */
const FAILURES = 2;
const FAILING_FOR_MS = 1000;
/** Calm is what takes no longer than this times the baseline, or than the floor. */
const CALM_FACTOR = 2;
const CALM_FLOOR_MS = 50;

export function newPulse(members: readonly { id: string; name: string }[]): Pulse {
  const none = { baselineMs: null, recentMs: [], slowSince: null, failures: 0, worstMs: 0 };
  const entries = members.map(({ id, name }) => [id, { name, ...none }] as const);
  return { expected: null, awayId: null, members: Object.fromEntries(entries), degraded: null };
}

/** Takes what the members did until now for what is usual. */
export function withBaseline(pulse: Pulse): Pulse {
  const members = Object.entries(pulse.members).map(([id, member]) => {
    const usualMs = medianOf(member.recentMs);
    return [id, { ...member, baselineMs: Number.isFinite(usualMs) ? usualMs : null }] as const;
  });
  return { ...pulse, members: Object.fromEntries(members) };
}

export function onBeat(pulse: Pulse, beat: Beat, limits: PulseLimits): Pulse {
  const before = pulse.members[beat.memberId];
  if (before === undefined) return pulse;
  if (pulse.awayId === beat.memberId) return pulse;
  const member = watched(before, beat, limits);
  const members = { ...pulse.members, [beat.memberId]: member };
  return { ...pulse, members, degraded: pulse.degraded ?? whatIsWrong(pulse, member, { beat, limits }) };
}

/** From now on the silence of this member, and of no other, is meant. */
export function withAway(pulse: Pulse, awayId: string | null): Pulse {
  const member = awayId === null ? undefined : pulse.members[awayId];
  if (awayId === null || member === undefined) return { ...pulse, awayId };
  // What it did before says nothing about whether it is well again.
  return { ...pulse, awayId, members: { ...pulse.members, [awayId]: { ...member, recentMs: [], slowSince: null, failures: 0 } } };
}

/** How many answers, or failures, of the member with the fewest are known. */
export function fewestBeats({ members }: Pulse): number {
  return Math.min(RECENT, ...Object.values(members).map(({ recentMs }) => recentMs.length));
}

/** Whether every member that is not away answers as it did before. */
export function isCalm({ members, awayId }: Pulse): boolean {
  return Object.entries(members).every(([id, { recentMs, baselineMs }]) => {
    if (id === awayId) return true;
    return medianOf(recentMs) <= Math.max(CALM_FLOOR_MS, CALM_FACTOR * (baselineMs ?? 0));
  });
}

function watched(member: MemberPulse, { sentAt, latencyMs }: Beat, limits: PulseLimits): MemberPulse {
  const slow = isSlow(member, latencyMs, limits);
  return {
    ...member,
    recentMs: [...member.recentMs, latencyMs ?? Number.POSITIVE_INFINITY].slice(-RECENT),
    slowSince: slow ? (member.slowSince ?? sentAt) : null,
    failures: latencyMs === null ? member.failures + 1 : 0,
    worstMs: Math.max(member.worstMs, latencyMs ?? 0),
  };
}

function isSlow({ baselineMs }: MemberPulse, latencyMs: number | null, { slowFactor, slowFloorMs }: PulseLimits): boolean {
  return latencyMs === null || latencyMs > Math.max(slowFloorMs, slowFactor * (baselineMs ?? 0));
}

function whatIsWrong(pulse: Pulse, member: MemberPulse, { beat, limits }: { beat: Beat; limits: PulseLimits }): string | null {
  const { name, failures, slowSince, baselineMs } = member;
  const { expected } = pulse;
  if (failures >= FAILURES && slowSince !== null && beat.now - slowSince >= FAILING_FOR_MS)
    return `${name} does not answer: ${beat.problem ?? 'no reason is known'}`;
  if (beat.leader !== undefined && expected !== null) {
    const { id, term } = beat.leader;
    if (id === undefined) return `${name} knows no leader`;
    if (id !== expected.leaderId || term !== expected.term) {
      const called = (memberId: string) => pulse.members[memberId]?.name ?? memberId;
      return `leadership went from ${called(expected.leaderId)} (term ${expected.term}) to ${called(id)} (term ${term})`;
    }
  }
  if (slowSince !== null && beat.now - slowSince >= limits.slowForMs) {
    const usual = baselineMs === null ? '' : `, before ${Math.round(baselineMs)} ms`;
    const last = beat.latencyMs === null ? 'gives no answer' : `takes ${Math.round(beat.latencyMs)} ms for a read`;
    return `${name} ${last}${usual}, and has been slow for ${((beat.now - slowSince) / 1000).toFixed(1)} s`;
  }
  return null;
}

function medianOf(values: readonly number[]): number {
  return values.length === 0 ? Number.POSITIVE_INFINITY : median(values);
}
