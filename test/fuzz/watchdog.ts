/** Runs a target on many inputs, and stops one that does not come to an end. */
import { Script } from 'node:vm';
import type { Target } from './target.ts';

const HANG_MS = 3000;
/** The key of every input that does not come to an end. */
export const HANG = 'hang';

export interface Failure {
  input: Uint8Array;
  kind: 'broken' | 'hang';
  error: Error;
  /** The same for inputs that fail in the same way. */
  key: string;
}

const CALL = '__haleFuzz';
// A script of its own, because V8 can stop one after a time, even in an endless loop.
const script = new Script(`globalThis.${CALL}()`);

/** Every failure among `inputs`, up to the first that hangs: each of these takes long, and one is enough. */
export function runAll(target: Target, inputs: readonly Uint8Array[]): Failure[] {
  const failures: Failure[] = [];
  const timeoutMs = target.hangMs ?? HANG_MS;
  let next = 0;
  const run = (until: number): boolean =>
    finishesWithin(timeoutMs, () => {
      for (; next < until; next++) {
        const input = inputs[next] as Uint8Array;
        try {
          // A copy: a decoder may keep or change what it was given.
          target.run(Uint8Array.from(input));
        } catch (error) {
          failures.push(broken(input, error));
        }
      }
    });
  while (next < inputs.length) {
    if (run(inputs.length)) break;
    // Too long in all, or one that hangs? By itself it tells, once it had the processor for half its time: on a busy machine all are late.
    const startedAt = threadMs();
    while (!run(next + 1)) if (threadMs() - startedAt >= timeoutMs / 2) return [...failures, hang(inputs[next] as Uint8Array, timeoutMs)];
  }
  return failures;
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function finishesWithin(timeoutMs: number, work: () => void): boolean {
  const scope = globalThis as Record<string, unknown>;
  scope[CALL] = work;
  try {
    script.runInThisContext({ timeout: timeoutMs });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false;
    throw error;
  } finally {
    delete scope[CALL];
  }
}

function broken(input: Uint8Array, thrown: unknown): Failure {
  const error = thrown instanceof Error ? thrown : new Error(`thrown: ${String(thrown)}`);
  // Deep recursion ends at another place each time.
  const place = error instanceof RangeError && error.message.includes('call stack') ? '' : (placeOf(error) ?? '');
  return { input, kind: 'broken', error, key: `${error.name} ${place}` };
}

/** The innermost line of the product, or else of the target. */
function placeOf(error: Error): string | undefined {
  const lines = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  return /((?:src|test)\/[\w./-]+:\d+)/.exec(
    lines.find((line) => line.includes('/src/')) ?? lines.find((line) => line.includes('/test/')) ?? '',
  )?.[1];
}

function hang(input: Uint8Array, timeoutMs: number): Failure {
  return { input, kind: 'hang', error: new Error(`no end within ${timeoutMs} ms`), key: HANG };
}
