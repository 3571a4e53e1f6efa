import { SILENCE_MS, timingProfiles } from '../core/lease/timing.ts';
import { majority } from '../core/lease/state.ts';
import type { HostConfig } from './scenario.ts';
import type { SimHost } from './host.ts';
import { findHealthy, type Healthy } from './healthy.ts';
import type { Violations } from './monitor.ts';
import type { SimNetwork } from './network.ts';

/** A majority is healthy: a holder must be there within the silence after a restart and this many leases: a promise to the dead, and rounds lost to unlucky timing. */
const RECOVERY_LEASES = 4;
/** After these many leases more nothing is left of what was before, poor holders included, and the address stays. */
const SETTLE_LEASES = 8;
/** Clocks, and timers that are a hair late. */
const SLACK = 1.01;
/** A hand-over is dark for as long as one datagram travels, and this. */
const HANDOVER_GAP_MS = 0.1;
/** The holder announces itself at least this often. */
const ANNOUNCED_WITHIN_MS = 10_100;

/** How soon an address must be answered for once a majority is healthy. */
function recoveryBoundMs(config: HostConfig): number {
  return SLACK * (SILENCE_MS + RECOVERY_LEASES * timingProfiles[config.profile].leaseMs);
}

export function settledAfterMs(config: HostConfig): number {
  const { leaseMs, heartbeatMs } = timingProfiles[config.profile];
  return recoveryBoundMs(config) + SLACK * (SETTLE_LEASES * leaseMs + 3 * heartbeatMs);
}

/** The time between two events, in which nothing changes. */
interface Segment {
  startMs: number;
  healthy: Healthy | undefined;
  /** Until then a holder must be there; then the address stays where it is. */
  recoveredByMs: number;
  settledByMs: number;
}

interface Drained {
  host: number;
  atMs: number;
  withinMs: number;
  /** Undefined when there must be one. */
  gapMs: number | undefined;
}

const NOTHING: Segment = {
  startMs: 0,
  healthy: undefined,
  recoveredByMs: Number.POSITIVE_INFINITY,
  settledByMs: Number.POSITIVE_INFINITY,
};

/** Liveness: a holder soon after a majority is healthy, who stays, and hand-overs without a gap. */
export class HealthMonitor {
  readonly #hosts: readonly SimHost[];
  readonly #network: SimNetwork<HostConfig>;
  readonly #violations: Violations;
  readonly #now: () => number;
  #segment = NOTHING;
  #holder: number | undefined;
  #answeredUntilMs = 0;
  #drained: Drained | undefined;
  /** Where clients send to: the last host they heard announce itself. */
  #clientsAt: number | undefined;
  moves = 0;
  maxRecoveryMs = 0;
  maxHandoverGapMs = 0;

  constructor(options: { hosts: readonly SimHost[]; network: SimNetwork<HostConfig>; violations: Violations; now: () => number }) {
    this.#hosts = options.hosts;
    this.#network = options.network;
    this.#violations = options.violations;
    this.#now = options.now;
  }

  get holder(): number | undefined {
    return this.#holder;
  }

  get clientsAt(): number | undefined {
    return this.#clientsAt;
  }

  /** To be called before the situation changes, and at the end. */
  endSegment(): void {
    const now = this.#now();
    const { recoveredByMs, startMs, healthy, settledByMs } = this.#segment;
    const answering = this.#answering();
    if (healthy !== undefined && answering === undefined && now > recoveredByMs) {
      this.#violations.add('late', `nobody answers, ${(now - startMs).toFixed(0)} ms after a majority was healthy`);
    }
    if (now > settledByMs + ANNOUNCED_WITHIN_MS && answering !== undefined && this.#clientsAt !== answering.index) {
      this.#violations.add('stale-clients', `clients send to host ${this.#clientsAt}, but host ${answering.index} answers`);
    }
    if (this.#drained !== undefined && now > this.#drained.atMs + this.#drained.withinMs) this.#lateHandover();
  }

  /** Something happens: what was expected of a hand-over under way is expected no more. */
  interrupt(): void {
    this.endSegment();
    this.#drained = undefined;
  }

  /** To be called after an event: what must happen until the next one. */
  beginSegment(): void {
    const startMs = this.#now();
    const healthy = findHealthy(this.#hosts, this.#network);
    this.#segment =
      healthy === undefined
        ? NOTHING
        : {
            startMs,
            healthy,
            recoveredByMs: startMs + recoveryBoundMs(healthy.config),
            settledByMs: startMs + settledAfterMs(healthy.config),
          };
  }

  /** A host is about to drain or to restart in good order. Must be followed without a gap if all is well. */
  onDrain(host: SimHost): void {
    const { healthy } = this.#segment;
    if (healthy === undefined || healthy.hosts.size < 2) return;
    this.#expectSuccessor(host, { afterMs: 0, gapMs: healthy.delayMaxMs + HANDOVER_GAP_MS });
  }

  /** The agent of a host is about to be killed; its guardian acts `afterMs` later. Must be followed soon after that if the others are a majority. */
  onGuardedKill(host: SimHost, afterMs: number): void {
    const { healthy } = this.#segment;
    if (healthy === undefined || healthy.hosts.size - 1 < majority(healthy.config.members.length)) return;
    this.#expectSuccessor(host, { afterMs, gapMs: undefined });
  }

  #expectSuccessor(host: SimHost, what: { afterMs: number; gapMs: number | undefined }): void {
    const { healthy, settledByMs } = this.#segment;
    const now = this.#now();
    if (healthy === undefined || now < settledByMs || !host.answers || !healthy.hosts.has(host.index)) return;
    const { leaseMs } = timingProfiles[healthy.config.profile];
    this.#drained = { host: host.index, atMs: now, withinMs: what.afterMs + leaseMs / 2, gapMs: what.gapMs };
  }

  onHold(host: SimHost): void {
    const now = this.#now();
    if (host.index === this.#holder && now <= this.#answeredUntilMs) {
      this.#answeredUntilMs = host.kernel.until;
      return;
    }
    const darkSince = Math.min(this.#answeredUntilMs, now);
    this.#judgeGap(host, darkSince, now);
    if (this.#holder !== host.index) this.moves++;
    this.#holder = host.index;
    this.#answeredUntilMs = host.kernel.until;
  }

  onEnd(host: SimHost): void {
    if (host.index === this.#holder) this.#answeredUntilMs = this.#now();
  }

  onAnnounce(host: SimHost): void {
    this.#clientsAt = host.index;
  }

  #judgeGap(host: SimHost, darkSince: number, now: number): void {
    const { healthy, startMs, recoveredByMs, settledByMs } = this.#segment;
    if (this.#drained !== undefined && host.index !== this.#drained.host) return this.#judgeHandover(now - darkSince, now);
    if (healthy === undefined) return;
    if (darkSince <= recoveredByMs) this.maxRecoveryMs = Math.max(this.maxRecoveryMs, now - Math.max(startMs, darkSince));
    if (now > recoveredByMs && now > darkSince) {
      const kind = darkSince <= recoveredByMs ? 'late' : 'dark';
      this.#violations.add(
        kind,
        `nobody answered for ${(now - darkSince).toFixed(2)} ms, ${(now - startMs).toFixed(0)} ms after a majority was healthy`,
      );
    }
    if (now > settledByMs && host.index !== this.#holder) {
      this.#violations.add('moved', `the address moved from host ${this.#holder} to ${host.index} although nothing was wrong`);
    }
  }

  #judgeHandover(gapMs: number, now: number): void {
    const drained = this.#drained as Drained;
    if (now > drained.atMs + drained.withinMs) return this.#lateHandover();
    this.#drained = undefined;
    if (drained.gapMs === undefined) return;
    this.maxHandoverGapMs = Math.max(this.maxHandoverGapMs, gapMs);
    if (gapMs > drained.gapMs) {
      this.#violations.add('hand-over', `the hand-over of host ${drained.host} left nobody answering for ${gapMs.toFixed(2)} ms`);
    }
  }

  #lateHandover(): void {
    const drained = this.#drained as Drained;
    this.#drained = undefined;
    this.#violations.add('hand-over', `host ${drained.host} did not hand over within ${drained.withinMs} ms`);
  }

  #answering(): SimHost | undefined {
    return this.#hosts.find((host) => host.answers);
  }
}
