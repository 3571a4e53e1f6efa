import * as libc from './libc.ts';

/**
 * Ends this process with an exit code from 0 to 255, at once. process.exit() waits for V8's threads, one of which may be waiting for this one to collect garbage, for
 * ever (nodejs/node issue 54918; seen with Node 24.21).
 */
export function leave(code: number): never {
  process.exitCode = code;
  process.emit('exit', code);
  libc.exitNow(code);
  throw new Error('unreachable');
}
