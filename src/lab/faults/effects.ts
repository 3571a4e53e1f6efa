import type { LabHost } from '../host.ts';
import type { Lab } from '../lab.ts';
import type { ProcessIdentity } from '../process.ts';
import { AGENT_EFFECTS } from './agent.ts';
import { HOST_EFFECTS } from './host.ts';
import { LEADER_EFFECTS } from './leader.ts';
import { NETWORK_EFFECTS } from './network.ts';
import { NODE_FAULTS, type NodeFault } from './node.ts';
import { SERVICE_EFFECTS } from './service.ts';

/** What a fault does to a lab. */
export interface Effects {
  /** Makes the lab ready, before it comes to rest, for a fault that needs something from the start of a process on. */
  prepare?(lab: Lab): Promise<void>;
  /** Undoes `prepare`. */
  restore?(lab: Lab): Promise<void>;
  /** Names of the hosts on which something is struck; the host alone where this is absent. */
  struck?(lab: Lab, host: LabHost): Promise<string[]> | string[];
  /** Returns the process that goes on doing harm, for a fault that has one; it ends by itself soon after `forMs`. */
  apply(
    lab: Lab,
    host: LabHost,
    options: { forMs: number; struck: readonly string[] },
  ): Promise<ProcessIdentity | void> | ProcessIdentity | void;
  /** Idempotent: it may meet a fault that was never applied, or that a boot has undone already. Any process of harm has ended. */
  undo(lab: Lab, host: LabHost): Promise<void> | void;
}

/** Those of a fault on one target. */
export interface BoundEffects {
  target: string;
  struck(): Promise<string[]> | string[];
  apply(options: { forMs: number; struck: readonly string[] }): Promise<ProcessIdentity | void> | ProcessIdentity | void;
  undo(): Promise<void> | void;
}

export const EFFECTS = {
  ...HOST_EFFECTS,
  ...AGENT_EFFECTS,
  ...NETWORK_EFFECTS,
  ...SERVICE_EFFECTS,
  ...LEADER_EFFECTS,
} as const satisfies Record<string, Effects>;

/** A fault of a control-plane host, or of what runs there. */
export type HostFault = keyof typeof EFFECTS;
export type Fault = HostFault | NodeFault;
export const FAULTS = Object.keys({ ...EFFECTS, ...NODE_FAULTS }) as readonly Fault[];

export function isNodeFault(fault: Fault): fault is NodeFault {
  return fault in NODE_FAULTS;
}
