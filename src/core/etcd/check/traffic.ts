import { judgeDisk, windowText } from '../status/disk.ts';
import type { EtcdFigures } from '../status/figures.ts';
import type { EtcdMemberView } from '../view.ts';
import { type EtcdJudgement, judging } from './judgement.ts';
import { nameOf } from '../member.ts';

/** etcd's own Prometheus rules. */
const PEER_P99_MS = 150;
/** So slow that elections and clients' deadlines suffer (etcd's own Prometheus rules). */
const FSYNC_CRITICAL_MS = 500;
const COMMIT_CRITICAL_MS = 250;

/** What a member's own counters tell of its disk and of its peers. `names` are of members by their ids. */
export function judgeTraffic(member: EtcdMemberView, figures: EtcdFigures, names: ReadonlyMap<string, string>): EtcdJudgement[] {
  return [judgeDiskOf(member, figures), ...judgePeers(member, { figures, names }), ...judgeCounters(member, figures)];
}

function judgeDiskOf(member: EtcdMemberView, figures: EtcdFigures): EtcdJudgement {
  const about = judging('disk', nameOf(member));
  const { verdict, says } = judgeDisk(figures);
  const { p99Ms: fsyncMs } = figures.fsync;
  const { p99Ms: commitMs } = figures.commit;
  if (verdict === 'good') return about.good(says, `${fsyncMs} ms`);
  if (verdict === 'unknown') return about.notJudged(says);
  const isCritical = (fsyncMs ?? 0) > FSYNC_CRITICAL_MS || (commitMs ?? 0) > COMMIT_CRITICAL_MS;
  return about.finding({
    severity: isCritical ? 'critical' : 'warning',
    value: `fsync ${fsyncMs ?? '?'} ms, commit ${commitMs ?? '?'} ms`,
    says,
    why: 'every write waits for it, and a leader that waits too long loses its leadership',
    remedy: 'give etcd a disk of its own, an SSD; see what else writes to it (iostat -x 1); a virtual disk may have a limit of operations',
  });
}

function judgePeers(
  member: EtcdMemberView,
  { figures, names }: { figures: EtcdFigures; names: ReadonlyMap<string, string> },
): EtcdJudgement[] {
  return figures.peers.flatMap(({ memberId, roundTrip: { p99Ms } }) => {
    // Metrics of a member that was removed stay until a restart.
    const name = names.get(memberId);
    if (name === undefined || p99Ms === null) return [];
    const about = judging('peer-round-trip', nameOf(member));
    const says = `a round trip to ${name} takes ${p99Ms} ms at the 99th percentile, ${windowText(figures.windowSeconds)}`;
    if (p99Ms <= PEER_P99_MS) return [about.good(says, `${p99Ms} ms`)];
    return [
      about.finding({
        severity: 'warning',
        value: `${p99Ms} ms`,
        says,
        why: `above ${PEER_P99_MS} ms heartbeats come late, and leaders change`,
        remedy:
          'see the network between the two and how busy they are; over long distances raise --heartbeat-interval and --election-timeout on all members (etcd.latency)',
      }),
    ];
  });
}

/** Counters since the start of a member say nothing about now. */
function judgeCounters(member: EtcdMemberView, { windowSeconds, leaderChanges, failedProposals }: EtcdFigures): EtcdJudgement[] {
  if (windowSeconds === null) return [];
  const about = judging('counters', nameOf(member));
  const seen = [
    ...((leaderChanges ?? 0) > 0 ? [`${leaderChanges} leader changes`] : []),
    ...((failedProposals ?? 0) > 0 ? [`${failedProposals} failed writes`] : []),
  ];
  const over = windowText(windowSeconds);
  if (seen.length === 0) return [about.good(`neither leader changes nor failed writes, ${over}`)];
  return [
    about.finding({
      severity: 'warning',
      value: seen.join(', '),
      says: `${seen.join(' and ')}, ${over}`,
      why: 'while there is no leader, nobody can write',
      remedy: 'see what happened to the leader: its host, its disk, its network',
    }),
  ];
}
