import type { BackendState } from './health.ts';

export interface Target {
  name: string;
  address: string;
  port: number;
}

export interface Backend extends Target {
  state: BackendState;
  /** Hardware address of its host's interface towards the address; undefined while unknown. */
  mac?: string | undefined;
  /** Its host says that it takes new connections that another host steers to it. */
  serves?: boolean;
}

/** What a datapath is to do, as data: the one thing that every datapath is given. */
export interface DatapathPlan {
  /** Index of this host's own API server among the backends. */
  self: number;
  /** Where clients connect to. */
  frontends: readonly { address: string; port: number }[];
  /** Takes new connections while `ready`, keeps established ones while `draining`, loses them when `dead`. */
  backends: readonly Backend[];
}

/** Best first. A draining backend may still serve, and when etcd has no leader all are draining; a dead one only costs time. */
const preference: readonly BackendState[] = ['ready', 'draining', 'unknown', 'dead'];

/** Those that new connections go to: all in the best state that any is in, in their order. */
export function preferred<T extends { state: BackendState }>(backends: readonly T[]): T[] {
  const best = preference.find((state) => backends.some((backend) => backend.state === state));
  return backends.filter((backend) => backend.state === best);
}

/** The backend for a new connection: of those in the best state that any is in, the one with the fewest connections; of several, the one after the last chosen, so that equals take turns. */
export function chooseBackend<T extends { state: BackendState; connections: number }>(
  backends: readonly T[],
  options: { after: number; except: ReadonlySet<T> },
): T | undefined {
  const ring = backends.map((_, i) => backends[(options.after + 1 + i) % backends.length] as T).filter((b) => !options.except.has(b));
  return preferred(ring).reduce<T | undefined>(
    (least, b) => (least === undefined || b.connections < least.connections ? b : least),
    undefined,
  );
}
