/** What an agent looks at in turn: whether members have fallen silent, and whether the kernel is as it should be. */
import { silentMembers } from '../core/lease/silence.ts';
import type { LeaseState } from '../core/lease/state.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Host } from './world.ts';

const RECONCILE_MS = 2000;

export interface UpkeepOptions {
  clock: Clock;
  log: Log;
  host: Host;
  datapath: { reconcile(): string[] };
  lease: () => LeaseState;
  /** A member is not heard, or no longer. Said once until it is heard again, or anew when by then that was untrue. */
  onSilent: (member: number, isStillSilent: () => boolean) => Promise<'looked' | 'untrue'>;
  /** Hardware addresses may have changed. */
  onLook: () => void;
  onMended: () => void;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #silent = new Set<number>();
  #timers: (Timer | undefined)[] = [];

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#every(0, options.lease().config.timing.renewMs, () => this.#lookForSilence());
    this.#every(1, RECONCILE_MS, () => this.#reconcile());
  }

  stop(): void {
    for (const timer of this.#timers) timer?.cancel();
  }

  #every(index: number, intervalMs: number, look: () => void): void {
    const { clock } = this.#options;
    this.#timers[index] = clock.at(clock.now() + intervalMs, () => {
      look();
      this.#every(index, intervalMs, look);
    });
  }

  #lookForSilence(): void {
    const { lease, clock, onSilent } = this.#options;
    const look = () => silentMembers(lease(), clock.now());
    const silent = look();
    for (const member of this.#silent) if (!silent.includes(member)) this.#silent.delete(member);
    for (const member of silent) {
      if (this.#silent.has(member)) continue;
      this.#silent.add(member);
      void onSilent(member, () => look().includes(member)).then((how) => {
        if (how === 'untrue') this.#silent.delete(member);
      });
    }
  }

  #reconcile(): void {
    const { host, datapath, log, onMended, onLook } = this.#options;
    try {
      for (const mended of [...host.reconcile(), ...datapath.reconcile()]) {
        onMended();
        log.warn({ mended }, 'what this agent put into the kernel was changed');
      }
    } catch (error) {
      log.error({ error: (error as Error).message }, 'the kernel cannot be looked at');
    }
    onLook();
  }
}
