import { EXIT_WORLD, HaleError } from '../base/error.ts';
import { leave } from './leave.ts';

export interface InterruptOptions {
  /** What is done then; `cleaning up` when absent. */
  says?: string;
  /** For work that has to be waited for: a second Ctrl-C leaves at once, with these words. */
  leavesWith?: string;
}

/** Runs work that can be stopped by Ctrl-C or SIGTERM: the first asks it to stop and clean up, a second is not needed. */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { says = 'cleaning up', leavesWith }: InterruptOptions = {},
): Promise<T> {
  const controller = new AbortController();
  const stop = (name: string) => {
    if (!controller.signal.aborted) process.stderr.write(`${name}: ${says}\n`);
    else if (leavesWith !== undefined) {
      process.stderr.write(`${name}: ${leavesWith}\n`);
      void leave(EXIT_WORLD);
    }
    controller.abort();
  };
  const onInt = () => stop('interrupted');
  const onTerm = () => stop('told to end');
  process.on('SIGINT', onInt);
  process.on('SIGTERM', onTerm);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    throw new HaleError({ code: 'interrupted', kind: 'world', message: 'interrupted; everything was taken down', cause: error });
  } finally {
    process.off('SIGINT', onInt);
    process.off('SIGTERM', onTerm);
  }
}
