import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomInt, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { HaleError } from '../../base/error.ts';
import { TAG_BYTES } from '../../core/session/wire.ts';
import type { KeyRing } from '../../ports/keys.ts';
import { isOpenToOthers } from '../owner-only.ts';

const KEY_HEX = /^[0-9a-f]{64}$/i;

/** Random, 48 bits, not zero. */
export function randomNonce(): number {
  return randomInt(1, 2 ** 48 - 1);
}

const remedy = 'make one with: openssl rand -hex 32 > FILE && chmod 600 FILE, and copy it to every control-plane host';
const fail = (code: string, message: string, cause?: unknown) => new HaleError({ code, kind: 'usage', message, remedy, cause });

/** Reads the cluster key file. Refuses one that others can read. */
export function readKeyFile(path: string): KeyRing {
  let text: string;
  try {
    if (isOpenToOthers(path)) throw fail('key_file_open_to_others', `${path} can be read by others than its owner`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof HaleError) throw error;
    throw fail('key_file_unreadable', `${path}: the cluster key cannot be read: ${(error as Error).message}`, error);
  }
  return parseKeys(text, path);
}

/** One key a line, 64 hexadecimal digits; the first seals, all open. Throws HaleError `key_file_malformed`, which never shows a key. */
export function parseKeys(text: string, path: string): KeyRing {
  const lines = text.split('\n').map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
  const wrong = lines.findIndex((line) => line !== '' && !line.startsWith('#') && !KEY_HEX.test(line));
  if (wrong >= 0) throw fail('key_file_malformed', `${path}:${wrong + 1}: not a key: expected 64 hexadecimal digits`);
  if (keys.length === 0) throw fail('key_file_malformed', `${path}: holds no key`);
  return createKeyRing(keys.map((key) => Buffer.from(key, 'hex')));
}

function createKeyRing(secrets: readonly Uint8Array[]): KeyRing {
  // A key of its own for this use, so that the cluster key may serve others later (RFC 5869).
  const keys = secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', 'hale agent datagram v1', 32)));
  // Keys are named by a digest, not by position: files that list them in another order still agree.
  const names = keys.map((key) => createHmac('sha256', key).update('name').digest()[0] as number);
  const objects = keys.map((key) => createSecretKey(key));
  const tagWith = (key: KeyObject, bytes: Uint8Array) => createHmac('sha256', key).update(bytes).digest().subarray(0, TAG_BYTES);
  return {
    sealingKey: names[0] as number,
    seal: (bytes) => tagWith(objects[0] as KeyObject, bytes),
    verify: (name, bytes, tag) => objects.some((key, i) => names[i] === name && timingSafeEqual(tagWith(key, bytes), tag)),
  };
}
