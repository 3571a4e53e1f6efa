import type { ClockReading } from '../status/observation.ts';
import type { EtcdMemberView } from '../view.ts';
import { type EtcdJudgement, judging } from './judgement.ts';
import { nameOf } from '../member.ts';

/** Differences that etcd itself warns of between members (etcd, rafthttp: "the clock difference against peer is too high"). */
const SKEW_MAX_MS = 1000;

/** How far a clock is ahead of this host's; for certain not less than `fromMs`, not more than `toMs`. */
export interface ClockOffset {
  fromMs: number;
  toMs: number;
}

/** Each reading bounds the offset, since its second is known and not where in it; several bound it more narrowly. Undefined of nothing. */
export function clockOffset(readings: readonly ClockReading[]): ClockOffset | undefined {
  if (readings.length === 0) return undefined;
  const fromMs = Math.max(...readings.map(({ saidMs, answeredAtMs }) => saidMs - answeredAtMs));
  const toMs = Math.min(...readings.map(({ saidMs, askedAtMs }) => saidMs + 1000 - askedAtMs));
  // A clock that was set between two readings.
  return fromMs <= toMs ? { fromMs, toMs } : { fromMs: toMs, toMs: fromMs };
}

/** Whether a member's clock is that of this host. A difference is claimed only when it is certain. */
export function judgeClock(member: EtcdMemberView, readings: readonly ClockReading[]): EtcdJudgement {
  const about = judging('clock', nameOf(member));
  const offset = clockOffset(readings);
  if (offset === undefined) return about.notJudged('it does not tell the time');
  const { fromMs, toMs } = offset;
  const leastMs = fromMs > 0 ? fromMs : toMs < 0 ? -toMs : 0;
  if (leastMs <= SKEW_MAX_MS) {
    const mostMs = Math.max(Math.abs(fromMs), Math.abs(toMs));
    return about.good(`its clock is less than ${secondsText(mostMs)} from that of this host`, secondsText(mostMs));
  }
  return about.finding({
    severity: 'warning',
    value: secondsText(leastMs),
    says: `its clock is at least ${secondsText(leastMs)} ${fromMs > 0 ? 'ahead of' : 'behind'} that of this host`,
    why: 'etcd itself keeps time without it, but certificates and tokens are judged by it, leases of Kubernetes are stamped with it, and logs of members cannot be laid side by side',
    remedy: 'see that time is synchronised on both hosts: timedatectl, chronyc tracking',
  });
}

function secondsText(ms: number): string {
  return ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}
