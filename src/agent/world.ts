import type { Choice } from '../core/balancer/choice.ts';
import type { GateKind } from '../drivers/linux/gate.ts';
import type { EndpointAddress } from '../ports/endpoint.ts';
import type { NeighborWatch } from '../ports/neighbors.ts';
import type { SteeringTable } from '../ports/steering.ts';

/** What the agent needs of the machine it runs on, beside the network between agents. */
export interface Host {
  endpoint: EndpointAddress;
  /** Undefined where routers find the address, and no neighbour is to answer for it. */
  neighbors: NeighborWatch | undefined;
  /** Name and index of the interface that carries the shared address. */
  link: { name: string; index: number };
  /** Names of all interfaces by which packets of clients and answers of API servers come in. */
  interfaces: readonly string[];
  /** Hardware address of the interface that carries the shared address, as `reconcile` last found it. */
  readonly mac: string;
  /** What the kernel ends the lease with; null when it does not by itself. */
  gate: GateKind | null;
  /** What the kernel does not enforce here, in words, and why; undefined when it enforces all. */
  weaker: string | undefined;
  /** Which datapath this host uses, and why. */
  choice: Choice;
  /** With datapath dsr. */
  steering: SteeringTable | undefined;
  /** Hardware addresses of the members, by index, as this machine knew them at the start. */
  stations: readonly (string | undefined)[];
  /** Whether timers run in a real-time scheduling class. */
  realtime: boolean;
  /** Where routers find the address: whether an agent that ran before left the host serving it. */
  restarted: boolean;
  /** Mends what somebody else changed in the kernel; what that was, in words. */
  reconcile(): string[];
  close(): void;
}
