import { readFileSync } from 'node:fs';

/** The shell commands of a page in docs/guide, a block each. */
export function fencesIn(page: string): string[] {
  const text = readFileSync(new URL(`../../../docs/guide/${page}`, import.meta.url), 'utf8');
  return [...text.matchAll(/^ *```sh\n([^]*?)^ *```/gm)].map(([, block]) => block as string);
}
