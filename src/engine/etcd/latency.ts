import { HaleError } from '../../base/error.ts';
import { quantile } from '../../base/stats.ts';
import type { LatencyResult } from '../../core/etcd/check/latency.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';
import { pause } from './pause.ts';

/** One after the other and no more than this: a cluster that serves Kubernetes does not notice it. */
const LOAD = { puts: 200, perSecond: 100, valueBytes: 1024, longestMs: 20_000 };
/** What is left after a death goes by itself then. */
const TTL_SECONDS = 60;
const FAILURES_MAX = 3;

export interface LatencyOptions {
  /** Writes go where this client sends them: to the leader, so that no other member passes them on. */
  etcd: EtcdAdmin;
  clock: Clock;
  /** Under which the keys are written; of this check alone, ASCII, ending with a slash. */
  prefix: string;
  signal: EtcdStopSignal;
  onProgress: (text: string) => void;
}

/**
 * Times writes of a bounded load, and deletes what it wrote, also when `signal` stops it. Fails with a HaleError only when the lease for its keys is refused;
 * a write that fails is counted.
 */
export async function measureLatency({ etcd, clock, prefix, signal, onProgress }: LatencyOptions): Promise<LatencyResult> {
  const lease = await etcd.grantLease(TTL_SECONDS);
  const timed = await timeWrites({ etcd, clock, prefix, signal, onProgress, lease: lease.id });
  // With the lease go its keys.
  const leftover = await etcd.revokeLease(lease.id).then(
    () => null,
    () => `keys below ${prefix} could not be deleted; they go by themselves within ${TTL_SECONDS} s`,
  );
  const { times, failures } = timed;
  const at = (q: number) => (times.length === 0 ? null : quantile(times, q));
  return {
    puts: times.length + failures.length,
    failed: failures.length,
    firstFailure: failures[0] ?? null,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    leftover,
  };
}

async function timeWrites(options: LatencyOptions & { lease: bigint }): Promise<{ times: number[]; failures: string[] }> {
  const { etcd, clock, prefix, signal, onProgress, lease } = options;
  const times: number[] = [];
  const failures: string[] = [];
  const value = new Uint8Array(LOAD.valueBytes).fill(0x2e);
  const startedAt = clock.now();
  for (let i = 0; i < LOAD.puts && failures.length < FAILURES_MAX; i++) {
    const dueAt = startedAt + (i * 1000) / LOAD.perSecond;
    if (clock.now() < dueAt) await pause(clock, dueAt - clock.now());
    if (signal.aborted || clock.now() - startedAt > LOAD.longestMs) break;
    onProgress(`timing write ${i + 1} of ${LOAD.puts}`);
    const sentAt = clock.now();
    try {
      await etcd.txn({ compare: [], success: [{ put: { key: ascii(`${prefix}${i}`), value, lease } }] });
      times.push(clock.now() - sentAt);
    } catch (error) {
      failures.push(error instanceof HaleError ? (error.reason ?? error.message) : (error as Error).message);
    }
  }
  return { times, failures };
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (unit) => unit.charCodeAt(0));
}
