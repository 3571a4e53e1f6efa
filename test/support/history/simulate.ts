import { createRandom } from '../../../src/base/random.ts';
import type { Operation } from './operation.ts';

export interface SimulateOptions {
  seed: number;
  operations: number;
  clients: number;
  keys: number;
  /** Of operations whose client learns nothing; half of them take effect, some of those late. */
  unknown?: number;
}

/** A legal history of registers that number their writes: each operation takes effect at a random moment between its invocation and its return. */
export function simulate(options: SimulateOptions): Operation[] {
  const random = createRandom(options.seed);
  const { clients, keys, unknown = 0 } = options;
  const store = new Map<string, { value: string; modRevision: number }>();
  let revision = 1;
  const history: Operation[] = [];
  const seen = new Map<string, { value: string | null; modRevision: number }>();
  const effects: { atMs: number; run: () => void }[] = [];
  const freeAtMs = Array.from({ length: clients }, () => 0);
  const runUntil = (atMs: number): void => {
    effects.sort((a, b) => b.atMs - a.atMs);
    while (effects.length > 0 && (effects.at(-1)?.atMs ?? 0) <= atMs) effects.pop()?.run();
  };
  const put = (key: string, value: string): number => {
    store.set(key, { value, modRevision: ++revision });
    return revision;
  };
  for (let id = 1; id <= options.operations; id++) {
    const client = freeAtMs.indexOf(Math.min(...freeAtMs));
    const invokedAtMs = (freeAtMs[client] as number) + random.between(0, 1);
    const returnedAtMs = invokedAtMs + random.between(0.1, 5);
    // Whoever is invoked from here on is invoked after this.
    runUntil(Math.min(...freeAtMs));
    freeAtMs[client] = returnedAtMs;
    const key = `k${random.below(keys)}`;
    const base = { id, client: `c${client}`, key, invokedAtMs, returnedAtMs };
    const lost = random.chance(unknown);
    const outcome: Operation['outcome'] = { kind: 'unknown', error: 'no answer' };
    const known = `c${client} ${key}`;
    const last = seen.get(known);
    const effect = (run: () => Operation['outcome']): void => {
      const atMs = lost && random.chance(0.3) ? returnedAtMs + random.between(0, 50) : random.between(invokedAtMs, returnedAtMs);
      const operation = history.at(-1) as Operation;
      if (lost && random.chance(0.5)) return;
      effects.push({ atMs, run: () => void (lost ? run() : Object.assign(operation, { outcome: run() })) });
    };
    if (random.chance(0.4)) {
      history.push({ ...base, kind: 'read', outcome } as Operation);
      effect(() => {
        const { value, modRevision } = store.get(key) ?? { value: null, modRevision: 0 };
        if (!lost) seen.set(known, { value, modRevision });
        return { kind: 'seen', value, modRevision, revision };
      });
    } else if (last === undefined || random.chance(0.5)) {
      history.push({ ...base, kind: 'write', value: `v${id}`, outcome } as Operation);
      effect(() => ({ kind: 'written', revision: put(key, `v${id}`) }));
    } else {
      history.push({ ...base, kind: 'cas', from: last.value, fromRevision: last.modRevision, value: `v${id}`, outcome } as Operation);
      effect(() => {
        if ((store.get(key)?.modRevision ?? 0) !== last.modRevision) return { kind: 'conflict', revision };
        return { kind: 'written', revision: put(key, `v${id}`) };
      });
    }
  }
  runUntil(Infinity);
  return history;
}
