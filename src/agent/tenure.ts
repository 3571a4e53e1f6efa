import { DRAIN_GRACE_MS } from '../core/balancer/timing.ts';
import type { LeaseState } from '../core/lease/state.ts';
import type { ConflictEngine } from '../engine/conflict.ts';
import type { LeaseEvent } from '../engine/lease.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { HostDatapath } from './datapath.ts';
import type { Metrics } from './metrics.ts';
import type { Host } from './world.ts';

export interface TenureOptions {
  names: readonly string[];
  clock: Clock;
  log: Log;
  host: Host;
  metrics: Metrics;
  datapath: HostDatapath;
  lease: () => LeaseState;
  conflict: () => ConflictEngine;
}

/** What follows on this host when the lease comes to it, and when it leaves. */
export class Tenure {
  readonly #options: TenureOptions;

  constructor(options: TenureOptions) {
    this.#options = options;
  }

  get isHolding(): boolean {
    const { name } = this.#options.lease().role;
    return name === 'holder' || name === 'withdrawing';
  }

  /** Holding, or about to: what is in the kernel belongs to that. */
  get isInvolved(): boolean {
    return this.isHolding || this.#options.lease().role.name === 'succeeding';
  }

  onLease(event: LeaseEvent): void {
    const { clock, log, metrics, names, datapath, conflict } = this.#options;
    switch (event.kind) {
      case 'became-holder':
        metrics.takeovers.inc();
        log.info({ term: event.term, after: event.predecessor === undefined ? null : names[event.predecessor] }, 'holding the address');
        datapath.hold({ handedOver: event.handedOver });
        return conflict().setHolding({ now: true });
      case 'lost':
        metrics.losses.inc({ reason: event.reason });
        log.info({ term: event.term, reason: event.reason }, 'no longer holding the address');
        conflict().setHolding({ now: false });
        datapath.release();
        if (event.reason === 'handed-over') clock.at(clock.now() + DRAIN_GRACE_MS, () => void this.#endGrace());
        else void datapath.carrier.resetConnections();
        return;
      case 'malformed':
        metrics.rejected.inc({ reason: 'malformed' });
        return;
      default:
        metrics.effectFailures.inc({ effect: event.kind });
        log.error({ reason: event.reason }, event.kind === 'hold-failed' ? 'cannot hold the address' : 'cannot withdraw the address');
    }
  }

  /** The grace time of a hand-over is over: what has not ended by itself is reset, and the address leaves this host. */
  async #endGrace(): Promise<void> {
    const { datapath, host, log } = this.#options;
    if (this.isInvolved) return;
    await datapath.carrier.resetConnections();
    if (this.isInvolved) return;
    const withdrawn = host.endpoint.withdraw();
    if (!withdrawn.ok) log.error({ reason: withdrawn.reason }, 'the address could not be removed');
  }
}
