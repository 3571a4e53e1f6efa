import { statSync } from 'node:fs';

/** Whether others than its owner may do anything with a file; throws what `statSync` throws. */
export function isOpenToOthers(file: string): boolean {
  return (statSync(file).mode & 0o077) !== 0;
}
