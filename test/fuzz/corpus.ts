/** The kept inputs: one small file each, in `corpus/TARGET/`, named by its content. A finding stays for ever. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, 'corpus');
const FINDING = 'finding-';

export function readCorpus(target: string): Uint8Array[] {
  return files(target).map((file) => new Uint8Array(readFileSync(join(FOLDER, target, file))));
}

/** Replaces what is kept for its coverage; findings stay. */
export function writeCorpus(target: string, inputs: readonly Uint8Array[]): void {
  for (const file of files(target)) if (!file.startsWith(FINDING)) rmSync(join(FOLDER, target, file));
  for (const input of inputs) write(target, '', input);
}

/** Returns the path from the root of the checkout. */
export function keepFinding(target: string, input: Uint8Array): string {
  return write(target, FINDING, input);
}

function write(target: string, prefix: string, input: Uint8Array): string {
  const name = `${prefix}${createHash('sha256').update(input).digest('hex').slice(0, 12)}`;
  mkdirSync(join(FOLDER, target), { recursive: true });
  writeFileSync(join(FOLDER, target, name), input);
  return join('test/fuzz/corpus', target, name);
}

function files(target: string): string[] {
  const folder = join(FOLDER, target);
  return existsSync(folder) ? readdirSync(folder).toSorted() : [];
}
