import type { DatapathPlan } from '../core/balancer/plan.ts';

/** Carries clients' connections from the address to the backends. */
export interface Datapath {
  /** Called at every change; what is so already is left alone. */
  apply(plan: DatapathPlan): void;
  /** This host no longer answers for the address: connections through it can only hang, so they are reset now. Resolves when the resets are sent. */
  resetConnections(): Promise<void>;
  /** Takes no new connections, lets those under way end for at most `graceMs`, then resets the rest. */
  drain(graceMs: number): Promise<void>;
  /** A backend refused a connection, which counts at once, before the next probe. */
  onRefused(handler: (backend: string) => void): void;
  connections(): number;
  /** Mends what somebody else took out of the kernel, for example with `nft flush ruleset`. What was mended, in words; empty when all was there. */
  reconcile(): string[];
  close(): Promise<void>;
}

/** What of one datapath is in the kernel now, for `hale datapath explain`. */
export interface Explanation {
  /** `dsr`, `nat`, `ipvs`, `proxy`, `socket`, or `gate`: what decides who answers. */
  part: string;
  /** Sentences, in the order in which a packet meets what they tell. */
  says: string[];
  /** Null: not counted here. */
  counters: { what: string; packets: number | null; bytes: number | null; connections: number | null }[];
  /** What stands in the way, and the line that mends it; null where there is none. */
  problems: { what: string; fix: string | null }[];
}
