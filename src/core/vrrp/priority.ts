/** How fit a host is, said as a priority (RFC 9568 section 5.2.4): two levels, with room between them for other routers. */
import { assert } from '../../base/assert.ts';

/** Between two hosts: after the active falls silent each waits a part of an interval by its priority, so that only one takes over. */
const STEP = 25;
/** Hosts that reach no ready API server are under it. */
export const UNFIT_BELOW = 8;

/** Of the host at `index` among `hosts` (1 to 7), of which the first has `first` (20 to 254): different for each, and at least `UNFIT_BELOW`. */
export function goodPriority({ first, index, hosts }: { first: number; index: number; hosts: number }): number {
  const priority = first - index * Math.min(STEP, Math.floor((first - UNFIT_BELOW) / hosts));
  assert(priority >= UNFIT_BELOW, `priority ${first} has room for ${hosts} hosts`);
  return priority;
}

/** 1 to 7. */
export function poorPriority({ index }: { index: number }): number {
  return UNFIT_BELOW - 1 - index;
}
