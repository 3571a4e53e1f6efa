import { microTimeOf } from '../../core/apiserver/micro-time.ts';
import { randomBytes, randomInt } from 'node:crypto';
import { hostname } from 'node:os';
import type { LeaseObject } from '../../core/apiserver/lease.ts';
import { electionTiming } from '../../core/election/timing.ts';
import { PAUSED } from '../../core/heal/record.ts';
import { createLeaseLock } from '../../drivers/kubernetes/lease-lock.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { ElectionEngine } from '../../engine/election.ts';
import type { Kubernetes } from '../../ports/kubernetes.ts';
import type { Log } from '../../ports/log.ts';

/** The Lease of the controllers. */
export const HEAL_LEASE = { namespace: 'kube-system', name: 'hale-heal' } as const;
/** As kube-controller-manager has them (component-base, config/v1alpha1/defaults.go). */
const TIMING = { durationSeconds: 15, renewDeadlineSeconds: 10, retryPeriodSeconds: 2 };
const CALL_MS = 3000;
const LET_GO_MS = 3000;
const LOOK_MS = 20;

export interface LeadershipOptions {
  kubernetes: Kubernetes;
  log: Log;
  onActive: (active: boolean) => void;
  /** Who has paused the controllers, as the Lease says it. */
  onPaused: (by: string | undefined) => void;
}

/** This controller's part in the election of the one that acts, by a Lease as kube-controller-manager's. */
export class Leadership {
  readonly #engine: ElectionEngine;

  constructor({ kubernetes, log, onActive, onPaused }: LeadershipOptions) {
    const onLease = ({ metadata }: LeaseObject) => onPaused(pausedBy(metadata));
    const lock = createLeaseLock({ kubernetes, ...HEAL_LEASE, timeoutMs: CALL_MS, onLease });
    this.#engine = new ElectionEngine({
      // Two on one host are two: whoever finds its own name takes the Lease for its own.
      identity: `${hostname()}_${randomBytes(4).toString('hex')}`,
      timing: electionTiming(TIMING),
      seed: randomInt(2 ** 32),
      clock: boottime,
      lock,
      wallTime: () => microTimeOf(Date.now()),
      onEvent: (event) => {
        if (event.kind === 'failed')
          return log.debug({ lease: HEAL_LEASE.name, reason: event.reason }, 'the Lease cannot be read or written');
        log.info({ lease: HEAL_LEASE.name, ...event }, event.kind === 'lost' ? 'no longer the active controller' : 'the active controller');
        onActive(event.kind === 'became-owner');
      },
    });
    this.#engine.compete({ now: true });
  }

  /** At this moment, by the clock. */
  get owns(): boolean {
    return this.#engine.owns;
  }

  /** Lets go of the Lease, so that another one need not wait for its end. */
  async stop(): Promise<void> {
    this.#engine.compete({ now: false });
    const until = boottime.now() + LET_GO_MS;
    while (!this.#engine.hasLetGo && boottime.now() < until)
      await new Promise((resolve) => boottime.at(boottime.now() + LOOK_MS, () => resolve(undefined)));
    this.#engine.stop();
  }
}

function pausedBy({ annotations }: LeaseObject['metadata']): string | undefined {
  const value = typeof annotations === 'object' && annotations !== null ? (annotations as Record<string, unknown>)[PAUSED] : undefined;
  return typeof value === 'string' ? value : undefined;
}
