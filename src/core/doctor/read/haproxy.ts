import type { Span, TextFile } from '../text-file.ts';

/** haproxy.cfg as words with their places (HAProxy configuration manual, section 2). */
export interface HaproxyConfig {
  file: TextFile;
  sections: readonly HaproxySection[];
}

export interface HaproxySection {
  /** `global`, `defaults`, `frontend`, `backend`, `listen`, or another one as it is written. */
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
  /** After quotes and escapes are resolved; comments are left out. */
  words: readonly string[];
  /** Of each word. */
  spans: readonly Span[];
  /** Without blanks around it. */
  span: Span;
}

export function readHaproxy(file: TextFile): HaproxyConfig {
  return { file, sections: [] };
}
