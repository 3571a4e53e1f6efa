import type { DatapathPlan } from '../core/balancer/plan.ts';

/** Carries clients' connections from the address to the backends. */
export interface Datapath {
  apply(plan: DatapathPlan): void;
  /** This host no longer answers for the address: connections through it can only hang, so they are reset now. Resolves when the resets are sent. */
  resetConnections(): Promise<void>;
  /** Takes no new connections, lets those under way end for at most `graceMs`, then resets the rest. */
  drain(graceMs: number): Promise<void>;
  /** A backend refused a connection, which counts at once, before the next probe. */
  onRefused(handler: (backend: string) => void): void;
  connections(): number;
  close(): Promise<void>;
}
