import type { EndpointAddress } from '../ports/endpoint.ts';
import type { NeighborWatch } from '../ports/neighbors.ts';

/** What the agent needs of the machine it runs on, beside the network between agents. */
export interface Host {
  endpoint: EndpointAddress;
  neighbors: NeighborWatch;
  /** Name and index of the interface that carries the shared address. */
  link: { name: string; index: number };
  /** Hardware address of the interface that carries the shared address. */
  mac: string;
  /** Whether the kernel ends the lease by itself. */
  enforced: boolean;
  /** What the kernel does not enforce here, in words, and why; undefined when it enforces all. */
  weaker: string | undefined;
  /** Whether timers run in a real-time scheduling class. */
  realtime: boolean;
  close(): void;
}
