import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { Decrypter, Encrypter } from 'age-encryption';
import { HaleError } from '../../base/error.ts';
import { StreamReader } from './stream-reader.ts';

/*
 * Files of age (age-encryption.org/v1). The header with its keys is the library's work; the payload, 64 KiB at a time in ChaCha20-Poly1305, is OpenSSL's, which is
 * ten times faster than the library's own.
 */

export const AGE_MAGIC = 'age-encryption.org/v1\n';
const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const NONCE_BYTES = 16;
/** Much more than the header of any file with a few hundred recipients. */
const MAX_LINE_BYTES = 8 * 1024;
const MAX_LINES = 10_000;

/** HaleError `age_recipient_wrong` for one that is no public key (`age1…`). */
export function checkRecipients(recipients: readonly string[]): void {
  encrypterFor(recipients);
}

/** Encrypts for all `recipients` (`age1…`), any one of whom can decrypt. HaleError `age_recipient_wrong` for one that is none. */
export async function* encrypted(plain: AsyncIterable<Uint8Array>, recipients: readonly string[]): AsyncGenerator<Uint8Array> {
  const { header, fileKey } = await makeHeader(recipients);
  const nonce = randomBytes(NONCE_BYTES);
  yield Buffer.concat([header, nonce]);
  const key = payloadKey(fileKey, nonce);
  const reader = new StreamReader(plain);
  try {
    for (let index = 0, isLast = false; !isLast; index++) {
      const bytes = await reader.take(CHUNK_BYTES);
      isLast = await reader.isAtEnd();
      const cipher = createCipheriv('chacha20-poly1305', key, chunkNonce(index, { isLast }), { authTagLength: TAG_BYTES });
      yield cipher.update(bytes);
      cipher.final();
      yield cipher.getAuthTag();
    }
  } finally {
    await reader.close();
  }
}

/** Undoes `encrypted` with secret keys (`AGE-SECRET-KEY-…`). HaleErrors `age_not_for_us` and `age_damaged`; what came before the latter is right. */
export async function* decrypted(sealed: AsyncIterable<Uint8Array>, identities: readonly string[]): AsyncGenerator<Uint8Array> {
  const reader = new StreamReader(sealed);
  try {
    const fileKey = await openHeader(await readHeader(reader), identities);
    const key = payloadKey(fileKey, await reader.take(NONCE_BYTES));
    for (let index = 0, isLast = false; !isLast; index++) {
      const bytes = await reader.take(CHUNK_BYTES + TAG_BYTES);
      isLast = await reader.isAtEnd();
      yield openChunk(bytes, { key, index, isLast });
    }
  } finally {
    await reader.close();
  }
}

function openChunk(bytes: Buffer, { key, index, isLast }: { key: Buffer; index: number; isLast: boolean }): Uint8Array {
  const length = bytes.length - TAG_BYTES;
  if (length < 0 || (length === 0 && index > 0)) throw damaged('it ends too early');
  const decipher = createDecipheriv('chacha20-poly1305', key, chunkNonce(index, { isLast }), { authTagLength: TAG_BYTES });
  const plain = decipher.update(bytes.subarray(0, length));
  decipher.setAuthTag(bytes.subarray(length));
  try {
    decipher.final();
  } catch {
    throw damaged(isLast ? 'its end is not what was written, or is missing' : `its part ${index + 1} is not what was written`);
  }
  return plain;
}

async function makeHeader(recipients: readonly string[]): Promise<{ header: Uint8Array; fileKey: Uint8Array }> {
  const encrypter = encrypterFor(recipients);
  let fileKey: Uint8Array | undefined;
  const listener = {
    wrapFileKey(key: Uint8Array) {
      fileKey = Uint8Array.from(key);
      return [];
    },
  };
  encrypter.addRecipient(listener);
  // Of nothing: the header, a nonce and one empty chunk, of which only the header is used.
  const empty = await encrypter.encrypt(new Uint8Array(0));
  return { header: empty.subarray(0, -NONCE_BYTES - TAG_BYTES), fileKey: fileKey as Uint8Array };
}

function encrypterFor(recipients: readonly string[]): Encrypter {
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch {
      throw wrongRecipient(recipient);
    }
  }
  return encrypter;
}

function wrongRecipient(recipient: string): HaleError {
  return new HaleError({
    code: 'age_recipient_wrong',
    kind: 'usage',
    message: `${JSON.stringify(recipient)} is no public key of age`,
    remedy: 'give what age-keygen prints as the public key: age1 and 58 more letters and digits',
  });
}

/** Every line up to the one with its MAC, which begins with `---`. */
async function readHeader(reader: StreamReader): Promise<Uint8Array> {
  const lines: string[] = [];
  for (;;) {
    const line = await reader.takeLine(MAX_LINE_BYTES);
    if (line === undefined || lines.length > MAX_LINES) throw damaged('its header has no end');
    lines.push(line);
    if (lines[0] !== AGE_MAGIC) throw damaged('it does not begin as a file of age does');
    if (line.startsWith('---')) return Buffer.from(lines.join(''), 'latin1');
  }
}

async function openHeader(header: Uint8Array, identities: readonly string[]): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return await decrypter.decryptHeader(header);
  } catch (error) {
    const { message } = error as Error;
    if (!message.startsWith('no identity matched')) throw damaged(`its header cannot be read: ${message}`);
    throw new HaleError({
      code: 'age_not_for_us',
      kind: 'usage',
      message: 'the snapshot is encrypted for other keys than those of the identity file',
      remedy: 'give the identity file of one of its recipients with --identity FILE',
    });
  }
}

function damaged(what: string): HaleError {
  return new HaleError({
    code: 'age_damaged',
    kind: 'world',
    message: `the encrypted snapshot is damaged: ${what}`,
    remedy: 'use another copy, or another snapshot',
  });
}

function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32));
}

/** STREAM: a counter of 11 bytes, big-endian, and whether the chunk is the last. */
function chunkNonce(index: number, { isLast }: { isLast: boolean }): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(index, 5, 6);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}
