import type { BackendState } from './health.ts';

export interface Target {
  name: string;
  address: string;
  port: number;
}

/** What a datapath is to do, as data: the one thing that every datapath is given. */
export interface DatapathPlan {
  /** Where clients connect to. */
  frontends: readonly { address: string; port: number }[];
  /** Takes new connections while `ready`, keeps established ones while `draining`, loses them when `dead`. */
  backends: readonly (Target & { state: BackendState })[];
}

/** The backend for a new connection: the ready one with the fewest connections; of several, the one after the last chosen, so that equals take turns. With none ready any is tried, which is better than refusing. */
export function chooseBackend<T extends { state: BackendState; connections: number }>(
  backends: readonly T[],
  options: { after: number; except: ReadonlySet<T> },
): T | undefined {
  const ring = backends.map((_, i) => backends[(options.after + 1 + i) % backends.length] as T).filter((b) => !options.except.has(b));
  const ready = ring.filter((backend) => backend.state === 'ready');
  const candidates = ready.length > 0 ? ready : ring;
  return candidates.reduce<T | undefined>((best, b) => (best === undefined || b.connections < best.connections ? b : best), undefined);
}
