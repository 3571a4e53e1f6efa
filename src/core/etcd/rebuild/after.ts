import type { WantedData } from './step.ts';

/** What must hold when etcd was restored or recovered. */

interface Print {
  revision: number;
  keys: number;
  equal: boolean;
  members: readonly { name: string; hash: number | null; compactRevision: number | null; problem: string | null }[];
}

/** Why the members do not agree on data that is new enough; undefined when they do. */
export function dataProblem(print: Print, { revisionAtLeast, restored }: WantedData): string | undefined {
  if (!print.equal) {
    const each = print.members.map(({ name, hash, problem }) => `${name}: ${problem ?? hash?.toString(16)}`);
    return `the members do not hold the same data (${each.join(', ')})`;
  }
  if (print.revision < revisionAtLeast) return `etcd is at revision ${print.revision}, and should be at ${revisionAtLeast} or above`;
  const compacted = print.members[0]?.compactRevision ?? 0;
  if (restored?.isBumped && compacted < revisionAtLeast)
    return `etcd counts revisions up to ${compacted} as compacted, and should up to ${revisionAtLeast}`;
  return undefined;
}

/** The revision at which the keys are those of the snapshot: later ones may have gone with their leases. */
export function restoredRevision(print: Print, { revision, isBumped }: NonNullable<WantedData['restored']>): number {
  return isBumped ? (print.members[0]?.compactRevision ?? revision) : revision;
}
