import { HaleError } from '../../base/error.ts';
import type { Etcd } from '../../ports/etcd.ts';

export interface EtcdHealth {
  /** Why etcd counts as unhealthy now, or undefined. */
  problem(): string | undefined;
}

const INTERVAL_MS = 500;
/** Longer than the interval and one call's deadline: only a process that was itself stopped gets there. */
const STALE_MS = 3_000;
const KEY = Buffer.from('/stand-in/health');

/** Asks etcd for a key, linearizably, one call at a time, as kube-apiserver does for /readyz, until the process ends. `onChange` hears of every turn. */
export function watchEtcdHealth(etcd: Etcd, onChange: (problem: string | undefined) => void): EtcdHealth {
  let lastOkMs = 0;
  let problem: string | undefined = 'not asked yet';
  const check = async (): Promise<void> => {
    const before = problem;
    try {
      await etcd.range(KEY);
      lastOkMs = performance.now();
      problem = undefined;
    } catch (error) {
      if (!(error instanceof HaleError)) throw error;
      problem = error.message;
    }
    if ((problem === undefined) !== (before === undefined)) onChange(problem);
    setTimeout(check, INTERVAL_MS);
  };
  void check();
  return {
    problem() {
      const ageMs = Math.round(performance.now() - lastOkMs);
      return problem ?? (ageMs > STALE_MS ? `last answered ${ageMs} ms ago` : undefined);
    },
  };
}
