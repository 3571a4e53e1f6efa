import type { Span, TextFile } from '../text-file.ts';
import { linesOf, textOf, trimmed } from './lines.ts';

/** A systemd unit, or a drop-in for one (systemd.syntax(7)). */
export interface UnitFile {
  file: TextFile;
  settings: readonly UnitSetting[];
}

export interface UnitSetting {
  /** `Service`. */
  section: string;
  key: string;
  /** Continuation lines joined: blanks stand for backslashes and line breaks, so that offsets are those of `valueSpan`. */
  value: string;
  span: Span;
  valueSpan: Span;
}

export function readUnit(file: TextFile): UnitFile {
  const settings: UnitSetting[] = [];
  let section = '';
  const lines = linesOf(file);
  for (const line of lines) {
    const head = trimmed(line);
    const text = textOf(head);
    section = /^\[(.*)\]$/.exec(text)?.[1] ?? section;
    const equals = text.indexOf('=');
    if (equals < 1 || /^[[#;]/.test(text)) continue;
    const joined = continued({ ...head, start: head.start + equals + 1 }, lines);
    const valueSpan = trimmed({ ...head, start: head.start + equals + 1, end: head.start + equals + 1 + joined.trimEnd().length });
    settings.push({ section, key: text.slice(0, equals).trim(), value: joined.trim(), span: { ...head, end: valueSpan.end }, valueSpan });
  }
  return { file, settings };
}

/** The value with the lines that a backslash joins to it; comment lines among them do not count. */
function continued(first: Span, lines: Iterator<Span>): string {
  let joined = textOf(first);
  let end = first.end;
  while (joined.endsWith('\\')) {
    joined = `${joined.slice(0, -1)} `;
    for (;;) {
      const next = lines.next();
      if (next.done === true) return joined;
      const text = textOf(next.value);
      const isComment = /^\s*[#;]/.test(text);
      joined += ' '.repeat(next.value.start - end) + (isComment ? ' '.repeat(text.length) : text.trimEnd());
      end = next.value.start + (isComment ? text.length : text.trimEnd().length);
      if (!isComment) break;
    }
  }
  return joined;
}
