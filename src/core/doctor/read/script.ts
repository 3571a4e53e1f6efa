import type { Span, TextFile } from '../text-file.ts';
import { ShellReader } from './shell.ts';
import type { Trouble } from './trouble.ts';

/** A shell script, or a file of variables, as the simple commands that it runs, as far as they can be told without running it. */
export interface Script {
  file: TextFile;
  commands: readonly ShellCommand[];
}

export interface ShellCommand {
  /** After quotes are removed; variables stay as they are written. Redirections are left out. */
  words: readonly string[];
  /** Of each word. */
  spans: readonly Span[];
  span: Span;
  /** What stands behind it; empty for a line's end, or a bracket. */
  operator: '' | ';' | '&' | '|' | '&&' | '||';
  /** Text of a here-document that it reads; `quoted` when the shell leaves it as it is; `target` is the file that it is written to. */
  heredoc?: { text: string; span: Span; quoted: boolean; target: ShellCommand['output'] };
  /** The file that its output goes to, or is added to. */
  output?: { path: string; isAdded: boolean };
}

/** Never throws: what cannot be read is among the troubles. */
export function readScript(file: TextFile): { script: Script; troubles: Trouble[] } {
  const reader = new ShellReader({ file, start: 0, end: file.text.length });
  return { script: { file, commands: reader.read() }, troubles: reader.troubles };
}

/** Commands in a part of a file, such as a check script's command line in keepalived.conf. */
export const readCommands = (span: Span): ShellCommand[] => new ShellReader(span).read();
