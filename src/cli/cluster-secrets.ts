/** The file of what all hosts of a cluster share and nobody chose: made once, kept by whoever renders. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import { HaleError } from '../base/error.ts';
import type { ClusterSecrets } from '../core/render/secrets.ts';
import { isOpenToOthers } from '../drivers/owner-only.ts';

/** What secretbox takes (kubernetes.io, "Encrypting Confidential Data at Rest"). */
const KEY_BYTES = 32;

const shape = z.strictObject({
  encryptionKeys: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        secret: z.base64().refine((text) => Buffer.from(text, 'base64').length === KEY_BYTES, `not ${KEY_BYTES} bytes`),
      }),
    )
    .min(1),
  etcdToken: z.string().min(1),
  // Files of earlier versions have no more than the above.
  certificateKey: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .exactOptional(),
  bootstrapToken: z
    .string()
    .regex(/^[a-z0-9]{6}\.[a-z0-9]{16}$/)
    .exactOptional(),
  joinToken: z.string().min(16).exactOptional(),
});

/** Reads the file, or makes it where there is none; what an older file lacks is added. Throws HaleError; no message has anything of what is in it. */
export function readOrMakeSecrets(path: string, { make }: { make: boolean } = { make: true }): { secrets: ClusterSecrets; made: boolean } {
  const text = readIfThere(path);
  if (text === undefined && !make) throw unusable(path, 'it is not there');
  const known = text === undefined ? undefined : parse(text, path);
  const secrets = { ...newSecrets(), ...known };
  if (known === undefined) write(path, secrets, 'wx');
  else if (make && Object.keys(known).length < Object.keys(secrets).length) write(path, secrets, 'w');
  return { secrets, made: known === undefined };
}

/** Only for the names of files: nothing is made where nothing is written. */
export const PLACEHOLDER_SECRETS: ClusterSecrets = {
  encryptionKeys: [],
  etcdToken: '',
  certificateKey: '',
  bootstrapToken: '',
  joinToken: '',
};

function newSecrets(): ClusterSecrets {
  const hex = (bytes: number) => randomBytes(bytes).toString('hex');
  return {
    encryptionKeys: [{ name: 'key1', secret: randomBytes(KEY_BYTES).toString('base64') }],
    etcdToken: hex(16),
    certificateKey: hex(KEY_BYTES),
    bootstrapToken: `${hex(3)}.${hex(8)}`,
    joinToken: hex(KEY_BYTES),
  };
}

function write(path: string, secrets: ClusterSecrets, flag: 'w' | 'wx'): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600, flag });
  } catch (error) {
    throw unusable(path, (error as Error).message);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    if (isOpenToOthers(path)) throw unusable(path, 'others than its owner may use it');
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error instanceof HaleError ? error : unusable(path, (error as Error).message);
  }
}

function parse(text: string, path: string): z.output<typeof shape> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What JSON.parse says quotes the text.
    throw unusable(path, 'it is not JSON');
  }
  const read = shape.safeParse(value);
  if (read.success) return read.data;
  const where = read.error.issues.map((issue) => issue.path.join('.')).join(', ');
  throw unusable(path, `wrong or missing: ${where || 'the whole of it'}`);
}

function unusable(path: string, reason: string): HaleError {
  return new HaleError({
    code: 'secrets_file_unusable',
    kind: 'usage',
    message: `${path}: the secrets of the cluster cannot be used: ${reason}`,
    remedy:
      'bring back the file that was made with the first rendering, as its owner and with mode 0600; without it the API servers cannot read the Secrets in etcd. For a new cluster, name a file that is not there yet with --secrets',
  });
}
