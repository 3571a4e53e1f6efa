/**
 * Address conflict: detection before use and defence while in use.
 *
 *   idle --probe--> probing --hold--> holding
 *     ^               |                  |
 *     +----release----+------release-----+      (hold is taken in idle as well)
 *
 *   probing: a foreign claim or probe -> `occupied`                  RFC 5227 section 2.1.1, RFC 4862 section 5.4
 *   holding: a foreign claim -> `conflict`, and `announce` at most once per DEFEND_INTERVAL
 *
 * Defence follows RFC 5227 section 2.4, policy (c): keep the address and defend it without end. Policies (a) and (b) give it up, and then any
 * stray machine could take the API down for the whole cluster with one packet. Claims by other members are no conflict: it is the lease
 * that decides among them, and their late frames are expected during a takeover.
 */
import type { Machine, Step } from '../machine.ts';
import type { Claim } from './claim.ts';

/** RFC 5227 section 1.1: at least this long between two defensive announcements. */
export const DEFEND_INTERVAL_MS = 10_000;

export interface ConflictState {
  phase: 'idle' | 'probing' | 'holding';
  address: string;
  /** MAC addresses of all members, this host among them. */
  memberMacs: ReadonlySet<string>;
  /** When the address was last defended; undefined before the first time. */
  defendedAt: number | undefined;
}

export type ConflictInput = { kind: 'probe' } | { kind: 'hold' } | { kind: 'release' } | { kind: 'claim'; claim: Claim };

export type ConflictOutput =
  | { kind: 'announce'; address: string }
  | { kind: 'conflict'; address: string; mac: string }
  | { kind: 'occupied'; address: string; mac: string }
  | { kind: 'ignored'; reason: ClaimIgnored };

export type ClaimIgnored = 'other_address' | 'member' | 'not_probing_nor_holding' | 'probe_while_holding';

/** Not probing and not holding yet. */
export function conflictState(options: { address: string; memberMacs: Iterable<string> }): ConflictState {
  return { phase: 'idle', address: options.address, memberMacs: new Set(options.memberMacs), defendedAt: undefined };
}

export const conflict: Machine<ConflictState, ConflictInput, ConflictOutput> = {
  step(state, input, now) {
    switch (input.kind) {
      case 'probe':
        return { state: { ...state, phase: 'probing' }, outputs: [] };
      case 'hold':
        return { state: { ...state, phase: 'holding' }, outputs: [] };
      case 'release':
        return { state: { ...state, phase: 'idle' }, outputs: [] };
      case 'claim':
        return onClaim(state, input.claim, now);
    }
  },
  wakeAt: () => Number.POSITIVE_INFINITY,
};

function onClaim(state: ConflictState, claim: Claim, now: number): Step<ConflictState, ConflictOutput> {
  const { address, mac } = claim;
  const reason = whyIgnored(state, claim);
  if (reason !== undefined) return { state, outputs: [{ kind: 'ignored', reason }] };
  if (state.phase === 'probing') return { state, outputs: [{ kind: 'occupied', address, mac }] };
  const outputs: ConflictOutput[] = [{ kind: 'conflict', address, mac }];
  if (state.defendedAt !== undefined && now - state.defendedAt < DEFEND_INTERVAL_MS) return { state, outputs };
  outputs.push({ kind: 'announce', address });
  return { state: { ...state, defendedAt: now }, outputs };
}

function whyIgnored(state: ConflictState, claim: Claim): ClaimIgnored | undefined {
  if (claim.address !== state.address) return 'other_address';
  if (state.memberMacs.has(claim.mac)) return 'member';
  if (state.phase === 'idle') return 'not_probing_nor_holding';
  // The kernel answers a probe by itself, and a probe has no sender address, so it is no conflict (RFC 5227 section 2.4).
  if (state.phase === 'holding' && claim.kind === 'probe') return 'probe_while_holding';
  return undefined;
}
