import type { TextFile } from '../text-file.ts';
import { type BlockEntry, type BlockToken, readBlocks } from './blocks.ts';
import type { Trouble } from './trouble.ts';

/** nginx.conf as a tree of directives: words, and a block where there are braces (nginx.org, "Configuration file structure"). */
export interface NginxConfig {
  file: TextFile;
  entries: readonly BlockEntry[];
}

/** Never throws: what cannot be read is among the troubles. */
export function readNginx(file: TextFile): { config: NginxConfig; troubles: Trouble[] } {
  const quotes: Trouble[] = [];
  const { entries, troubles } = readBlocks(file, tokensOf(file, quotes));
  return { config: { file, entries }, troubles: [...quotes, ...troubles] };
}

function* tokensOf(file: TextFile, troubles: Trouble[]): Generator<BlockToken> {
  const { text } = file;
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (/\s/.test(char)) at++;
    else if (char === '#') at = endOfLine(text, at);
    else if (char === ';') yield { kind: 'end', start: at++ };
    else if (char === '{' || char === '}') yield { kind: char, start: at++ };
    else {
      const word = char === '"' || char === "'" ? quoted(text, at) : plain(text, at);
      yield { kind: 'word', text: word.text, start: at, end: word.end };
      if (word.isOpen) troubles.push({ kind: 'unclosed', at: { file, start: at, end: at + 1 }, detail: 'this quote is never closed' });
      at = word.end;
    }
  }
}

function endOfLine(text: string, at: number): number {
  const next = text.indexOf('\n', at);
  return next === -1 ? text.length : next;
}

/** Up to a blank, a semicolon or a brace; `${name}` is a variable. */
function plain(text: string, start: number): { text: string; end: number; isOpen?: boolean } {
  const pattern = /(?:\$\{[^}\s;]*\}|\\[^]|[^\s;{\\])+/y;
  pattern.lastIndex = start;
  const word = pattern.exec(text)?.[0] ?? text.charAt(start);
  return { text: unescaped(word), end: start + word.length };
}

function quoted(text: string, start: number): { text: string; end: number; isOpen?: boolean } {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === text[start]) return { text: unescaped(text.slice(start + 1, at)), end: at + 1 };
  }
  return { text: unescaped(text.slice(start + 1)), end: text.length, isOpen: true };
}

const unescaped = (word: string): string => word.replace(/\\(["' \\;{}#])/g, '$1');
