import type { Edit, Span } from '../text-file.ts';

/** `**bind *:8443**` or `*stats socket …`: marks of a web page that were copied with the text. */
export const isMarkdown = ([first = '']: readonly string[]): boolean => /^\*{1,3}[a-z]/i.test(first);

/** Takes the asterisks off both ends, but not off `bind *:8443`. */
export function markdownEdits(spans: readonly Span[]): Edit[] {
  const edits: Edit[] = [];
  for (const [i, span] of spans.entries()) {
    const raw = span.file.text.slice(span.start, span.end);
    const before = i === 0 ? (/^\*+/.exec(raw)?.[0].length ?? 0) : 0;
    const after = /\*{2,}$/.exec(raw)?.[0].length ?? (i === spans.length - 1 && /[^*:\s]\*$/.test(raw) ? 1 : 0);
    if (before > 0) edits.push({ span: { ...span, end: span.start + before }, text: '' });
    if (after > 0) edits.push({ span: { ...span, start: span.end - after }, text: '' });
  }
  return edits;
}
