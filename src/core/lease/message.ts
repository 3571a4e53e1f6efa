/** Index of a member in the cluster description. */
export type Member = number;

/** Identifies one run of one member's agent: random, 48 bits. A reply meant for an earlier run must not count for the present one. */
export type Boot = number;

/** How fit a member is to hold the address. */
export type Fitness = 'unable' | 'poor' | 'good';
export const fitnessLevels: readonly Fitness[] = ['unable', 'poor', 'good'];

/** One question of a candidate, so that answers find their question. */
export interface Round {
  boot: Boot;
  seq: number;
}

/** Higher than the number of any round: a release of it covers every promise of its run. */
export const LAST_SEQ = 2 ** 48 - 1;

export type RefusalReason = 'silent' | 'promised' | 'term' | 'stale';
export const refusalReasons: readonly RefusalReason[] = ['silent', 'promised', 'term', 'stale'];

/** What a member tells about itself. `heard` and `readyBackends` are bit masks by member index. */
export interface Heartbeat {
  kind: 'heartbeat';
  fitness: Fitness;
  term: number;
  heard: number;
  readyBackends: number;
  /** Hardware address of the interface the address lives on, so that peers tell members from strangers; 0 when unknown. */
  mac: number;
}

export type LeaseMessage =
  /** Would you promise? Binds nobody; keeps a candidate without a chance from disturbing others (pre-vote). */
  | { kind: 'poll'; round: Round }
  /** Promise me the lease. `acquire`: a new holder; `renew`: the holder goes on; `succeed`: taking over with the holder's consent. */
  | { kind: 'request'; purpose: RequestPurpose; round: Round; term: number }
  | { kind: 'grant'; round: Round; poll: boolean; term: number }
  | { kind: 'refusal'; round: Round; poll: boolean; term: number; reason: RefusalReason; waitMs: number }
  /** The candidate does not and will not count on promises up to this round. */
  | { kind: 'release'; round: Round; term: number }
  /** The holder consents to `successor` taking over. */
  | { kind: 'handover'; term: number; successor: Member }
  /** The successor has a majority and waits for the holder's word. */
  | { kind: 'ready'; round: Round; term: number }
  /** The holder has stopped answering for the address; the successor's round may start to count. */
  | { kind: 'yield'; round: Round; term: number }
  | Heartbeat;

export type RequestPurpose = 'acquire' | 'renew' | 'succeed';
export const requestPurposes: readonly RequestPurpose[] = ['acquire', 'renew', 'succeed'];
