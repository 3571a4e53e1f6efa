import type { Span, TextFile } from '../text-file.ts';

/** A shell script as the simple commands that it runs, as far as they can be told without running it. */
export interface Script {
  file: TextFile;
  commands: readonly ShellCommand[];
}

export interface ShellCommand {
  /** After quotes are removed; variables stay as they are written. */
  words: readonly string[];
  /** Of each word. */
  spans: readonly Span[];
  span: Span;
  /** Text of a here-document that it reads; `quoted` when the shell leaves it as it is. */
  heredoc?: { text: string; span: Span; quoted: boolean };
}

export function readScript(file: TextFile): Script {
  return { file, commands: [] };
}
