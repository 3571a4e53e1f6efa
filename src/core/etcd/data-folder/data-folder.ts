/** What the data folder of a stopped member holds, read from its write-ahead log. */
export interface DataFolder {
  /** Hexadecimal. */
  memberId: string;
  clusterId: string;
  /** Of the newest election that the member knew of. */
  term: number;
  /** The last entry that it knew to be committed: what `--force-new-cluster` keeps. */
  commitIndex: number;
  /** Term of that entry: of two histories, the one with the higher term is the later. */
  commitTerm: number;
  /** Of its log; what lies above `commitIndex` was perhaps acknowledged, and is dropped by `--force-new-cluster`. */
  lastIndex: number;
}

/** Negative when `a` is behind `b`. Committed entries are the same on all members, so the one that has more of them has all of the other's. */
export function compareProgress(a: Progress, b: Progress): number {
  return a.commitTerm - b.commitTerm || a.commitIndex - b.commitIndex;
}

export type Progress = Pick<DataFolder, 'commitTerm' | 'commitIndex'>;
