/**
 * The same question as linearizable.ts answers, asked in another way: etcd numbers all its writes in the order in which they took effect. Those numbers must
 * agree with real time, with what was read, and with each other.
 */
import { type Cas, describeOperation as describe, grouped, type Operation, type Read, type Seen, type Write } from './operation.ts';

/** What contradicts the numbers; empty when nothing does. */
export function revisionProblems(operations: readonly Operation[]): string[] {
  const written = operations.flatMap(acknowledged);
  const reads = operations.filter(isSeen);
  return [
    ...uniqueProblems(written),
    ...realTimeProblems(operations),
    ...readProblems(written, reads),
    ...casProblems(written),
    ...conflictProblems(operations, written),
  ];
}

type Acknowledged = (Write | Cas) & { revision: number };
type SeenRead = Read & { outcome: Seen };

function acknowledged(operation: Operation): Acknowledged | [] {
  return operation.kind !== 'read' && operation.outcome.kind === 'written' ? { ...operation, revision: operation.outcome.revision } : [];
}

function isSeen(operation: Operation): operation is SeenRead {
  return operation.kind === 'read' && operation.outcome.kind === 'seen';
}

function uniqueProblems(written: readonly Acknowledged[]): string[] {
  return grouped(written, ({ revision }) => revision).flatMap((same) =>
    same.length > 1 ? `one revision for several writes: ${same.map(describe).join('; ')}` : [],
  );
}

/** Whatever was known before an operation began is behind it. */
function realTimeProblems(operations: readonly Operation[]): string[] {
  const known = operations.flatMap((operation) => {
    const { outcome } = operation;
    return 'revision' in outcome ? { operation, revision: outcome.revision, writes: outcome.kind === 'written' } : [];
  });
  const returns = known.toSorted((a, b) => a.operation.returnedAtMs - b.operation.returnedAtMs);
  const problems: string[] = [];
  let newest: (typeof known)[number] | undefined;
  let next = 0;
  for (const one of known.toSorted((a, b) => a.operation.invokedAtMs - b.operation.invokedAtMs)) {
    for (; (returns[next]?.operation.returnedAtMs ?? Infinity) < one.operation.invokedAtMs; next++) {
      const returned = returns[next] as (typeof known)[number];
      if (returned.revision > (newest?.revision ?? 0)) newest = returned;
    }
    if (newest === undefined) continue;
    if (one.writes ? one.revision <= newest.revision : one.revision < newest.revision)
      problems.push(`revisions went back: ${describe(newest.operation)}; and later ${describe(one.operation)}`);
  }
  return problems;
}

/** A read at a revision shows the newest write up to it. */
function readProblems(written: readonly Acknowledged[], reads: readonly SeenRead[]): string[] {
  const sorted = new Map(byKeySorted(written).map((ofKey) => [ofKey[0]?.key, ofKey]));
  return reads.flatMap((read) => {
    const { value, modRevision, revision } = read.outcome;
    const newest = lastUpTo(sorted.get(read.key) ?? [], revision);
    if (newest === undefined || newest.revision < modRevision) return [];
    if (newest.revision > modRevision) return `an acknowledged write is missing: ${describe(newest)}; in ${describe(read)}`;
    return newest.value === value ? [] : `another value than was written: ${describe(newest)}; in ${describe(read)}`;
  });
}

/** Between the revision that a cas compares with and its own there is none of its key. */
function casProblems(written: readonly Acknowledged[]): string[] {
  return byKeySorted(written).flatMap((sorted) =>
    sorted.flatMap((write) => {
      if (write.kind !== 'cas') return [];
      const before = lastUpTo(sorted, write.revision - 1);
      return before !== undefined && before.revision > write.fromRevision ? `a cas overwrote ${describe(before)}: ${describe(write)}` : [];
    }),
  );
}

/** A cas meets a conflict only because of another write, acknowledged or unknown. */
function conflictProblems(operations: readonly Operation[], written: readonly Acknowledged[]): string[] {
  const sorted = new Map(byKeySorted(written).map((ofKey) => [ofKey[0]?.key, ofKey]));
  const unknown = operations.filter(({ kind, outcome }) => kind !== 'read' && outcome.kind === 'unknown');
  return operations.flatMap((operation) => {
    const { kind, key, outcome, returnedAtMs } = operation;
    if (kind !== 'cas' || outcome.kind !== 'conflict') return [];
    const newest = lastUpTo(sorted.get(key) ?? [], outcome.revision);
    if ((newest?.revision ?? 0) > operation.fromRevision) return [];
    if (unknown.some((write) => write.key === key && write.invokedAtMs < returnedAtMs)) return [];
    return `a conflict without a cause: ${describe(operation)}`;
  });
}

/** The writes of each key, by their revisions. */
export function byKeySorted<T extends { key: string; revision: number }>(written: readonly T[]): T[][] {
  return grouped(written, ({ key }) => key).map((ofKey) => ofKey.toSorted((a, b) => a.revision - b.revision));
}

/** The last with a revision of at most this; `sorted` by revision. */
export function lastUpTo<T extends { revision: number }>(sorted: readonly T[], revision: number): T | undefined {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as T).revision <= revision) low = middle + 1;
    else high = middle;
  }
  return sorted[low - 1];
}
