import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { HaleError } from '../../base/error.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import type { OperationSnapshot } from '../../core/etcd/rebuild/step.ts';
import { openSnapshot } from '../../drivers/snapshot/open.ts';
import type { S3Settings } from '../../drivers/snapshot/s3-client.ts';
import { createProgress } from '../progress.ts';
import { verifySnapshot } from './verify-snapshot.ts';

/** What a snapshot is read with. */
export interface SnapshotKey {
  identity?: string;
  /** How the bucket of an s3:// source is reached. */
  s3?: Omit<S3Settings, 'bucket'>;
}

/** Checks hash, structure and content of a snapshot, and tells what is in it. HaleErrors: `restore_snapshot_bad`, and those of `openSnapshot`. */
export async function readSnapshot(source: string, key: SnapshotKey): Promise<OperationSnapshot> {
  const progress = createProgress();
  try {
    const request = { source, trial: false, ...key };
    const { findings, verdict } = await verifySnapshot(request, {
      signal: new AbortController().signal,
      onStep: (text) => progress.step(text),
      onBytes: (doing, bytes) => progress.at(`${doing}: ${sizeText(bytes)}`),
    });
    const content = findings?.content;
    if (verdict === 'bad' || findings === undefined || content === undefined) throw bad(source);
    const alarms = content.alarms.map(({ alarm, memberId }) => `${alarm} of member ${memberId}`);
    const { revision, keys } = content;
    return {
      path: source,
      ...(await hashOf(source, key)),
      revision,
      keys,
      alarms,
      hasHash: findings.hash.state !== 'absent',
      ageText: await ageOf(source),
    };
  } finally {
    progress.end();
  }
}

function bad(source: string): HaleError {
  return new HaleError({
    code: 'restore_snapshot_bad',
    kind: 'usage',
    message: `${source}: etcd cannot be restored from it; nothing was touched`,
    remedy: `hale etcd snapshot verify ${source} tells what is wrong; restore another one`,
  });
}

async function hashOf(source: string, key: SnapshotKey): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const part of openedSnapshot({ path: source }, key)) {
    hash.update(part);
    bytes += part.length;
  }
  return { sha256: hash.digest('hex'), bytes };
}

async function ageOf(source: string): Promise<string> {
  const facts = await stat(source).catch(() => undefined);
  return facts === undefined ? 'of an unknown time' : `in a file of ${facts.mtime.toISOString()}`;
}

/** The snapshot from its beginning, decrypted. */
export async function* openedSnapshot(
  { path }: Pick<OperationSnapshot, 'path'>,
  { identity, s3 }: SnapshotKey,
): AsyncGenerator<Uint8Array> {
  const { bytes } = await openSnapshot(path, {
    ...(identity === undefined ? {} : { identityFile: identity }),
    ...(s3 === undefined ? {} : { s3 }),
  });
  yield* bytes;
}
