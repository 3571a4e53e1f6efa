/** Words and braces as a tree: what keepalived.conf and nginx.conf have in common. */
import type { Span, TextFile } from '../text-file.ts';
import type { Trouble } from './trouble.ts';

/** `virtual_router_id 51`, or `vrrp_instance VI_1 { … }` with what stands between the braces. */
export interface BlockEntry {
  words: readonly string[];
  /** Of each word. */
  spans: readonly Span[];
  /** Of the words, without the block. */
  span: Span;
  /** Undefined where there are no braces. */
  block: readonly BlockEntry[] | undefined;
}

/** `end` closes an entry: a line's end in one format, a semicolon in the other. */
export type BlockToken = { kind: 'word'; text: string; start: number; end: number } | { kind: '{' | '}' | 'end'; start: number };

type Draft = { -readonly [K in keyof BlockEntry]: BlockEntry[K] } & { block: Draft[] | undefined };

/** Real files have five levels; the bound lets rules walk the tree by recursion. */
const DEPTH_MAX = 50;

/** Never throws: braces without a partner are among the troubles. */
export function readBlocks(file: TextFile, tokens: Iterable<BlockToken>): { entries: BlockEntry[]; troubles: Trouble[] } {
  const troubles: Trouble[] = [];
  const root: Draft[] = [];
  const open: { list: Draft[]; brace: number }[] = [{ list: root, brace: 0 }];
  let words: { text: string; span: Span }[] = [];
  const flush = () => {
    const first = words[0];
    if (first === undefined) return;
    const span = { ...first.span, end: (words.at(-1) as (typeof words)[0]).span.end };
    open.at(-1)?.list.push({ words: words.map(({ text }) => text), spans: words.map((word) => word.span), span, block: undefined });
    words = [];
  };
  for (const token of tokens) {
    if (token.kind === 'word') {
      words.push({ text: token.text, span: { file, start: token.start, end: token.end } });
      continue;
    }
    flush();
    if (token.kind === '{') openBlock({ file, open, brace: token.start });
    else if (token.kind === '}' && open.length > 1) open.pop();
    else if (token.kind === '}')
      troubles.push({ kind: 'unclosed', at: { file, start: token.start, end: token.start + 1 }, detail: 'this brace closes nothing' });
  }
  flush();
  for (const { brace } of open.slice(1, 2))
    troubles.push({ kind: 'unclosed', at: { file, start: brace, end: brace + 1 }, detail: 'this block is never closed' });
  return { entries: root, troubles };
}

function openBlock({ file, open, brace }: { file: TextFile; open: { list: Draft[]; brace: number }[]; brace: number }): void {
  const list = (open.at(-1) as (typeof open)[0]).list;
  let owner = list.at(-1);
  if (owner === undefined || owner.block !== undefined) {
    owner = { words: [], spans: [], span: { file, start: brace, end: brace }, block: undefined };
    list.push(owner);
  }
  owner.block = [];
  open.push({ list: open.length > DEPTH_MAX ? list : owner.block, brace });
}
