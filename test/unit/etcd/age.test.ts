import { randomBytes } from 'node:crypto';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import * as fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { decrypted, encrypted } from '../../../src/drivers/snapshot/age.ts';

const CHUNK = 64 * 1024;
/** Around the ends of the parts that age seals one by one. */
const SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 200_000];

let identity: string;
let recipient: string;

beforeAll(async () => {
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
});

async function* pieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(Uint8Array.from(part));
  return Buffer.concat(parts);
}

test.each(SIZES)('%i bytes: the library opens what hale seals, and hale what the library seals', async (size) => {
  const plain = randomBytes(size);
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const sealed = await collect(encrypted(pieces(plain, 7777), [await identityToRecipient(await generateX25519Identity()), recipient]));
  expect(Buffer.from(await decrypter.decrypt(sealed)).equals(plain)).toBe(true);
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  const theirs = await encrypter.encrypt(plain);
  expect((await collect(decrypted(pieces(theirs, 5003), [identity]))).equals(plain)).toBe(true);
});

test('what is cut short, longer, or changed anywhere is never taken for whole', async () => {
  const sealed = await collect(encrypted(pieces(randomBytes(2 * CHUNK), CHUNK), [recipient]));
  const refusal = { code: expect.stringMatching(/^age_(damaged|not_for_us)$/) };
  const opened = (file: Uint8Array) => collect(decrypted(pieces(file, 50_000), [identity]));
  await fc.assert(
    fc.asyncProperty(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      await expect(opened(sealed.subarray(0, at))).rejects.toMatchObject(refusal);
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] as number) ^ change;
      await expect(opened(changed)).rejects.toMatchObject(refusal);
    }),
    { numRuns: 60 },
  );
  await expect(opened(Buffer.concat([sealed, Buffer.of(0)]))).rejects.toMatchObject(refusal);
  // Exactly without its last part, which only the nonce of the one before tells.
  await expect(opened(sealed.subarray(0, sealed.length - CHUNK - 16))).rejects.toMatchObject({ code: 'age_damaged' });
});

test('another key opens nothing, and no key is made of nonsense', async () => {
  const sealed = await collect(encrypted(pieces(randomBytes(10), 10), [recipient]));
  await expect(collect(decrypted(pieces(sealed, 10), [await generateX25519Identity()]))).rejects.toMatchObject({ code: 'age_not_for_us' });
  await expect(collect(encrypted(pieces(randomBytes(10), 10), ['age1nonsense']))).rejects.toMatchObject({ code: 'age_recipient_wrong' });
});
