/** What an agent looks at in turn: whether members have fallen silent, and whether the kernel is as it should be. */
import { activePromise } from '../core/lease/granter.ts';
import { type LeaseState, majority } from '../core/lease/state.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Host } from './world.ts';

const RECONCILE_MS = 2000;
/** The holder and each member hear each other at every renewal; so many missed ones, in a row, are not lost datagrams any more. */
const SILENT_RENEWALS = 2.5;

export interface UpkeepOptions {
  clock: Clock;
  log: Log;
  host: Host;
  datapath: { reconcile(): string[] };
  lease: () => LeaseState;
  /** A member that was heard is no longer; said once until it is heard again. */
  onSilent: (member: number) => void;
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
    const state = lease();
    const now = clock.now();
    const silentMs = SILENT_RENEWALS * state.config.timing.renewMs;
    const often = heardOften(state, now);
    const silent = often.filter((member) => now - (state.peers[member]?.heardAt ?? now) > silentMs);
    for (const member of often) if (!silent.includes(member)) this.#silent.delete(member);
    // A holder that hears no majority is itself the one that is cut off; its lease is about to end.
    if (state.role.name === 'holder' && state.config.members - silent.length < majority(state.config.members)) return;
    for (const member of silent) {
      if (this.#silent.has(member)) continue;
      this.#silent.add(member);
      onSilent(member);
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

/** Members that are heard at every renewal: by the holder all, by the others the holder. */
function heardOften(state: LeaseState, now: number): number[] {
  const { role, granter, config } = state;
  const others = state.peers.map((_, member) => member).filter((member) => member !== config.self);
  if (role.name === 'holder') return others;
  const candidate = activePromise(granter, now)?.candidate;
  return candidate === undefined || candidate === config.self ? [] : [candidate];
}
