import { CST, LineCounter, Parser } from 'yaml';

/** The text of cluster.yaml, which hale's agents read on their hosts. */
export interface Description {
  whole: string;
  /** For the agents of workers, which need no list of workers: otherwise each new one would change a file on all others. */
  withoutWorkers: string;
}

export function toDescription(whole: string): Description {
  return { whole, withoutWorkers: cutWorkers(whole) };
}

/** Without the lines from this key to the next of the same level, and what is said right above it; a file that is written in braces stays whole. */
function cutWorkers(text: string): string {
  const keys = blockKeys(text);
  const index = keys.findIndex(({ name }) => name === 'workers');
  const [workers, next] = index === -1 ? [] : keys.slice(index);
  if (workers === undefined) return text;
  const lines = text.split('\n');
  const rest = next === undefined ? [''] : lines.slice(startOfComment(lines, next.line));
  return [...lines.slice(0, startOfComment(lines, workers.line)), ...rest].join('\n');
}

/** Of the file itself, with their lines from 0. */
function blockKeys(text: string): { name: string; line: number }[] {
  const lines = new LineCounter();
  const document = [...new Parser(lines.addNewLine).parse(text)].find(({ type }) => type === 'document') as CST.Document | undefined;
  if (document?.value?.type !== 'block-map') return [];
  return document.value.items.flatMap(({ key }) => {
    const scalar = CST.resolveAsScalar(key);
    return key == null || scalar === null ? [] : [{ name: scalar.value, line: lines.linePos(key.offset).line - 1 }];
  });
}

function startOfComment(lines: readonly string[], index: number): number {
  let start = index;
  while (lines[start - 1]?.startsWith('#')) start -= 1;
  return start;
}
