import type { Flow } from '../core/balancer/flow.ts';
import type { Masks } from '../core/balancer/steering.ts';
import type { Effect } from './effect.ts';

export interface SteeringException {
  flow: Flow;
  backend: number;
}

/** What this host's kernel does with packets for the address when this host holds it, and whose it serves when it does not. */
export interface SteeringTable {
  /** Where packets go by their slot; while the masks differ, the kernel remembers the connections that it sees opening. */
  steer(masks: Masks): Effect;
  /** Hardware addresses of the backends, by index; undefined while unknown. Frames from one of them are served here, and never steered again. */
  setStations(macs: readonly (string | undefined)[]): Effect;
  /** Connections that live elsewhere than their slot says, by `flowKey`. Replaces the former ones. */
  except(exceptions: ReadonlyMap<string, SteeringException>): Effect;
  /** Mends what somebody else took out of the kernel; what that was, in words. */
  reconcile(): string[];
}
