import type { Span } from '../doctor/text-file.ts';
import { type Value, type Weight, WEIGHTS } from './claim.ts';

/** A value that is in the description, with every place that says so. */
export interface Found<T = Value> {
  value: T;
  at: readonly Span[];
  /** Why, where no file says it itself: a clause. */
  because?: string | undefined;
}

/** Places that contradict each other. */
export interface Conflict {
  /** As docs/reference/cluster.md writes it. */
  key: string;
  /** Best supported first. */
  values: readonly Found[];
  /** Undefined where none is better supported than the others. */
  taken: Value | undefined;
}

export interface Vote<T = Value> {
  value: T;
  weight: Weight;
  at: Span;
  because?: string | undefined;
}

export interface Decision<T> {
  found: Found<T> | undefined;
  /** Everything that would have done, where there is more than one; of mere hints too. */
  rivals: readonly Found<T>[];
  /** Whether those are contradictions, and not only hints. */
  isConflict: boolean;
}

interface Group<T> extends Found<T> {
  best: number;
  files: number;
}

/** Whoever says it itself wins, then what more files say; of equals, none. Hints count only where there is nothing else, and only when they agree. */
export function decide<T>(votes: readonly Vote<T>[]): Decision<T> {
  const strong = votes.filter(({ weight }) => weight !== 'hints');
  const groups = grouped(strong.length > 0 ? strong : votes);
  const [first, second] = groups;
  const isTied = first !== undefined && second !== undefined && first.best === second.best && first.files === second.files;
  const undecided = strong.length === 0 ? groups.length > 1 : isTied;
  return {
    found: first === undefined || undecided ? undefined : plain(first),
    rivals: groups.length > 1 ? groups.map(plain) : [],
    isConflict: strong.length > 0 && groups.length > 1,
  };
}

function plain<T>({ value, at, because }: Group<T>): Found<T> {
  return { value, at, ...(because !== undefined && { because }) };
}

function grouped<T>(votes: readonly Vote<T>[]): Group<T>[] {
  const groups = new Map<string, Vote<T>[]>();
  for (const vote of votes) {
    const id = JSON.stringify(vote.value);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [vote]);
    else group.push(vote);
  }
  return [...groups.values()].map(groupOf).sort((a, b) => b.best - a.best || b.files - a.files);
}

function groupOf<T>(votes: readonly Vote<T>[]): Group<T> {
  // What says most comes first: a comment has room for one place.
  const sorted = votes.toSorted((a, b) => WEIGHTS[b.weight] - WEIGHTS[a.weight]);
  const first = sorted[0] as Vote<T>;
  const files = new Set(votes.map(({ at }) => at.file.path)).size;
  return { value: first.value, at: sorted.map(({ at }) => at), because: first.because, best: WEIGHTS[first.weight], files };
}
