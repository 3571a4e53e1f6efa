import {
  type Beat,
  fewestBeats,
  isCalm,
  newPulse,
  onBeat,
  type Pulse,
  type PulseLimits,
  RECENT,
  withAway,
  withBaseline,
} from '../../core/etcd/upkeep/pulse.ts';
import type { EtcdMemberView, EtcdView } from '../../core/etcd/view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import { pause } from './pause.ts';

const BEAT_EVERY_MS = 200;

export interface PulseWatchOptions {
  etcd: Pick<EtcdAdmin, 'probe' | 'status'>;
  clock: Clock;
  view: EtcdView;
  limits: PulseLimits;
}

/** Reads a little at every voter, five times a second, until `end`. */
export class PulseWatch {
  readonly #options: PulseWatchOptions;
  #pulse: Pulse;
  #ended = false;

  constructor(options: PulseWatchOptions) {
    this.#options = options;
    const voters = options.view.members.filter(({ isLearner, url, status }) => !isLearner && url !== null && status !== null);
    this.#pulse = newPulse(voters.map(({ id, name }) => ({ id, name: name || id })));
    for (const voter of voters) void this.#watch(voter);
  }

  /** Returns when every member has answered, or failed to, so often that it is known what is usual; from then on that is what others are measured by. */
  async takeBaseline(): Promise<void> {
    while (fewestBeats(this.#pulse) < RECENT) await pause(this.#options.clock, BEAT_EVERY_MS);
    this.#pulse = withBaseline(this.#pulse);
  }

  get degraded(): string | null {
    return this.#pulse.degraded;
  }

  get isCalm(): boolean {
    return isCalm(this.#pulse);
  }

  /** Longest time that a read took, at members that were not away. */
  get worstMs(): number {
    return Math.max(0, ...Object.values(this.#pulse.members).map(({ worstMs }) => worstMs));
  }

  /** Who leads from now on; without a view nobody minds. */
  expect(view: EtcdView | null): void {
    const leader = view?.leader;
    const term = leader?.status?.raftTerm;
    this.#pulse = { ...this.#pulse, expected: leader && term !== undefined ? { leaderId: leader.id, term } : null };
  }

  away(memberId: string | null): void {
    this.#pulse = withAway(this.#pulse, memberId);
  }

  end(): void {
    this.#ended = true;
  }

  async #watch({ id, url }: EtcdMemberView): Promise<void> {
    const { clock, limits } = this.#options;
    while (!this.#ended) {
      const startedAt = clock.now();
      const { awayId, expected } = this.#pulse;
      const { leader, ...beat } = await this.#beat({ id, url: url as string });
      if (this.#ended) return;
      // What was asked before the member went away, or before the leader was to change, says nothing about afterwards.
      const isMeant = awayId !== id && this.#pulse.awayId !== id;
      const tells = leader !== undefined && expected === this.#pulse.expected ? { leader } : {};
      if (isMeant) this.#pulse = onBeat(this.#pulse, { ...beat, ...tells }, limits);
      await pause(clock, Math.max(0, startedAt + BEAT_EVERY_MS - clock.now()));
    }
  }

  async #beat({ id, url }: { id: string; url: string }): Promise<Beat> {
    const { etcd, clock } = this.#options;
    const sentAt = clock.now();
    try {
      await etcd.probe(url);
      const now = clock.now();
      const { leaderId, raftTerm } = await etcd.status(url);
      return { memberId: id, sentAt, now, latencyMs: now - sentAt, leader: { id: leaderId, term: raftTerm } };
    } catch (error) {
      return { memberId: id, sentAt, now: clock.now(), latencyMs: null, problem: (error as Error).message };
    }
  }
}
