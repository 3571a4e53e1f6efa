import { linkSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { HaleError } from '../../base/error.ts';
import { readIfThere } from '../read-if-there.ts';
import type { KeyPair } from './authority.ts';
import { belongsTo, parseCertificates } from './certificates.ts';
import { CERTIFICATE_MODE, KEY_MODE, isThere, NEW, statIfThere, writeBeside } from './files.ts';
import { syncFolder } from '../sync-folder.ts';

/** Of the pair that is being replaced, until the new one is whole. */
const OLD = '.hale-old';

/**
 * Puts a new certificate and key in place of those at `target`.crt and `target`.key. Both are written beside the old ones, down to the disk, and then renamed;
 * between the two renames key and certificate differ, and the old pair stands beside them, as it does until the new one is whole. Whoever is cut short there
 * leaves a half-renewed pair, which `settlePair` makes whole. Owners stay, and the group's right to read the key. Throws HaleError
 * `certificate_not_replaced`; the old pair is back then.
 */
export function replacePair(target: string, pair: KeyPair): void {
  const [key, certificate] = [`${target}.key`, `${target}.crt`];
  const old = statIfThere(key);
  try {
    settlePair(target);
    writeBeside(key, { text: pair.keyPem, mode: keyMode(old?.mode), like: old });
    writeBeside(certificate, { text: pair.certPem, mode: CERTIFICATE_MODE, like: statIfThere(certificate) });
    for (const path of [key, certificate]) if (isThere(path)) linkSync(path, `${path}${OLD}`);
    renameSync(`${key}${NEW}`, key);
    renameSync(`${certificate}${NEW}`, certificate);
    syncFolder(dirname(target));
  } catch (error) {
    throw notReplaced(target, error, () => takeBack(target));
  }
  try {
    removeTraces(target);
  } catch (error) {
    throw new HaleError({
      code: 'old_certificate_left',
      kind: 'world',
      message: `${target} was renewed, but its old key or certificate could not be removed: ${(error as Error).message}`,
      remedy: `remove ${target}.key${OLD} and ${target}.crt${OLD}`,
      cause: error,
    });
  }
}

/** Owner and group may read what they could; nobody else. */
function keyMode(old = KEY_MODE): number {
  return KEY_MODE | (old & 0o040);
}

/** Replaces a kubeconfig in one step: whoever reads it sees the old one or the new one. */
export function replaceKubeconfig(path: string, text: string): void {
  const old = statIfThere(path);
  try {
    renameSync(writeBeside(path, { text, mode: keyMode(old?.mode), like: old }), path);
    syncFolder(dirname(path));
  } catch (error) {
    throw notReplaced(path, error, () => rmSync(`${path}${NEW}`, { force: true }));
  }
}

/** Key and certificate differ, and something of a pair that was being replaced is beside them. */
export function isHalfRenewed(target: string): boolean {
  return ['.key', '.crt'].some((ending) => isThere(`${target}${ending}${OLD}`)) && !belongs(`${target}.key`, `${target}.crt`);
}

/** Makes the pair of a renewal that was cut short whole, the new one where it is complete, or else the old one, and removes what is left beside it. */
export function settlePair(target: string): void {
  const [key, certificate] = [`${target}.key`, `${target}.crt`];
  if (isHalfRenewed(target)) {
    const whole = [
      [key, `${certificate}${NEW}`],
      [key, `${certificate}${OLD}`],
      [`${key}${OLD}`, certificate],
      [`${key}${OLD}`, `${certificate}${OLD}`],
    ].find(([oneKey, one]) => belongs(oneKey as string, one as string)) ?? [key, certificate];
    renameSync(whole[0] as string, key);
    renameSync(whole[1] as string, certificate);
    syncFolder(dirname(target));
  }
  removeTraces(target);
}

/** To the old pair when all of it is there, or else to any that is whole. */
function takeBack(target: string): void {
  const paths = [`${target}.key`, `${target}.crt`];
  if (paths.every((path) => isThere(`${path}${OLD}`))) for (const path of paths) renameSync(`${path}${OLD}`, path);
  settlePair(target);
}

function removeTraces(target: string): void {
  for (const ending of [`.crt${NEW}`, `.crt${OLD}`, `.key${NEW}`, `.key${OLD}`]) rmSync(`${target}${ending}`, { force: true });
}

function belongs(keyPath: string, certificatePath: string): boolean {
  const [certificate] = parseCertificates(readIfThere(certificatePath) ?? '') ?? [];
  return certificate !== undefined && belongsTo(certificate, readIfThere(keyPath) ?? '');
}

function notReplaced(path: string, error: unknown, undo: () => void): HaleError {
  try {
    undo();
  } catch {
    // The first failure is the one to tell; what could not be undone now, `settlePair` undoes later.
  }
  return new HaleError({
    code: 'certificate_not_replaced',
    kind: 'world',
    message: `${path} could not be replaced: ${(error as Error).message}`,
    remedy: 'the old one is still in use; see to the folder being writable and having space, and run this again',
    cause: error,
  });
}
