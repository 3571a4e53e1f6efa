import type { Span, TextFile } from '../text-file.ts';

/** keepalived.conf as a tree (keepalived.conf(5)). */
export interface KeepalivedConfig {
  file: TextFile;
  entries: readonly KeepalivedEntry[];
}

/** `virtual_router_id 51`, or `vrrp_instance VI_1 { … }` with what stands between the braces. */
export interface KeepalivedEntry {
  words: readonly string[];
  /** Of each word. */
  spans: readonly Span[];
  /** Of the words, without the block. */
  span: Span;
  /** Undefined where there are no braces. */
  block: readonly KeepalivedEntry[] | undefined;
}

export function readKeepalived(file: TextFile): KeepalivedConfig {
  return { file, entries: [] };
}
