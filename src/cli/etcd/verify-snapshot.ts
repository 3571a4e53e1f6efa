import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { HaleError } from '../../base/error.ts';
import { isSound, type SnapshotFindings } from '../../core/etcd/snapshot/findings.ts';
import { inspectSnapshot } from '../../drivers/etcd/inspect.ts';
import { roomProblem, withRestored } from '../../drivers/etcd/trial/etcd.ts';
import { makeTrialFolder, removeAbandonedFolders, removeTrialFolder } from '../../drivers/etcd/trial/folder.ts';
import { chooseTrialPrograms, minorOf, type TrialPrograms } from '../../drivers/etcd/trial/programs.ts';
import { saveStream } from '../../drivers/etcd/trial/stream.ts';
import { openSnapshot } from '../../drivers/snapshot/open.ts';
import type { S3Settings } from '../../drivers/snapshot/s3-client.ts';
import { proveRestored, type RestoredStore } from '../../engine/etcd/prove-restored.ts';
import { findProgram } from '../../lab/find-program.ts';

export interface VerifyRequest {
  /** A path, or s3://BUCKET/KEY. */
  source: string;
  identity?: string;
  /** How the bucket of an s3:// source is reached. */
  s3?: Omit<S3Settings, 'bucket'>;
  trial: boolean;
  /** Folder of etcd's programs. */
  programs?: string;
  etcdPrefix?: string;
}

interface Reporting {
  signal: AbortSignal;
  onStep: (text: string) => void;
  onBytes: (doing: string, bytes: number) => void;
}

export interface Verified {
  source: string;
  /** `incomplete`: nothing is wrong, and the trial that was wanted could not be made. */
  verdict: 'good' | 'bad' | 'incomplete';
  isEncrypted: boolean;
  /** Undefined when the file could not be decrypted; `problem` says why. */
  findings: SnapshotFindings | undefined;
  problem: string | undefined;
  trial: Trial;
}

export type Trial =
  | { state: 'passed' | 'failed'; with: string; seconds: number; problems: string[]; store: RestoredStore | undefined }
  | { state: 'skipped'; reason: string; isWanted: boolean };

/** Everything that can be known of a snapshot. HaleErrors: those of `openSnapshot` and `inspectSnapshot`; what is wrong with the file is in the answer. */
export async function verifySnapshot(request: VerifyRequest, reporting: Reporting): Promise<Verified> {
  removeAbandonedFolders();
  const folder = makeTrialFolder();
  try {
    const opened = await localFile(request, { folder, reporting });
    if ('problem' in opened) return { ...undecided(request), ...opened };
    const findings = await inspect(opened.path, request, reporting);
    const trial = await tryIt(findings, { request, folder, reporting });
    const verdict =
      !isSound(findings) || trial.state === 'failed' ? 'bad' : trial.state === 'skipped' && trial.isWanted ? 'incomplete' : 'good';
    return { source: request.source, verdict, isEncrypted: opened.isEncrypted, findings, problem: undefined, trial };
  } finally {
    removeTrialFolder(folder);
  }
}

function undecided({ source }: VerifyRequest): Omit<Verified, 'problem'> {
  const trial = { state: 'skipped', reason: 'the file cannot be decrypted', isWanted: false } as const;
  return { source, verdict: 'bad', isEncrypted: true, findings: undefined, trial };
}

interface Workplace {
  folder: string;
  reporting: Reporting;
}

/** A plain file as it is; what is encrypted or elsewhere as a copy in the folder, which nobody else may read. */
async function localFile(
  { source, identity, s3 }: VerifyRequest,
  { folder, reporting }: Workplace,
): Promise<{ path: string; isEncrypted: boolean } | { problem: string }> {
  const { bytes, isEncrypted } = await openSnapshot(source, {
    ...(identity === undefined ? {} : { identityFile: identity }),
    ...(s3 === undefined ? {} : { s3 }),
  });
  if (!isEncrypted && !source.startsWith('s3://')) {
    await close(bytes);
    return { path: source, isEncrypted };
  }
  const path = join(folder, 'snapshot.db');
  try {
    await saveStream(bytes, { path, signal: reporting.signal, onBytes: (done) => reporting.onBytes('reading', done) });
    return { path, isEncrypted };
  } catch (error) {
    if (error instanceof HaleError && error.code === 'age_damaged') return { problem: error.message };
    throw error;
  }
}

/** A generator closes what it reads only once it was begun. */
async function close(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = bytes[Symbol.asyncIterator]();
  await iterator.next();
  await iterator.return?.();
}

async function inspect(path: string, { source, etcdPrefix }: VerifyRequest, { signal, onBytes }: Reporting): Promise<SnapshotFindings> {
  const findings = await inspectSnapshot({
    path,
    signal,
    onProgress: (bytes) => onBytes('checking', bytes),
    ...(etcdPrefix === undefined ? {} : { prefix: etcdPrefix }),
  });
  return { ...findings, path: source };
}

interface TrialPlace extends Workplace {
  request: VerifyRequest;
}

async function tryIt(findings: SnapshotFindings, { request, folder, reporting }: TrialPlace): Promise<Trial> {
  const skipped = (reason: string, isWanted = true) => ({ state: 'skipped', reason, isWanted }) as const;
  if (!request.trial) return skipped('it was not wanted', false);
  if (!isSound(findings)) return skipped('what is wrong is known already', false);
  const folders = request.programs === undefined ? [] : [[request.programs]];
  const [etcd, etcdutl, etcdctl] = ['etcd', 'etcdutl', 'etcdctl'].map((name) => findProgram(name, ...folders));
  const programs = await chooseTrialPrograms({ etcd, etcdutl, etcdctl });
  if ('missing' in programs) return skipped(programs.missing);
  const stored = findings.content?.storageVersion ?? null;
  if (stored !== null && minorOf(stored) > minorOf(programs.version)) {
    return skipped(`etcd ${programs.version} on this machine is older than the file, which is of etcd ${stored}`);
  }
  const room = roomProblem(folder, findings.sizeBytes);
  if (room !== undefined) return skipped(room);
  return await runTrial(findings, { programs, folder, reporting });
}

async function runTrial(findings: SnapshotFindings, place: Workplace & { programs: TrialPrograms }): Promise<Trial> {
  const { programs, folder, reporting } = place;
  const startedAt = performance.now();
  const facts = () => ({
    with: `${programs.restore.name} ${programs.restore.version}, etcd ${programs.version}`,
    seconds: (performance.now() - startedAt) / 1000,
  });
  const file = { path: findings.path, sizeBytes: findings.sizeBytes, hasHash: findings.hash.state !== 'absent' };
  try {
    const marker = { key: Buffer.from(`hale/trial/${randomBytes(8).toString('hex')}`), value: randomBytes(64) };
    const store = await withRestored({ file, programs, folder, signal: reporting.signal, onStep: reporting.onStep }, (etcd) =>
      proveRestored(etcd, marker),
    );
    const problems = differences(findings, store);
    return { state: problems.length === 0 ? 'passed' : 'failed', problems, store, ...facts() };
  } catch (error) {
    if (reporting.signal.aborted || !(error instanceof HaleError)) throw error;
    return { state: 'failed', problems: [error.message], store: undefined, ...facts() };
  }
}

function differences({ content }: SnapshotFindings, store: RestoredStore): string[] {
  const problems: string[] = [];
  if (store.revision !== content?.revision)
    problems.push(`restored, it is at revision ${store.revision}; the file is at ${content?.revision}`);
  if (store.keys !== content?.keys) problems.push(`restored, it has ${store.keys} keys; the file has ${content?.keys}`);
  if (!store.isMarkerRead) problems.push('what was written after the restore did not come back');
  return problems;
}
