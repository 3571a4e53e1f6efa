import type { Span, TextFile } from '../text-file.ts';
import { linesOf } from './lines.ts';
import type { Trouble } from './trouble.ts';

/** haproxy.cfg as words with their places (HAProxy configuration manual, section 2). */
export interface HaproxyConfig {
  file: TextFile;
  sections: readonly HaproxySection[];
}

export interface HaproxySection {
  /** `global`, `defaults`, `frontend`, `backend`, `listen`, or another one as it is written; empty for lines before the first section. */
  kind: string;
  /** Empty where it has none. */
  name: string;
  /** Its first line. */
  head: HaproxyLine;
  lines: readonly HaproxyLine[];
  /** Of a proxy: the `defaults` section that its settings fall back to. */
  defaults: HaproxySection | undefined;
}

export interface HaproxyLine {
  /** After quotes and escapes are resolved; comments are left out. Environment variables stay as they are written. */
  words: readonly string[];
  /** Of each word. */
  spans: readonly Span[];
  /** Without blanks around it. */
  span: Span;
}

const SECTIONS: ReadonlySet<string> = new Set(
  (
    'global defaults frontend backend listen peers resolvers userlist mailers program cache ring ' +
    'http-errors log-forward log-profile fcgi-app crt-store traces acme healthcheck'
  ).split(' '),
);

/** Sections that fall back to `defaults`. */
const PROXIES: ReadonlySet<string> = new Set(['defaults', 'frontend', 'backend', 'listen']);

/** Section 2.4: what stands between them is read whatever the condition says, for it may hold somewhere. */
const CONDITIONS = /^\.(?:if|elif|else|endif|diag|notice|warning|alert)$/;

/** Never throws: what cannot be read is among the troubles. */
export function readHaproxy(file: TextFile): { config: HaproxyConfig; troubles: Trouble[] } {
  const troubles: Trouble[] = [];
  const sections: (HaproxySection & { lines: HaproxyLine[] })[] = [];
  for (const span of linesOf(file)) {
    const line = readLine(span, troubles);
    const first = line?.words[0];
    if (line === undefined || first === undefined || CONDITIONS.test(first)) continue;
    if (SECTIONS.has(first))
      sections.push({ kind: first, name: nameOf(line), head: line, lines: [], defaults: defaultsOf(line, sections) });
    else if (sections.length === 0) sections.push({ kind: '', name: '', head: line, lines: [line], defaults: undefined });
    else sections.at(-1)?.lines.push(line);
  }
  return { config: { file, sections }, troubles };
}

const nameOf = ({ words }: HaproxyLine): string => (words[1] === 'from' ? '' : (words[1] ?? ''));

/** `from NAME` since 2.4, or else the last `defaults` before; a `defaults` section itself has only the former. */
function defaultsOf({ words }: HaproxyLine, before: readonly HaproxySection[]): HaproxySection | undefined {
  if (!PROXIES.has(words[0] as string)) return undefined;
  const known = before.filter(({ kind }) => kind === 'defaults');
  const from = words.indexOf('from', 1);
  if (from !== -1 && words[from + 1] !== undefined) return known.find(({ name }) => name === words[from + 1]);
  return words[0] === 'defaults' ? undefined : known.at(-1);
}

function readLine({ file, start, end }: Span, troubles: Trouble[]): HaproxyLine | undefined {
  const words: string[] = [];
  const spans: Span[] = [];
  let at = start;
  for (;;) {
    while (at < end && /\s/.test(file.text.charAt(at))) at++;
    if (at >= end || file.text[at] === '#') break;
    const word = readWord({ file, start: at, end });
    words.push(word.text);
    spans.push({ file, start: at, end: word.end });
    if (word.quote !== undefined)
      troubles.push({
        kind: 'unclosed',
        at: { file, start: word.quote, end: word.quote + 1 },
        detail: 'this quote is not closed on its line',
      });
    at = word.end;
  }
  const last = spans.at(-1);
  return last === undefined ? undefined : { words, spans, span: { file, start: (spans[0] as Span).start, end: last.end } };
}

/** Section 2.2: quoting and escaping. `quote` is where a quote begins that the line does not close. */
function readWord({ file, start, end }: Span): { text: string; end: number; quote: number | undefined } {
  let text = '';
  let quote: number | undefined;
  let at = start;
  while (at < end) {
    const char = file.text.charAt(at);
    const within = quote === undefined ? '' : file.text[quote];
    if (within === '' && /[\s#]/.test(char)) break;
    if (char === '\\' && within !== "'") {
      const escape = escaped(file.text.slice(at + 1, Math.min(end, at + 4)), within === '"');
      text += escape.text;
      at += escape.length;
    } else if (char === within) {
      quote = undefined;
      at++;
    } else if (within === '' && (char === '"' || char === "'")) {
      quote = at++;
    } else {
      text += char;
      at++;
    }
  }
  return { text, end: at, quote };
}

/** What a backslash and the characters behind it stand for, and how long they are together. */
function escaped(behind: string, isWeak: boolean): { text: string; length: number } {
  const next = behind.charAt(0);
  if (next !== '' && ` \\#"'${isWeak ? '$' : ''}`.includes(next)) return { text: next, length: 2 };
  const control = { r: '\r', n: '\n', t: '\t' }[next];
  if (control !== undefined) return { text: control, length: 2 };
  const hex = /^x([\da-f]{2})/i.exec(behind)?.[1];
  return hex === undefined ? { text: '\\', length: 1 } : { text: String.fromCharCode(Number.parseInt(hex, 16)), length: 4 };
}
