import type { Family } from '../../base/address.ts';
import type { GateKind } from '../../drivers/linux/gate.ts';

/** What the agent leaves to its guardian: everything that is needed to put its host right when it is dead, and no key. */
export interface Will {
  agentPid: number;
  linkIndex: number;
  /** The shared addresses. */
  addresses: readonly string[];
  /** The gate to be closed; null when there is none. */
  gate: GateKind | null;
  /** How long the kernel may go on answering after the agent's death: so long it is worth to try again. */
  leaseMs: number;
  /** This member's own address, which its peers know it by. */
  from: string;
  /** Where the peers listen. */
  port: number;
  lastWords: readonly LastWords[];
  /** Of an active VRRP router: what makes a backup take over at once. */
  resignations: readonly Resignation[];
}

/** Sealed releases of the lease for one peer, to be sent one after the other, as datagrams get lost. In base64. */
export interface LastWords {
  to: string;
  datagrams: readonly string[];
}

/** An advertisement with priority 0 (RFC 9568 section 6.4.3), to be sent once. */
export interface Resignation {
  interfaceName: string;
  family: Family;
  from: string;
  to: string;
  /** In base64. */
  message: string;
}

/** A line on the guardian's standard input instead of a will: the agent has put everything right itself. */
export const STAND_DOWN = 'stand down';
/** Lines on the guardian's standard output. */
export const READY = 'ready';
export const ARMED = 'armed';
