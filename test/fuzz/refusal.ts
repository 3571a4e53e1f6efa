import { ok } from 'node:assert/strict';
import { HaleError } from '../../src/base/error.ts';

/** The HaleError that `read` throws, with a code, a message and a way out; undefined when it throws nothing. Anything else it throws is a finding. */
export function refusalOf(read: () => void): HaleError | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (!(error instanceof HaleError)) throw error;
    ok(/^[a-z_]+$/.test(error.code), `code ${error.code}`);
    lineText(error.message);
    lineText(error.remedy ?? '');
    return error;
  }
}

/** Words for a person: not empty, and nothing that a terminal would obey. */
export function lineText(text: string): void {
  ok(text.trim() !== '' && !/\p{Cc}/u.test(text), `not a line of text: ${JSON.stringify(text)}`);
}
