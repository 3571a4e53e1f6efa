import type { Finding } from './finding.ts';
import type { Edit, TextFile } from './text-file.ts';

/** A file as it would be. */
export interface MendedFile {
  file: TextFile;
  text: string;
}

export interface Mending {
  files: MendedFile[];
  /** What would then be gone. */
  mended: Finding[];
  /** Those whose edits overlap with others': for the next run. */
  postponed: Finding[];
}

/** Carries out the edits of the findings, in their order, as far as they are in `writable` files and do not overlap: of a finding all or none. */
export function mend(findings: readonly Finding[], writable: ReadonlySet<TextFile>): Mending {
  const taken = new Map<TextFile, Edit[]>();
  const mended: Finding[] = [];
  const postponed: Finding[] = [];
  for (const finding of findings) {
    const { edits } = finding;
    if (edits.length === 0 || !edits.every(({ span }) => writable.has(span.file))) continue;
    const fresh = edits.filter((edit) => !(taken.get(edit.span.file) ?? []).some((other) => isSame(edit, other)));
    if (fresh.some((edit) => (taken.get(edit.span.file) ?? []).some((other) => overlaps(edit, other)))) {
      postponed.push(finding);
      continue;
    }
    for (const edit of fresh) taken.set(edit.span.file, [...(taken.get(edit.span.file) ?? []), edit]);
    mended.push(finding);
  }
  const files = [...taken].map(([file, edits]) => ({ file, text: edited(file.text, edits) }));
  return { files: files.filter(({ file, text }) => text !== file.text), mended, postponed };
}

function isSame(a: Edit, b: Edit): boolean {
  return a.span.start === b.span.start && a.span.end === b.span.end && a.text === b.text;
}

/** Two insertions at one place do, too: which comes first matters. */
function overlaps({ span: a }: Edit, { span: b }: Edit): boolean {
  return a.start === b.start || (a.start < b.end && b.start < a.end);
}

/** The text with all edits carried out, which do not overlap; new lines end as the others do. */
function edited(text: string, edits: readonly Edit[]): string {
  const breaks = /\r?\n/.exec(text)?.[0] ?? '\n';
  return edits
    .toSorted((a, b) => b.span.start - a.span.start)
    .reduce((whole, { span, text: own }) => whole.slice(0, span.start) + own.replaceAll(/\r?\n/g, breaks) + whole.slice(span.end), text);
}
