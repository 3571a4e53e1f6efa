import { createInterface } from 'node:readline/promises';
import { HaleError } from '../base/error.ts';

/** Asks before something that cannot be taken back; `--yes` answers. HaleError `not_confirmed` where nobody can be asked; `undone` says what then did not happen. */
export async function agreed(question: string, { yes, undone }: { yes?: true; undone: string }): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY) {
    throw new HaleError({
      code: 'not_confirmed',
      kind: 'usage',
      message: `nobody is there to be asked, and ${undone}`,
      remedy: 'add --yes',
    });
  }
  // With --json, stdout is for the document.
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test(await terminal.question(`${question} [y/N] `));
  } finally {
    terminal.close();
  }
}
