/**
 * Where the holder of the address steers packets to, as two sets of backends (bit masks by index). A packet that opens a connection goes
 * to a backend of `opening`, any other to one of `established`, by the slot of its client (slots.ts).
 *
 * A backend that dies leaves both at once: only its own connections then meet another backend, which resets them. One that comes, or
 * drains, changes `opening` first; `established` follows when every connection that lives elsewhere than the new set says is known
 * as an exception, so that none moves. Meanwhile the kernel learns the connections that it sees opening.
 */
import type { BackendState } from './health.ts';
import { preferred } from './plan.ts';

/** Members tell their connections four times a second; lost datagrams and long lists take longer. */
export const SETTLE_MS = 1500;

export interface Steering {
  opening: number;
  established: number;
  /** When `established` follows `opening`; infinity when they are one. */
  settleAt: number;
}

export interface Masks {
  opening: number;
  established: number;
}

/** Nothing is steered. */
export const SILENT_MASKS: Masks = { opening: 0, established: 0 };

/** A start without connections that one could break. */
export function createSteering(): Steering {
  return settledOn(0);
}

/** Backends for new connections: all in the best state that any is in, save the dead. */
export function wantedBackends(states: readonly BackendState[]): number {
  const best = preferred(states.map((state) => ({ state })))[0]?.state;
  return maskOf(states, (state) => state === best && state !== 'dead');
}

function livingBackends(states: readonly BackendState[]): number {
  return maskOf(states, (state) => state !== 'dead');
}

function maskOf(states: readonly BackendState[], chosen: (state: BackendState) => boolean): number {
  return states.reduce((mask, state, i) => (chosen(state) ? mask | (1 << i) : mask), 0);
}

/** Follows the health of the backends; to be called at each change, and at `settleAt` until nothing changes. `serving`: those that may get new connections, as a mask. */
export function steer(
  steering: Steering,
  { states, serving }: { states: readonly BackendState[]; serving: number },
  now: number,
): Steering {
  const living = livingBackends(states);
  const wanted = wantedBackends(states.map((state, i) => (serving & (1 << i) ? state : 'dead')));
  const { settleAt } = steering;
  const opening = steering.opening & living;
  const established = steering.established & living;
  if (opening === 0 || established === 0) return settledOn(wanted);
  // What comes next is another step: what the kernel has learned belongs to this `opening`.
  if (now >= settleAt) return settledOn(opening);
  if (settleAt !== Number.POSITIVE_INFINITY) return { opening, established, settleAt };
  return wanted === established ? settledOn(wanted) : { opening: wanted, established, settleAt: now + SETTLE_MS };
}

function settledOn(mask: number): Steering {
  return { opening: mask, established: mask, settleAt: Number.POSITIVE_INFINITY };
}

/** Takes over what the holder said, so that the next holder steers as it did. */
export function adopt(masks: Masks, now: number): Steering {
  return masks.opening === masks.established ? settledOn(masks.opening) : { ...masks, settleAt: now + SETTLE_MS };
}
