import type { CheckFacts, CheckLimits } from '../../../src/core/etcd/check/check.ts';
import { ETCD_METRICS, type EtcdScrape } from '../../../src/core/etcd/status/metrics.ts';
import type { EtcdMember, EtcdMemberStatus } from '../../../src/core/etcd/member.ts';
import type { EtcdObservation } from '../../../src/core/etcd/status/observation.ts';
import { type EtcdAnswer, viewOf } from '../../../src/core/etcd/view.ts';
import { ScrapeReader } from '../../../src/core/prometheus/scrape.ts';

export const NOW_MS = Date.parse('2026-06-01T12:00:00Z');
const YEAR_MS = 365 * 86_400_000;
const GIB = 1024 ** 3;

export const certificate = (subject: string) => ({
  subject,
  issuer: 'CN=etcd-ca',
  notBefore: new Date(NOW_MS - YEAR_MS).toISOString(),
  notAfter: new Date(NOW_MS + YEAR_MS).toISOString(),
});

/** Buckets as etcd has them, 1 ms to 8.192 s; `counts` are of the buckets themselves, the first 1 ms, the last what is above all bounds. */
function histogramText(name: string, counts: readonly number[], labels = ''): string {
  let total = 0;
  return Array.from({ length: 15 }, (_, i) => {
    total += counts[i] ?? 0;
    return `${name}_bucket{${labels}le="${i === 14 ? '+Inf' : 2 ** i / 1000}"} ${total}\n`;
  }).join('');
}

export interface Counted {
  /** By bucket. */
  fsync?: readonly number[];
  commit?: readonly number[];
  peers?: Record<string, readonly number[]>;
  leaderChanges?: number;
  failedProposals?: number;
  startedAt?: number;
  quotaBytes?: number;
  compactRevision?: number;
  compactedAt?: number;
}

export function scrapeText(counted: Counted = {}): string {
  const { fsync = [990, 10], commit = [500, 500], peers = {}, leaderChanges = 1, failedProposals = 0 } = counted;
  const { startedAt = NOW_MS / 1000 - 86_400, quotaBytes = 8 * GIB, compactRevision = 4000, compactedAt = NOW_MS / 1000 - 200 } = counted;
  return [
    histogramText('etcd_disk_wal_fsync_duration_seconds', fsync),
    histogramText('etcd_disk_backend_commit_duration_seconds', commit),
    ...Object.entries(peers).map(([to, counts]) => histogramText('etcd_network_peer_round_trip_time_seconds', counts, `To="${to}",`)),
    `etcd_server_leader_changes_seen_total ${leaderChanges}\netcd_server_proposals_failed_total ${failedProposals}\n`,
    `etcd_server_proposals_pending 0\netcd_server_slow_apply_total 0\netcd_server_quota_backend_bytes ${quotaBytes}\n`,
    `etcd_debugging_mvcc_compact_revision ${compactRevision}\netcd_debugging_mvcc_db_compaction_last ${compactedAt}\n`,
    `process_start_time_seconds ${startedAt}\n`,
  ].join('');
}

export function scrapeOf(text: string, atMs = 0): EtcdScrape {
  const reader = new ScrapeReader(ETCD_METRICS);
  reader.push(text);
  return reader.finish(atMs);
}

export const observation = (counted: Counted = {}, atMs = 0): EtcdObservation => ({
  scrape: scrapeOf(scrapeText(counted), atMs),
  certificate: certificate('CN=server'),
  clock: { askedAtMs: NOW_MS + 400, answeredAtMs: NOW_MS + 410, saidMs: NOW_MS },
});

export const ids = ['a1', 'b2', 'c3', 'd4', 'e5', 'f6', 'a7', 'b8', 'c9'];

const member = (i: number, rest: Partial<EtcdMember> = {}): EtcdMember => ({
  id: ids[i] as string,
  name: `m${i + 1}`,
  peerUrls: [`https://10.0.0.${11 + i}:2380`],
  clientUrls: [`https://10.0.0.${11 + i}:2379`],
  isLearner: false,
  ...rest,
});

export const status = (i: number, rest: Partial<EtcdMemberStatus> = {}): EtcdMemberStatus => ({
  memberId: ids[i] as string,
  leaderId: ids[0],
  raftTerm: 7,
  raftIndex: 9000,
  raftAppliedIndex: 9000,
  revision: 5000,
  dbSizeBytes: GIB,
  dbSizeInUseBytes: GIB * 0.9,
  isLearner: false,
  version: '3.6.14',
  errors: [],
  quotaBytes: 8 * GIB,
  ...rest,
});

export interface Planted {
  members?: readonly Partial<EtcdMember>[];
  /** A string is why there is no answer. */
  statuses?: readonly (Partial<EtcdMemberStatus> | string)[];
}

export function viewWith({ members = [{}, {}, {}], statuses = [] }: Planted = {}) {
  const all = members.map((rest, i) => member(i, rest));
  const answers = all.flatMap(({ clientUrls }, i): EtcdAnswer[] => {
    const planted = statuses[i] ?? {};
    const url = clientUrls[0];
    if (url === undefined) return [];
    return [typeof planted === 'string' ? { url, problem: planted } : { url, status: status(i, planted), members: all, roundTripMs: 0.4 }];
  });
  return viewOf(answers);
}

/** A cluster of three that is well, with what is planted in it. */
export function checkFacts({ view: planted, ...facts }: Partial<Omit<CheckFacts, 'view'>> & { view?: Planted } = {}): CheckFacts {
  const view = viewWith(planted);
  const answered = view.members.filter((one) => one.status !== null);
  return {
    view,
    observations: new Map(answered.map(({ id }) => [id, [observation()]])),
    unobserved: new Map(),
    shownCertificates: new Map(),
    hashes: {
      revision: 5000,
      hashes: answered.filter(({ isLearner }) => !isLearner).map(({ id }) => ({ memberId: id, hash: 0xabc, compactRevision: 4000 })),
      missing: new Map(),
    },
    latency: { puts: 200, failed: 0, firstFailure: null, p50Ms: 3, p99Ms: 9, maxMs: 12, leftover: null },
    values: { keys: 10, bytes: 1000, total: 10, complete: true, largest: [{ key: '/registry/a', bytes: 500 }] },
    snapshot: { record: { takenAt: new Date(NOW_MS - 50 * 60_000).toISOString(), revision: 4900, host: 'cp1', place: '/srv/etcd' } },
    peerEnds: new Map(
      view.members
        .flatMap(({ peerUrls }) => peerUrls)
        .map((url) => [url, { url, addresses: ['10.0.0.11'], problem: null, certificate: { ...certificate('CN=peer'), namesHost: true } }]),
    ),
    ownCertificate: certificate('CN=client'),
    hosts: [],
    ...facts,
  };
}

export const limits: CheckLimits = {
  nowMs: NOW_MS,
  certificateDays: 30,
  latencyP99Ms: 100,
  maxRequestBytes: 1_572_864,
  snapshots: { everyMinutes: 60 },
};
