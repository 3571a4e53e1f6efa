import type { Span, TextFile } from '../text-file.ts';
import { linesOf, textOf, trimmed } from './lines.ts';

/** Lines `key = value` of a file in sysctl.d (sysctl.d(5)). */
export interface SysctlFile {
  file: TextFile;
  settings: readonly {
    /** With dots. */ key: string /** A minus before it: no error where the kernel does not have it. */;
    optional: boolean;
    value: string;
    span: Span;
    valueSpan: Span;
  }[];
}

export function readSysctl(file: TextFile): SysctlFile {
  const settings = [...linesOf(file)].flatMap((line) => {
    const span = trimmed(line);
    const text = textOf(span);
    const equals = text.indexOf('=');
    if (equals < 1 || /^[#;]/.test(text)) return [];
    const valueSpan = trimmed({ ...span, start: span.start + equals + 1 });
    return [
      {
        key: dotted(text.slice(0, equals).replace(/^-/, '').trim()),
        optional: text.startsWith('-'),
        value: textOf(valueSpan),
        span,
        valueSpan,
      },
    ];
  });
  return { file, settings };
}

/** Where a slash comes first, slashes separate, and dots are part of an interface's name. */
function dotted(key: string): string {
  const isPath = /^[^./]*\//.test(key);
  return isPath ? key.replace(/[./]/g, (char) => (char === '/' ? '.' : '/')) : key;
}
