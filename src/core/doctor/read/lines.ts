import type { Span, TextFile } from '../text-file.ts';

/** Every line without its line break (LF or CRLF) and without a byte-order mark. */
export function* linesOf(file: TextFile): Generator<Span> {
  const { text } = file;
  let start = text.startsWith('\uFEFF') ? 1 : 0;
  while (start <= text.length) {
    const next = text.indexOf('\n', start);
    const end = next === -1 ? text.length : next;
    yield { file, start, end: end > start && text[end - 1] === '\r' ? end - 1 : end };
    start = end + 1;
  }
}

/** What stands there. */
export const textOf = ({ file, start, end }: Span): string => file.text.slice(start, end);

/** The span without blanks around it. */
export function trimmed({ file, start, end }: Span): Span {
  const text = file.text.slice(start, end);
  const before = text.length - text.trimStart().length;
  return { file, start: start + before, end: Math.max(start + before, end - (text.length - text.trimEnd().length)) };
}
