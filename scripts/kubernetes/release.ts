import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { goArchitecture } from '../../src/lab/program-cache.ts';

/** Where the Kubernetes project publishes its binaries, each beside a file with its SHA-256 (kubernetes.io, "Download Kubernetes"). */
const RELEASES = 'https://dl.k8s.io/release';
const CONNECT_TIMEOUT_MS = 10_000;

export interface ReleaseOptions {
  version: string;
  programs: readonly string[];
  folder: string;
  say: (line: string) => void;
  /** Another place with the same layout, for tests. */
  releases?: string;
}

/** Downloads the programs of a release; undefined when all are there, else why it cannot be reached. Throws when something else comes than was published. */
export async function downloadRelease(options: ReleaseOptions): Promise<string | undefined> {
  const { version, programs, folder, say, releases = RELEASES } = options;
  for (const program of programs) {
    const url = `${releases}/${version}/bin/linux/${goArchitecture()}/${program}`;
    const published = await get(`${url}.sha256`);
    if (typeof published === 'string') return published;
    const checksum = (await published.text()).trim();
    say(`downloading ${url}`);
    const answer = await get(url);
    if (typeof answer === 'string') throw new Error(`${url}: ${answer}`);
    const path = join(folder, program);
    const hash = createHash('sha256');
    const hashed = new Transform({ transform: (chunk: Buffer, _, next) => (hash.update(chunk), next(null, chunk)) });
    await pipeline(Readable.fromWeb(answer.body as import('node:stream/web').ReadableStream), hashed, createWriteStream(path));
    const seen = hash.digest('hex');
    if (seen !== checksum) throw new Error(`${url} has the SHA-256 ${seen}, not the published ${checksum}`);
    await chmod(path, 0o755);
  }
  return undefined;
}

/** An answer with status 200, or why there is none. */
async function get(url: string): Promise<Response | string> {
  const connecting = new AbortController();
  const timer = setTimeout(() => connecting.abort(), CONNECT_TIMEOUT_MS);
  try {
    const answer = await fetch(url, { signal: connecting.signal });
    return answer.ok ? answer : `HTTP ${answer.status}`;
  } catch (error) {
    const { cause, message } = error as Error & { cause?: Error };
    return connecting.signal.aborted ? `no answer within ${CONNECT_TIMEOUT_MS / 1000} s` : (cause?.message ?? message);
  } finally {
    clearTimeout(timer);
  }
}
