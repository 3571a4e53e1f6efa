import type { TextFile } from '../text-file.ts';
import { type BlockEntry, type BlockToken, readBlocks } from './blocks.ts';
import { linesOf, textOf } from './lines.ts';
import type { Trouble } from './trouble.ts';

/** keepalived.conf as a tree (keepalived.conf(5)). */
export interface KeepalivedConfig {
  file: TextFile;
  entries: readonly KeepalivedEntry[];
}

/** `@HOST` before a setting, which limits it to one host, is left out. */
export type KeepalivedEntry = BlockEntry;

/** Never throws: what cannot be read is among the troubles. */
export function readKeepalived(file: TextFile): { config: KeepalivedConfig; troubles: Trouble[] } {
  const quotes: Trouble[] = [];
  const { entries, troubles } = readBlocks(file, tokensOf(file, quotes));
  return { config: { file, entries }, troubles: [...quotes, ...troubles] };
}

function* tokensOf(file: TextFile, troubles: Trouble[]): Generator<BlockToken> {
  for (const line of linesOf(file)) {
    const text = textOf(line);
    let at = 0;
    let isContinued = false;
    while (at < text.length) {
      const char = text.charAt(at);
      if (char === '!' || char === '#') break;
      isContinued = char === '\\' && text.slice(at + 1).trim() === '';
      if (isContinued) break;
      const start = line.start + at;
      if (/\s/.test(char)) at++;
      else if (char === '{' || char === '}') {
        yield { kind: char, start };
        at++;
      } else {
        const word = readWord(text, at);
        const isCondition = word.text.startsWith('@') && text.slice(0, at).trim() === '';
        if (!isCondition) yield { kind: 'word', text: word.text, start, end: line.start + word.end };
        if (word.isOpen) troubles.push({ kind: 'unclosed', at: { file, start, end: start + 1 }, detail: 'this quote is never closed' });
        at = word.end;
      }
    }
    if (!isContinued) yield { kind: 'end', start: line.end };
  }
}

/** A word in quotes, or one up to a blank, a comment or a brace; `${NAME}` is a variable and no block. */
function readWord(text: string, start: number): { text: string; end: number; isOpen?: boolean } {
  const quote = text.charAt(start);
  const close = quote === "'" || quote === '"' ? closing(text, start) : -1;
  if (close !== -1) return { text: text.slice(start + 1, close).replace(/\\(["'\\])/g, '$1'), end: close + 1 };
  // An apostrophe may be part of a word.
  if (quote === '"') return { text: text.slice(start + 1), end: text.length, isOpen: true };
  const pattern = /(?:\$\{[^}\s]*\}|\\[#!]|[^\s{}#!])+/y;
  pattern.lastIndex = start;
  const word = pattern.exec(text)?.[0] ?? quote;
  return { text: word.replace(/\\([#!])/g, '$1'), end: start + word.length };
}

function closing(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === text[start]) return at;
  }
  return -1;
}
