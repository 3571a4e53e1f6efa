import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { HaleError } from '../../base/error.ts';
import { Problems, type StructureProblem } from '../../core/etcd/bbolt/problem.ts';
import { checkStructure, type Structure } from '../../core/etcd/bbolt/structure.ts';
import { type Content, type ContentProblem, ContentReader } from '../../core/etcd/snapshot/content.ts';
import { HASH_BYTES, hasHash } from '../../core/etcd/snapshot/hash.ts';
import type { SnapshotFindings } from '../../core/etcd/snapshot/findings.ts';
import { programFile } from '../program.ts';
import { type FileSource, openFileSource } from './file-source.ts';
import type { HashJob } from './hash-worker.ts';

export interface InspectOptions {
  path: string;
  /** Root of Kubernetes' keys where that is more than one folder. */
  prefix?: string;
  signal: AbortSignal;
  /** Now and then: bytes of the file that are done. */
  onProgress?: (doneBytes: number) => void;
}

/** Hash, structure and content of a snapshot or of a database's copy. HaleError `snapshot_unreadable` or `snapshot_changed`; what is wrong in the file is a finding. */
export async function inspectSnapshot(options: InspectOptions): Promise<SnapshotFindings> {
  const whole = openFileSource(options.path);
  try {
    const hidden = hasHash(whole.sizeBytes) ? HASH_BYTES : 0;
    const source: FileSource = { ...whole, sizeBytes: whole.sizeBytes - hidden };
    const stopped = new AbortController();
    const expected = hidden === 0 ? undefined : whole.read(source.sizeBytes, HASH_BYTES).slice();
    const hashing = expected === undefined ? undefined : startHash({ path: options.path, bytes: source.sizeBytes }, stopped.signal);
    try {
      const read = await readStructure(source, { ...options, endsWithPages: hidden > 0 });
      const found = await hashing;
      if (!whole.isUnchanged()) throw changed(options.path);
      return { path: options.path, sizeBytes: whole.sizeBytes, hash: judgeHash(expected, found), ...read };
    } finally {
      stopped.abort();
    }
  } finally {
    whole.close();
  }
}

function judgeHash(expected: Uint8Array | undefined, found: Uint8Array | undefined): SnapshotFindings['hash'] {
  if (expected === undefined || found === undefined) return { state: 'absent' };
  const [stored, computed] = [Buffer.from(expected).toString('hex'), Buffer.from(found).toString('hex')];
  return stored === computed ? { state: 'matches', stored } : { state: 'differs', stored, computed };
}

type Read = Pick<SnapshotFindings, 'structure' | 'content' | 'structureProblems' | 'contentProblems'>;

async function readStructure(source: FileSource, options: InspectOptions & { endsWithPages: boolean }): Promise<Read> {
  const structureProblems = new Problems<StructureProblem>();
  const contentProblems = new Problems<ContentProblem>();
  const seed = randomBytes(8);
  const { prefix } = options;
  const reader = new ContentReader({
    problems: contentProblems,
    seed: { a: seed.readInt32LE(0), b: seed.readInt32LE(4) },
    ...(prefix === undefined ? {} : { prefix }),
  });
  const checking = checkStructure({
    source,
    problems: structureProblems,
    endsWithPages: options.endsWithPages,
    first: ContentReader.first,
    visitorOf: (bucket) => reader.visitorOf(bucket),
  });
  const structure = await inSlices(checking, source, options);
  const content: Content | undefined = structure === undefined ? undefined : reader.finish(structure);
  return { structure, content, structureProblems, contentProblems };
}

/** Lets signals and progress in between. */
async function inSlices(
  checking: Generator<number, Structure | undefined>,
  source: FileSource,
  { signal, onProgress }: InspectOptions,
): Promise<Structure | undefined> {
  for (;;) {
    const step = checking.next();
    if (step.done === true) return step.value;
    onProgress?.(Math.min(source.sizeBytes, step.value));
    await turn();
    signal.throwIfAborted();
  }
}

/** Ends with `signal`, whose end means that nobody waits. */
function startHash(job: HashJob, signal: AbortSignal): Promise<Uint8Array> {
  const worker = new Worker(programFile('drivers/etcd/hash-worker'), { workerData: job });
  signal.addEventListener('abort', () => void worker.terminate());
  const digest = new Promise<Uint8Array>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  // It is awaited later, if at all.
  digest.catch(() => undefined);
  return digest;
}

function changed(path: string): HaleError {
  return new HaleError({
    code: 'snapshot_changed',
    kind: 'world',
    message: `${path}: changed while it was read, so nothing can be said of it`,
    remedy: 'verify a file that nobody writes: a snapshot that is complete, or a copy of the database',
  });
}
