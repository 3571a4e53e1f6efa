import { HaleError } from '../base/error.ts';

/** Runs work that can be stopped by Ctrl-C or SIGTERM: the first asks it to stop and clean up, a second is not needed. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (name: string) => {
    if (!controller.signal.aborted) process.stderr.write(`${name}: cleaning up\n`);
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
