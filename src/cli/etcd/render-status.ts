import { styleText } from 'node:util';
import type { EtcdJudgement } from '../../core/etcd/check/judgement.ts';
import { nameOf } from '../../core/etcd/member.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import { type DiskVerdict, windowText } from '../../core/etcd/status/disk.ts';
import { type EtcdLatency, SAMPLES_MIN } from '../../core/etcd/status/figures.ts';
import { quorumText } from '../../core/etcd/quorum.ts';
import type { EtcdMemberReport, EtcdStatus } from '../../core/etcd/status/status.ts';
import { zonesText } from '../../core/etcd/zones.ts';
import { table } from '../table.ts';

/** The status as a person reads it; what needs attention last, where the eye is. */
export function renderEtcdStatus(status: EtcdStatus): string {
  const parts = [summary(status), membersTable(status), diskTable(status), trafficTable(status), renderJudgements(status.findings)];
  if (status.findings.length === 0) parts.push('nothing is wrong\n');
  return parts.filter((part) => part !== '').join('\n');
}

function summary({ members, quorum, leader, zones }: EtcdStatus): string {
  const lines = [`quorum   ${quorum.canLose < 0 ? styleText('red', quorumText(quorum)) : quorumText(quorum)}`];
  if (quorum.canLose < 0) lines.push('         what follows is what each member has, without asking the others: it may be old');
  lines.push(`leader   ${leader === null ? styleText('red', 'nobody knows one') : nameOf(leader)}`);
  const ofZones = zonesText(zones, quorum);
  if (ofZones !== undefined) lines.push(`zones    ${ofZones}`);
  const learners = members.filter(({ isLearner }) => isLearner);
  if (learners.length > 0) lines.push(`learners ${learners.map(nameOf).join(', ')}: no vote until they are promoted`);
  return `${lines.join('\n')}\n`;
}

function roleOf({ isLearner, isLeader, status }: EtcdMemberReport): string {
  return isLeader ? 'leader' : isLearner ? 'learner' : status === null ? '-' : 'follower';
}

function membersTable({ members, others }: EtcdStatus): string {
  const rows = members.map((member) => [
    member.name || '-',
    member.id,
    roleOf(member),
    member.status?.version ?? '-',
    shown(member.status, ({ raftTerm }) => `${raftTerm}`),
    shown(member.status, ({ raftIndex }) => `${raftIndex}`),
    shown(member.lag, String),
    shown(member.roundTripMs, (ms) => `${ms.toFixed(1)} ms`),
    member.problem ?? '',
  ]);
  const strangers = others.map(({ url, status, problem }) => [
    '-',
    status?.memberId ?? '-',
    'none',
    status?.version ?? '-',
    '-',
    '-',
    '-',
    '-',
    `${url}: ${problem ?? 'is no member of this cluster'}`,
  ]);
  return table(['MEMBER', 'ID', 'ROLE', 'VERSION', 'TERM', 'INDEX', 'LAG', 'ROUND TRIP', 'PROBLEM'], [...rows, ...strangers]);
}

function diskTable({ members }: EtcdStatus): string {
  const rows = members.flatMap((member) => {
    const { name, status, quotaBytes, figures, figuresProblem, disk } = member;
    if (status === null) return [];
    return [
      [
        name,
        sizeText(status.dbSizeBytes),
        sizeText(status.dbSizeInUseBytes),
        shown(quotaBytes, sizeText),
        shown(figures, ({ fsync }) => latencyText(fsync)),
        shown(figures, ({ commit }) => latencyText(commit)),
        disk === null ? `not judged: ${figuresProblem ?? 'no metrics'}` : diskText(disk),
      ],
    ];
  });
  return rows.length === 0 ? '' : table(['MEMBER', 'DATABASE', 'IN USE', 'QUOTA', 'FSYNC P50/P99', 'COMMIT P50/P99', 'DISK'], rows);
}

/** Numbers and limits of a slow one are in the finding. */
function diskText({ verdict }: DiskVerdict): string {
  return verdict === 'unknown' ? `not enough samples, fewer than ${SAMPLES_MIN}` : verdict;
}

function trafficTable({ members }: EtcdStatus): string {
  const names = new Map(members.map((member) => [member.id, nameOf(member)]));
  const rows = members.flatMap(({ name, figures }) => {
    if (figures === null) return [];
    const peers = figures.peers.flatMap(({ memberId, roundTrip }) => {
      const peer = names.get(memberId);
      return peer === undefined ? [] : [`${peer} ${latencyText(roundTrip)}`];
    });
    const counters = [figures.leaderChanges, figures.failedProposals, figures.pendingProposals, figures.slowApplies];
    return [[name, ...counters.map((count) => shown(count, String)), peers.join(', '), windowText(figures.windowSeconds)]];
  });
  return rows.length === 0 ? '' : table(['MEMBER', 'LEADER CHANGES', 'FAILED', 'PENDING', 'SLOW', 'PEERS P50/P99', 'COUNTED'], rows);
}

/** A figure that is not known is a hyphen. */
function shown<T>(figure: T | null, show: (value: T) => string): string {
  return figure === null ? '-' : show(figure);
}

function latencyText({ p50Ms, p99Ms }: EtcdLatency): string {
  return p50Ms === null ? '-' : `${p50Ms.toFixed(1)}/${p99Ms === null ? '-' : p99Ms.toFixed(1)} ms`;
}

const INDENT = ' '.repeat(12);

/** Those of one kind stand together: they matter for the same reason, and are mended the same way. */
export function renderJudgements(findings: readonly EtcdJudgement[]): string {
  const tail = ({ why, remedy }: EtcdJudgement) => `${INDENT}${why}\n${INDENT}${remedy}\n`;
  return [...new Set(findings.map(tail))]
    .map(
      (wanted) =>
        `${findings
          .filter((finding) => tail(finding) === wanted)
          .map(renderFinding)
          .join('')}${wanted}`,
    )
    .join('');
}

function renderFinding({ place, severity, says }: EtcdJudgement): string {
  const head = severity === 'critical' ? styleText('red', 'critical'.padEnd(12)) : styleText('yellow', 'finding'.padEnd(12));
  return `${head}${place}: ${says}\n`;
}
