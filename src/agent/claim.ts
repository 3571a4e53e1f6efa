import type { Fitness } from '../core/lease/message.ts';
import type { RoutesStatus, VrrpStatus } from '../ports/control.ts';

/** What decides, in place of the quorum lease, whether this host answers for the address. */
export interface Claim {
  readonly isHolding: boolean;
  /** Index of the member that answers for it, as far as this host knows. */
  holder(): number | undefined;
  /** Why this host does not, in words; undefined when it does. */
  whyNot(): string | undefined;
  /** How this host is; said again and again. */
  update(facts: ClaimFacts): void;
  /** Gives the address up so that others can take over, and resolves when they had their time. */
  stop(): Promise<void>;
  readonly vrrp?: VrrpStatus;
  readonly routes?: RoutesStatus;
}

export interface ClaimFacts {
  fitness: Fitness;
  draining: boolean;
}
