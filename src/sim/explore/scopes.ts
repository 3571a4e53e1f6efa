/** What is explored: small clusters, each with the faults that it may meet. Some can be visited completely, the others up to a depth. */
import { DRIFT_BOUND } from '../../core/lease/timing.ts';
import type { Budget, Scope } from './world.ts';

const NONE: Budget = { crash: 0, kill: 0, guard: 0, duplicate: 0, drain: 0, withdrawFailure: 0, stand: 2 };
const SLOW = 1 - DRIFT_BOUND;
const FAST = 1 + DRIFT_BOUND;
const EVEN = [1, 1, 1];
const SWAP_01 = [[1, 0, 2]];
/** Successors are chosen in ring order, which rotations keep. */
const ROTATIONS = [
  [1, 2, 0],
  [2, 0, 1],
];
const ONE_LEASE = 1600;
const TWO_LEASES = 3100;

function scope(name: string, about: string, own: Omit<Partial<Scope>, 'budget'> & { budget?: Partial<Budget> }): Scope {
  return {
    name,
    about,
    members: 3,
    candidates: [0, 1],
    rates: EVEN,
    mortals: [0, 1, 2],
    laggards: [],
    freePolls: false,
    untilMs: ONE_LEASE,
    flightsMax: 6,
    symmetries: [],
    ...own,
    budget: { ...NONE, ...own.budget },
  };
}

export const scopes: readonly Scope[] = [
  scope('two-candidates', 'two candidates for one lease, messages lost and late', { symmetries: SWAP_01 }),
  scope('polls', 'the same with polls that are lost and late too', { freePolls: true, symmetries: SWAP_01, flightsMax: 5 }),
  scope('late-agents', 'agents that are held up at any point for any time', { laggards: [0, 1], symmetries: SWAP_01, flightsMax: 5 }),
  scope('duplicates', 'one message comes twice', { budget: { duplicate: 1 }, symmetries: SWAP_01, flightsMax: 5 }),
  scope('drift', 'a slow holder, fast granters, at the bound', {
    rates: [SLOW, FAST, FAST],
    laggards: [0],
    flightsMax: 5,
    budget: { stand: 2 },
  }),
  scope('restart', 'one member restarts, silent at first', { budget: { crash: 1 }, symmetries: SWAP_01, flightsMax: 4 }),
  scope('rejoin', 'a candidate restarts and stands again, with answers to its earlier run under way', {
    mortals: [0],
    budget: { crash: 1, stand: 3 },
    flightsMax: 4,
  }),
  scope('killed-agent', 'an agent dies, its kernel answers on', { budget: { kill: 1 }, symmetries: SWAP_01, flightsMax: 4 }),
  scope('guardian', 'an agent dies, its guardian gives the lease back', { budget: { guard: 1 }, symmetries: SWAP_01, flightsMax: 4 }),
  scope('hand-over', 'the holder is drained and names a successor', {
    candidates: [0],
    budget: { drain: 1, stand: 1 },
    laggards: [0],
    flightsMax: 5,
  }),
  scope('contested-hand-over', 'a third member stands while a hand-over is under way', {
    candidates: [0, 2],
    budget: { drain: 1, stand: 2 },
    flightsMax: 5,
  }),
  scope('refused-withdrawal', 'the kernel refuses to give up the address once', {
    budget: { drain: 1, withdrawFailure: 1, stand: 2 },
    flightsMax: 4,
  }),
  scope('renewals', 'one holder, whose renewals and their answers are lost and late, and a candidate after it', {
    untilMs: TWO_LEASES - 100,
    flightsMax: 3,
  }),
  scope('given-back', 'a candidate gives a round up and asks again, with the older words still under way', {
    budget: { stand: 3 },
    untilMs: ONE_LEASE + 500,
    flightsMax: 5,
  }),
  scope('overtaken-hand-over', 'two candidates and a hand-over within one instant', {
    budget: { drain: 1, stand: 2 },
    untilMs: 0,
    flightsMax: 5,
  }),
  scope('anybody', 'all three stand', { candidates: [0, 1, 2], budget: { stand: 3 }, symmetries: ROTATIONS, flightsMax: 4 }),
];

export function scopeNamed(name: string): Scope | undefined {
  return scopes.find((candidate) => candidate.name === name);
}
