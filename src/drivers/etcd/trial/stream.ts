import { open } from 'node:fs/promises';

/** Writes a stream into a new file that only this user may read. */
export async function saveStream(
  bytes: AsyncIterable<Uint8Array>,
  { path, signal, onBytes }: { path: string; signal: AbortSignal; onBytes: (doneBytes: number) => void },
): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    let done = 0;
    for await (const piece of bytes) {
      signal.throwIfAborted();
      await file.writeFile(piece);
      done += piece.length;
      onBytes(done);
    }
  } finally {
    await file.close();
  }
}
