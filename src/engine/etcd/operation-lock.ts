import { asciiBytes } from '../../base/ascii-json.ts';
import { HaleError } from '../../base/error.ts';
import { decodeOperation, encodeOperation, type OperationOwner, type OperationRecord, operationText } from '../../core/etcd/operation.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';
import { pause } from './pause.ts';
import { StopSource } from './stop-source.ts';

/** What the lock needs of etcd. */
type LockEtcd = Pick<EtcdAdmin, 'range' | 'txn' | 'grantLease' | 'renewLease' | 'revokeLease'>;

export interface OperationLockOptions {
  etcd: LockEtcd;
  clock: Clock;
  /** What is done, in the words of the command line after `hale etcd`. */
  what: string;
  who: OperationOwner;
  /** The caller's own wish to stop. */
  signal?: EtcdStopSignal;
  /** While an alarm (NOSPACE, CORRUPT) is raised, etcd takes no key, so no lock: `refuse` (when absent) fails then, `work` works without one. */
  underAlarm?: 'refuse' | 'work';
  /** Whether to wait for the end of another operation's lock instead of failing; for a process that is known to be gone. */
  waitFor?: (other: OperationRecord) => boolean;
  /** Ends the lock after a death; 20 when absent. */
  ttlSeconds?: number;
}

/** What work under the lock holds on to. */
export interface HeldOperation {
  /** False where an alarm kept etcd from taking the lock: somebody else may be at work. */
  readonly exclusive: boolean;
  /** Aborts when the caller's signal does, and when the lock may soon be somebody else's. */
  readonly signal: EtcdStopSignal;
  /** To be called before every step. HaleError `etcd_operation_lock_lost` when the lock may be somebody else's. */
  check(): void;
}

/** The key that is the lock. */
export const OPERATION_KEY = '/hale/etcd/operation';
const KEY = asciiBytes(OPERATION_KEY);
const TTL_SECONDS = 20;
/** Of the lease, kept free at its end: a step that was begun is sent by then, and clocks differ. */
const MARGIN_SHARE = 0.2;
const RETRY_MS = 1000;

/**
 * Does `work` while nobody else that keeps to this lock works on the cluster. The lock is a key on a lease of etcd, so it needs a quorum and ends by itself after a
 * death. HaleErrors: `etcd_operation_under_way`, `etcd_operation_alarm`, `etcd_operation_lock_lost`, and what etcd says.
 */
export async function withOperationLock<T>(options: OperationLockOptions, work: (held: HeldOperation) => Promise<T>): Promise<T> {
  const lease = await takeLock(options);
  const held = lease === undefined ? unlocked(options.signal) : hold(options, lease);
  try {
    return await work(held);
  } catch (error) {
    // Whatever the work says then, it most likely says because it was stopped.
    throw held.isLost() && !isLostError(error) ? lostError(error as Error) : error;
  } finally {
    held.end();
    // What cannot be revoked ends by itself.
    if (lease !== undefined) await options.etcd.revokeLease(lease.id).catch(() => {});
  }
}

interface Lease {
  id: bigint;
  /** When it was asked for: it ends no earlier than its TTL after that. */
  sentAt: number;
}

/** Undefined where an alarm keeps etcd from taking it and the caller does without. */
async function takeLock(options: OperationLockOptions): Promise<Lease | undefined> {
  const { clock, underAlarm = 'refuse', ttlSeconds = TTL_SECONDS } = options;
  for (;;) {
    try {
      const outcome = await tryLock({ ...options, ttlSeconds });
      if ('id' in outcome) return outcome;
      const { other } = outcome;
      if (other === undefined || options.waitFor?.(other) !== true || options.signal?.aborted) throw operationUnderWay(other, ttlSeconds);
    } catch (error) {
      if (!isAlarm(error)) throw error;
      if (underAlarm === 'work') return undefined;
      throw alarmError(error);
    }
    await pause(clock, RETRY_MS);
  }
}

async function tryLock(options: OperationLockOptions & { ttlSeconds: number }): Promise<Lease | { other: OperationRecord | undefined }> {
  const { etcd, clock, what, who, ttlSeconds } = options;
  const sentAt = clock.now();
  const { id } = await etcd.grantLease(ttlSeconds);
  try {
    const put = { key: KEY, value: encodeOperation({ what, ...who }), lease: id };
    for (;;) {
      // A revision of 0: the key does not exist.
      const { succeeded } = await etcd.txn({ compare: [{ key: KEY, modRevision: 0 }], success: [{ put }] });
      if (succeeded) return { id, sentAt };
      const [found] = (await etcd.range(KEY)).kvs;
      // Else it ended between the two.
      if (found === undefined) continue;
      await etcd.revokeLease(id).catch(() => {});
      return { other: decodeOperation(found.value) };
    }
  } catch (error) {
    // Also a key whose answer was lost goes with the lease.
    await etcd.revokeLease(id).catch(() => {});
    throw error;
  }
}

/** `other`: who has the lock; undefined when that cannot be read. */
export function operationUnderWay(other: OperationRecord | undefined, ttlSeconds = TTL_SECONDS): HaleError {
  return new HaleError({
    code: 'etcd_operation_under_way',
    kind: 'world',
    message: `an operation on this etcd is under way: ${other === undefined ? `${OPERATION_KEY} holds no record of hale's` : operationText(other)}`,
    remedy: `wait until it ends, or stop it. If that process is gone, its lock goes by itself, ${ttlSeconds} s after its death at the latest: run the command again then`,
  });
}

/** What etcd says to whoever would write (etcd, api/v3rpc/rpctypes/error.go). */
function isAlarm(error: unknown): error is HaleError {
  return error instanceof HaleError && /database space exceeded|corrupt cluster/.test(error.message);
}

function alarmError(cause: HaleError): HaleError {
  const { message } = cause;
  return new HaleError({
    code: 'etcd_operation_alarm',
    kind: 'world',
    message: `etcd takes no lock over operations (${OPERATION_KEY}) while an alarm is raised: ${message}`,
    remedy: 'see which with hale etcd status, and end it first (docs/guide/etcd.md)',
    cause,
  });
}

interface Held extends HeldOperation {
  isLost(): boolean;
  end(): void;
}

function unlocked(signal: EtcdStopSignal = new StopSource()): Held {
  return { exclusive: false, signal, check: () => {}, isLost: () => false, end: () => {} };
}

/** Renews the lease until `end`, and tells when that fails for so long that the lease may have ended. */
function hold(options: OperationLockOptions, lease: Lease): Held {
  const { etcd, clock, signal, ttlSeconds = TTL_SECONDS } = options;
  const ttlMs = ttlSeconds * 1000;
  const source = new StopSource();
  const stop = () => source.abort();
  let safeUntil = 0;
  let lost = false;
  let ended = false;
  let renewal: Timer | undefined;
  let loss: Timer | undefined;
  const lose = () => {
    lost = true;
    renewal?.cancel();
    loss?.cancel();
    stop();
  };
  const extend = (sentAt: number) => {
    safeUntil = sentAt + ttlMs * (1 - MARGIN_SHARE);
    loss?.cancel();
    loss = clock.at(safeUntil, lose);
  };
  const renewAt = (time: number) => {
    renewal = clock.at(time, () => void renew());
  };
  const renew = async () => {
    const sentAt = clock.now();
    const isAlive = await etcd.renewLease(lease.id).catch(() => undefined);
    if (ended || lost) return;
    if (isAlive === false) return lose();
    if (isAlive === true) extend(sentAt);
    renewAt(isAlive === true ? sentAt + ttlMs / 4 : clock.now() + Math.min(RETRY_MS, ttlMs / 8));
  };
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop);
  extend(lease.sentAt);
  renewAt(lease.sentAt + ttlMs / 4);
  // A process that was frozen runs on before its timers do, so the clock counts.
  const isLost = () => lost || clock.now() >= safeUntil;
  return {
    exclusive: true,
    signal: source,
    isLost,
    check() {
      if (isLost()) throw lostError();
    },
    end() {
      ended = true;
      signal?.removeEventListener('abort', stop);
      renewal?.cancel();
      loss?.cancel();
    },
  };
}

function isLostError(error: unknown): boolean {
  return error instanceof HaleError && error.code === 'etcd_operation_lock_lost';
}

function lostError(cause?: Error): HaleError {
  const after = cause === undefined ? '' : ` (${cause.message})`;
  return new HaleError({
    code: 'etcd_operation_lock_lost',
    kind: 'world',
    message: `the lock over operations on this etcd (${OPERATION_KEY}) could not be renewed, so nothing more was begun: another operation may begin${after}`,
    remedy: 'see what is done and what is left with hale etcd member list and hale etcd status, then run the command again',
    ...(cause === undefined ? {} : { cause }),
  });
}
