import { gauge } from '../../prometheus/scrape.ts';
import type { EtcdCertificate } from '../certificate.ts';
import type { EtcdObservation, EtcdPeerEnd } from '../status/observation.ts';
import { judgeStatus, type SeenMetrics, reportOf } from '../status/status.ts';
import type { SnapshotSchedule } from '../snapshot/last-save.ts';
import type { EtcdView } from '../view.ts';
import { type ZonedHost, zonesOf } from '../zones.ts';
import { judgeOwnCertificate, judgePeerCertificates, judgeServerCertificate } from './certificates.ts';
import { judgeClock } from './clocks.ts';
import { type History, judgeCompaction } from './compaction.ts';
import { type HashComparison, judgeHashes } from './hashes.ts';
import type { EtcdJudgement } from './judgement.ts';
import { judgeLatency, type LatencyResult, type LatencySkipped } from './latency.ts';
import { judgeMembers, judgePeerUrls } from './members.ts';
import { judgeSnapshot, type SeenSnapshot } from './snapshot.ts';
import { judgeValues, type ValueScan } from './values.ts';
import { judgeVersions } from './versions.ts';

/** All that a check finds out; judged by `judgeCheck`. */
export interface CheckFacts {
  view: EtcdView;
  /** Of each member by its id, at the begin and, where there was a load between, at the end. */
  observations: ReadonlyMap<string, readonly EtcdObservation[]>;
  /** Why there is no observation. */
  unobserved: ReadonlyMap<string, string>;
  /** Server certificates of members that were not observed, by their ids; perhaps not accepted. */
  shownCertificates: ReadonlyMap<string, EtcdCertificate>;
  hashes: HashComparison;
  latency: LatencyResult | LatencySkipped;
  values: ValueScan | { skipped: string };
  snapshot: SeenSnapshot;
  /** By peer URL. */
  peerEnds: ReadonlyMap<string, EtcdPeerEnd>;
  ownCertificate: EtcdCertificate;
  hosts: readonly ZonedHost[];
}

export interface CheckLimits {
  /** Unix time of this host. */
  nowMs: number;
  /** `thresholds.certificateDays`. */
  certificateDays: number;
  /** `thresholds.etcdRequestP99Ms`. */
  latencyP99Ms: number;
  /** etcd's --max-request-bytes. */
  maxRequestBytes: number;
  snapshots: SnapshotSchedule;
}

/** Everything that `hale etcd check` looks at, good or not, in the order of its importance. */
export function judgeCheck(facts: CheckFacts, limits: CheckLimits): EtcdJudgement[] {
  const { view, observations } = facts;
  const members = view.members.map((member) => reportOf(member, { seen: lastOf(facts, member.id), before: firstOf(facts, member.id) }));
  const times = { nowMs: limits.nowMs, days: limits.certificateDays };
  return [
    ...judgeStatus(view, members),
    ...judgeHashes(view, facts.hashes),
    ...judgeLatency(facts.latency, limits.latencyP99Ms),
    ...judgeMembers(view, zonesOf(view, facts.hosts)),
    ...judgeVersions(view),
    ...judgeValues(facts.values, limits.maxRequestBytes),
    judgeCompaction(historyOf(facts), limits.nowMs),
    judgeSnapshot(facts.snapshot, { nowMs: limits.nowMs, ...limits.snapshots }),
    ...judgePeerUrls(view, facts.peerEnds),
    judgeOwnCertificate(facts.ownCertificate, times),
    ...members.flatMap((member) => {
      const seen = observations.get(member.id) ?? [];
      const shown = seen.at(-1)?.certificate ?? facts.shownCertificates.get(member.id) ?? null;
      const ends = member.peerUrls.flatMap((url) => facts.peerEnds.get(url) ?? []);
      return [
        judgeServerCertificate(member, shown, times),
        ...judgePeerCertificates(member, ends, times),
        judgeClock(
          member,
          seen.flatMap(({ clock }) => clock ?? []),
        ),
      ];
    }),
  ];
}

function lastOf({ observations, unobserved }: CheckFacts, id: string): SeenMetrics {
  const scrape = observations.get(id)?.at(-1)?.scrape;
  return scrape === undefined ? { problem: unobserved.get(id) ?? 'gave no answer' } : { scrape };
}

function firstOf({ observations }: CheckFacts, id: string): SeenMetrics {
  const [first, second] = observations.get(id) ?? [];
  return first === undefined || second === undefined ? {} : { scrape: first.scrape };
}

/** By the member that keeps most: the others hold the same, or are about to. */
function historyOf({ view, observations }: CheckFacts): History {
  const histories = view.members.flatMap(({ id, status }) => {
    const scrape = observations.get(id)?.at(-1)?.scrape;
    if (status === null || scrape === undefined) return [];
    return [
      {
        revision: status.revision,
        compactRevision: gauge(scrape, 'etcd_debugging_mvcc_compact_revision'),
        compactedAt: gauge(scrape, 'etcd_debugging_mvcc_db_compaction_last'),
        startedAt: gauge(scrape, 'process_start_time_seconds'),
      },
    ];
  });
  const kept = ({ revision, compactRevision }: History) => revision - (compactRevision ?? revision);
  return histories.toSorted((a, b) => kept(b) - kept(a))[0] ?? { revision: 0, compactRevision: null, compactedAt: null, startedAt: null };
}
