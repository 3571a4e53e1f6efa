import { printable } from '../../base/printable.ts';
import { groupName, type GroupSum, sortedSums } from '../../core/etcd/kubernetes/key-tally.ts';
import { kubernetesRoots } from '../../core/etcd/kubernetes/key-groups.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import type { Content } from '../../core/etcd/snapshot/content.ts';
import type { SnapshotFindings } from '../../core/etcd/snapshot/findings.ts';
import { problemText } from '../../core/etcd/snapshot/wording.ts';
import { table } from '../table.ts';
import type { Trial, Verified } from './verify-snapshot.ts';

const SHOWN_PROBLEMS = 10;
const SHOWN_GROUPS = 15;

const VERDICTS = {
  good: 'good: etcd can be restored from it',
  bad: 'BAD: do not restore from it',
  incomplete: 'incomplete: nothing is wrong with it, but no trial was made; --no-trial says that none is wanted',
};

export function renderVerified({ source, verdict, isEncrypted, findings, problem, trial }: Verified): string {
  const lines = [`${source}${isEncrypted ? ' (encrypted)' : ''}`];
  if (problem !== undefined) lines.push(`wrong      ${problem}`);
  if (findings !== undefined) lines.push(...factLines(findings));
  lines.push(`trial      ${trialText(trial)}`);
  if (findings?.content !== undefined && verdict !== 'bad') lines.push('', groupTable(findings.content).trimEnd());
  return `${[...lines, '', VERDICTS[verdict]].join('\n')}\n`;
}

function factLines(findings: SnapshotFindings): string[] {
  const { hash, structure, content } = findings;
  const problems = problemsOf(findings);
  const lines = [`hash       ${hashText(hash)}`];
  if (structure !== undefined) {
    const { pageCount, pageSizeBytes } = structure.meta;
    const free = ((1 - structure.pagesInUse / Math.max(1, pageCount)) * 100).toFixed(0);
    lines.push(`structure  ${pageCount} pages of ${sizeText(pageSizeBytes)}, ${free} % of them free`);
  }
  if (content !== undefined) lines.push(...contentLines(content));
  const { shown, count } = problems;
  for (const { text } of shown.slice(0, SHOWN_PROBLEMS)) lines.push(`wrong      ${text}`);
  if (count > SHOWN_PROBLEMS) lines.push(`           and ${count - SHOWN_PROBLEMS} more like these`);
  return lines;
}

function hashText(hash: SnapshotFindings['hash']): string {
  if (hash.state === 'absent') return 'none: a copy of a database, so a change within a value cannot be seen';
  if (hash.state === 'matches') return `SHA-256 matches (${hash.stored.slice(0, 16)}…)`;
  return `WRONG: the SHA-256 of the file is ${hash.computed.slice(0, 16)}…, and at its end stands ${hash.stored.slice(0, 16)}…`;
}

function contentLines(content: Content): string[] {
  const { revision, compactRevision, keys, keyBytes, revisions, revisionBytes, members, alarms, storageVersion, isAuthEnabled } = content;
  const lines = [
    `content    revision ${revision}, compacted to ${compactRevision}${storageVersion === null ? '' : `, layout of etcd ${printable(storageVersion)}`}`,
    `           ${keys} keys of ${sizeText(keyBytes)}; with history ${revisions} changes of ${sizeText(revisionBytes)}`,
    `           of members ${members.map(({ name, id }) => printable(name) || id).join(', ') || '(none)'}`,
  ];
  for (const { alarm, memberId } of alarms) lines.push(`           alarm ${alarm} of member ${memberId}: it is there after a restore, too`);
  if (isAuthEnabled) lines.push("           etcd's own users are on: after a restore their passwords or certificates are asked for");
  return lines;
}

function trialText(trial: Trial): string {
  if (trial.state === 'skipped') return `skipped: ${trial.reason}`;
  const how = `${trial.with}, ${trial.seconds.toFixed(1)} s`;
  if (trial.state === 'failed') return `FAILED (${how}): ${trial.problems.map((problem) => printable(problem)).join('; ')}`;
  return `passed (${how}): restored, revision and keys are those of the file, a marker was written and read`;
}

function groupTable({ groups }: Content): string {
  const sums = sortedSums(groups);
  const roots = kubernetesRoots(groups);
  const row = (name: string, { keys, bytes, revisions, revisionBytes }: Omit<GroupSum, 'root' | 'resource'>) => [
    name,
    `${keys}`,
    sizeText(bytes),
    `${revisions}`,
    sizeText(revisionBytes),
  ];
  const rows = sums.slice(0, SHOWN_GROUPS).map((sum) => row(printable(groupName(sum, roots)), sum));
  const rest = sums.slice(SHOWN_GROUPS);
  const total = (of: 'keys' | 'bytes' | 'revisions' | 'revisionBytes') => rest.reduce((sum, group) => sum + group[of], 0);
  if (rest.length > 0) {
    const others = { keys: total('keys'), bytes: total('bytes'), revisions: total('revisions'), revisionBytes: total('revisionBytes') };
    rows.push(row(`${rest.length} more`, others));
  }
  return table(['RESOURCE', 'KEYS', 'SIZE', 'CHANGES', 'WITH HISTORY'], rows);
}

function problemsOf({ structureProblems, contentProblems }: SnapshotFindings) {
  const kept = [...structureProblems.kept, ...contentProblems.kept];
  return {
    shown: kept.map((problem) => ({ ...problem, text: problemText(problem) })),
    count: structureProblems.count + contentProblems.count,
  };
}

/** What `--json` prints. */
export function verifiedDocument({ findings, ...verified }: Verified): unknown {
  if (findings === undefined) return { ...verified, problem: verified.problem ?? null };
  const { sizeBytes, hash, structure, content } = findings;
  const { shown, count } = problemsOf(findings);
  const roots = kubernetesRoots(content?.groups ?? []);
  return {
    ...verified,
    problem: null,
    sizeBytes,
    hash,
    structure:
      structure === undefined
        ? null
        : {
            pageSizeBytes: structure.meta.pageSizeBytes,
            pages: structure.meta.pageCount,
            pagesInUse: structure.pagesInUse,
            buckets: structure.buckets,
          },
    content:
      content === undefined
        ? null
        : { ...content, groups: sortedSums(content.groups).map((group) => ({ name: groupName(group, roots), ...group })) },
    problems: shown,
    problemCount: count,
  };
}
