import type { ElectionRecord } from '../../src/core/election/record.ts';
import type { Lock } from '../../src/ports/lock.ts';

/** The rule of client-go's leader election, at its barest, over a lock: what a test of the lock needs of an election. */
export class LeaseCandidate {
  /** Writes that succeeded. */
  writes = 0;
  leads = false;
  readonly #lock: Lock;
  readonly #identity: string;
  readonly #durationSeconds: number;
  readonly #timer: NodeJS.Timeout;
  #seen: { record: ElectionRecord; version: string; atMs: number } | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(lock: Lock, identity: string, { durationSeconds, periodMs }: { durationSeconds: number; periodMs: number }) {
    this.#lock = lock;
    this.#identity = identity;
    this.#durationSeconds = durationSeconds;
    this.#timer = setInterval(() => (this.#turn = this.#turn.then(() => this.#try())), periodMs);
  }

  /** As a process that died: it writes nothing any more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  async release(): Promise<void> {
    this.stop();
    await this.#turn;
    const read = await this.#lock.read();
    if (read.kind !== 'found' || read.record.holderIdentity !== this.#identity) throw new Error('nothing to let go of');
    const now = new Date().toISOString();
    const record = { ...read.record, holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now };
    if ((await this.#lock.write(record, read.version)).kind !== 'written') throw new Error('not let go of');
    this.leads = false;
  }

  async #try(): Promise<void> {
    const read = await this.#lock.read();
    if (read.kind === 'failed') return;
    const last = read.kind === 'found' ? read : undefined;
    if (last !== undefined && last.version !== this.#seen?.version) this.#seen = { ...last, atMs: performance.now() };
    const holder = last?.record.holderIdentity ?? '';
    const expired = performance.now() - (this.#seen?.atMs ?? 0) > (last?.record.leaseDurationSeconds ?? 0) * 1000;
    if (holder !== '' && holder !== this.#identity && !expired) return;
    await this.#write(last);
  }

  async #write(last: { record: ElectionRecord; version: string } | undefined): Promise<void> {
    const now = new Date().toISOString();
    const same = last?.record.holderIdentity === this.#identity;
    const record: ElectionRecord = {
      holderIdentity: this.#identity,
      leaseDurationSeconds: this.#durationSeconds,
      acquireTime: same ? last.record.acquireTime : now,
      renewTime: now,
      leaseTransitions: last === undefined ? 0 : last.record.leaseTransitions + (same ? 0 : 1),
    };
    const written = await this.#lock.write(record, last?.version);
    this.leads = written.kind === 'written';
    if (this.leads) this.writes += 1;
  }
}
