import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyPair } from './authority.ts';

/** Writes `name.crt` (0644) and `name.key` (0600) into an existing folder, replacing what is there. */
export function writeKeyPair(dir: string, name: string, pair: KeyPair): void {
  writeNew(join(dir, `${name}.crt`), pair.certPem, 0o644);
  writeNew(join(dir, `${name}.key`), pair.keyPem, 0o600);
}

/** A file that exists keeps its mode, and a chmod afterwards would leave the key readable for a moment: hence a new file. */
function writeNew(path: string, text: string, mode: number): void {
  rmSync(path, { force: true });
  writeFileSync(path, text, { mode, flag: 'wx' });
}
