import { createHash } from 'node:crypto';

/** Tells one text that hale put into a daemon from another; letters and digits alone. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
