import { DRAIN_GRACE_MS } from '../core/balancer/timing.ts';
import type { LeaseState } from '../core/lease/state.ts';
import type { ConflictEngine } from '../engine/conflict.ts';
import type { LeaseEvent } from '../engine/lease.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Claim } from './claim.ts';
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
  /** In place of the lease. */
  claim: () => Claim | undefined;
  conflict: () => ConflictEngine | undefined;
}

/** What follows on this host when the address comes to it, and when it leaves. */
export class Tenure {
  readonly #options: TenureOptions;

  constructor(options: TenureOptions) {
    this.#options = options;
  }

  get isHolding(): boolean {
    const claim = this.#options.claim();
    if (claim !== undefined) return claim.isHolding;
    const { name } = this.#options.lease().role;
    return name === 'holder' || name === 'withdrawing';
  }

  /** Holding, or about to: what is in the kernel belongs to that. */
  get isInvolved(): boolean {
    return this.isHolding || this.#options.lease().role.name === 'succeeding';
  }

  onLease(event: LeaseEvent): void {
    const { metrics, names, log } = this.#options;
    switch (event.kind) {
      case 'became-holder': {
        const after = event.predecessor === undefined ? null : names[event.predecessor];
        return this.begin({ facts: { term: event.term, after }, handedOver: event.handedOver });
      }
      case 'lost':
        return this.end({ facts: { term: event.term }, reason: event.reason, handedOver: event.reason === 'handed-over' });
      case 'malformed':
        metrics.rejected.inc({ reason: 'malformed' });
        return;
      default:
        metrics.effectFailures.inc({ effect: event.kind });
        log.error({ reason: event.reason }, event.kind === 'hold-failed' ? 'cannot hold the address' : 'cannot withdraw the address');
    }
  }

  /** `facts` are for the log. `handedOver`: the host that held it before serves its connections for a while. */
  begin({ facts, handedOver }: { facts: object; handedOver: boolean }): void {
    const { log, metrics, datapath, conflict } = this.#options;
    metrics.takeovers.inc();
    log.info(facts, 'holding the address');
    datapath.hold({ handedOver });
    conflict()?.setHolding({ now: true });
  }

  /** `handedOver`: this host serves its connections for a while yet. */
  end({ facts, reason, handedOver }: { facts: object; reason: string; handedOver: boolean }): void {
    const { clock, log, metrics, datapath, conflict } = this.#options;
    metrics.losses.inc({ reason });
    log.info({ ...facts, reason }, 'no longer holding the address');
    conflict()?.setHolding({ now: false });
    datapath.release();
    if (handedOver) clock.at(clock.now() + DRAIN_GRACE_MS, () => void this.#endGrace());
    else void datapath.carrier.resetConnections();
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
