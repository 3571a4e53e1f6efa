import type { Effect } from './effect.ts';

/** Switches hosts off and on from outside, and says which they are. Every call settles within its own deadline; what goes wrong is a value. */
export interface Power {
  /** For people: `Redfish`, `IPMI`, `/usr/local/bin/power`. */
  readonly name: string;
  state(host: PowerTarget): Promise<PowerState>;
  /** Cuts the power at once, as holding the button does; returns when the controller has taken the order, not when the host is off. Harmless when it is off. */
  off(host: PowerTarget): Promise<Effect>;
  /** Harmless when it is on. */
  on(host: PowerTarget): Promise<Effect>;
}

/** `off` is proof: whoever answers for the host's power says so. `unknown` is none. */
export type PowerState = { kind: 'on' } | { kind: 'off' } | { kind: 'unknown'; reason: string };

export interface PowerTarget {
  /** Name of the node. */
  node: string;
  /** The node's InternalIP; empty when it has none. */
  address: string;
  /** The host's `bmc` in cluster.yaml; empty when it is not listed or has none. */
  bmc: string;
}
