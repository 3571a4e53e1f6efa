/** Steady clients of an etcd cluster, as its users would notice a defragmentation. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createEtcdAdmin } from '../../src/drivers/etcd/admin.ts';
import type { EtcdAdmin } from '../../src/ports/etcd-admin.ts';
import type { EtcdCluster } from '../../test/support/etcd-cluster.ts';

export const WRITES_PER_SECOND = 50;
export const VALUE_BYTES = 2048;
/** How long a client waits at one member before it asks the next. */
export const ATTEMPT_MS = 1000;
const KEYS = 100;
const RENEW_EVERY_MS = 200;
const LEASE_SECONDS = 60;
const GIVES_UP_MS = 60_000;

export interface Load {
  /** Of every write that was begun since the load began: from when it was due to its acknowledgement, retries included. Ends the load. */
  stop(): Promise<{ writesMs: TimedLatency[]; renewalsMs: TimedLatency[]; lost: number }>;
}

export interface TimedLatency {
  /** When it was due (performance.now). */
  atMs: number;
  latencyMs: number;
}

/** Writes at fixed times whether or not earlier ones came back, each at the next member in turn, and elsewhere when that does not answer; beside it a lease is renewed. */
export async function startLoad(cluster: EtcdCluster): Promise<Load> {
  const clients = cluster.endpoints.map((url) => createEtcdAdmin({ endpoints: [url], tls: cluster.tls, timeoutMs: ATTEMPT_MS }));
  const value = Buffer.alloc(VALUE_BYTES, 'w');
  const { id } = await (clients[0] as EtcdAdmin).grantLease(LEASE_SECONDS);
  const [writesMs, renewalsMs]: [TimedLatency[], TimedLatency[]] = [[], []];
  const running = new Set<Promise<void>>();
  const state = { stopped: false, lost: 0 };
  const begin = (turn: number, into: TimedLatency[], call: (client: EtcdAdmin) => Promise<unknown>) => {
    const one = elsewhere(clients, { turn, into, call }).then((done) => {
      if (!done) state.lost++;
      running.delete(one);
    });
    running.add(one);
  };
  const every = async (ms: number, tick: (turn: number) => void) => {
    const startedAt = performance.now();
    for (let turn = 0; !state.stopped; turn++) {
      await sleep(Math.max(0, startedAt + turn * ms - performance.now()));
      tick(turn);
    }
  };
  const loops = [
    every(1000 / WRITES_PER_SECOND, (turn) => begin(turn, writesMs, (client) => client.put(Buffer.from(`load/${turn % KEYS}`), value))),
    every(RENEW_EVERY_MS, (turn) => begin(turn, renewalsMs, (client) => client.renewLease(id))),
  ];
  return {
    async stop() {
      state.stopped = true;
      await Promise.all(loops);
      await Promise.all(running);
      for (const client of clients) client.close();
      return { writesMs, renewalsMs, lost: state.lost };
    },
  };
}

async function elsewhere(
  clients: readonly EtcdAdmin[],
  { turn, into, call }: { turn: number; into: TimedLatency[]; call: (client: EtcdAdmin) => Promise<unknown> },
): Promise<boolean> {
  const atMs = performance.now();
  for (let attempt = turn; performance.now() - atMs < GIVES_UP_MS; attempt++) {
    try {
      await call(clients[attempt % clients.length] as EtcdAdmin);
      into.push({ atMs, latencyMs: performance.now() - atMs });
      return true;
    } catch {
      await sleep(10);
    }
  }
  return false;
}
