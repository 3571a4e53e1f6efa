/** The text of cluster.yaml, which hale's agents read on their hosts. */
export interface Description {
  whole: string;
  /** For the agents of workers, which need no list of workers: otherwise each new one would change a file on all others. */
  withoutWorkers: string;
}

export function toDescription(whole: string): Description {
  return { whole, withoutWorkers: cutWorkers(whole.split('\n')).join('\n') };
}

const KEY = /^(["']?)workers\1[ \t]*:/;
const AFTER = /^[^\s#]/;

/** Without the lines from this key to the next of the same level, and what is said right above it; a file that is written in braces stays whole. */
function cutWorkers(lines: readonly string[]): readonly string[] {
  const key = lines.findIndex((line) => KEY.test(line));
  if (key === -1) return lines;
  const next = lines.findIndex((line, i) => i > key && AFTER.test(line));
  const start = startOfComment(lines, key);
  return [...lines.slice(0, start), ...(next === -1 ? [''] : lines.slice(startOfComment(lines, next)))];
}

function startOfComment(lines: readonly string[], index: number): number {
  let start = index;
  while (lines[start - 1]?.startsWith('#')) start -= 1;
  return start;
}
