import type { Clock } from '../../ports/clock.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';

/** Returns after `ms`, or when `signal` aborts. */
export function pause(clock: Clock, ms: number, signal?: EtcdStopSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      timer.cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.at(clock.now() + ms, end);
    if (signal?.aborted) end();
    else signal?.addEventListener('abort', end);
  });
}
