import type { Flow } from '../core/balancer/flow.ts';
import type { Effect } from './effect.ts';

/** The clients whose connections to the shared address end on this host's kernel. */
export interface FlowSource {
  /** Some hundred flows a step, each in about a millisecond: there can be tens of thousands. */
  list(): Generator<readonly Flow[], Effect, void>;
}

/** Makes clients of a host that is gone find out at once. */
export interface ClientProd {
  /**
   * Sends each client one segment that is none of its connection's, from the shared address, and repeats it three times for those that
   * get lost. The client answers with a challenge ACK; whoever now serves the address knows no such connection and resets it. A client whose
   * connection is alive, or that is gone itself, is not harmed. Fails when the first of the segments cannot be sent.
   */
  prod(flows: readonly Flow[]): Effect;
  close(): void;
}
