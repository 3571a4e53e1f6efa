import { drawFrom } from '../../base/random.ts';
import type { Granter } from './granter.ts';
import type { Boot, Fitness, Heartbeat, LeaseMessage, Member, RefusalReason, Round } from './message.ts';
import type { LeaseTiming } from './timing.ts';

export interface LeaseConfig {
  /** This member's index. */
  self: Member;
  /** Number of members, 1 to 7; even while the members change. */
  members: number;
  timing: LeaseTiming;
  /** How long a holder may count on a promise from the moment it asked; see `holdMs`. */
  holdMs: number;
  /** False where something else decides who answers for the address: then members only tell each other how they are. */
  stands: boolean;
}

/** A round in flight, sent at `sentAt` of this member's clock; `granted` is a bit mask by member. */
interface OpenRound {
  seq: number;
  sentAt: number;
  granted: number;
}

export interface Holding {
  name: 'holder';
  term: number;
  /** Renewals still worth counting, oldest first. */
  rounds: readonly { seq: number; sentAt: number }[];
  /** By member: until when its promise may be counted on. */
  grantedUntil: readonly number[];
  leaseEnd: number;
  renewAt: number;
  /** How many announcements have gone out, and when the next is due. */
  announcements: number;
  announceAt: number;
  /** The hand-over under way, given up at `until`. */
  handover: { successor: Member; until: number } | undefined;
}

/**
 *   follower --standAt--> polling --majority would--> acquiring --majority promised--> holder
 *   follower --handover--> succeeding --majority promised, holder yielded--> holder
 *   holder --lease end--> withdrawing --withdrawn--> follower
 *   holder --drain, no successor--> withdrawing --withdrawn, release--> follower
 *   holder --ready from successor--> withdrawing --withdrawn, yield + release--> follower
 */
export type Role =
  | { name: 'follower' }
  | ({ name: 'polling' } & OpenRound)
  | ({ name: 'acquiring'; term: number } & OpenRound)
  | ({ name: 'succeeding'; predecessor: Member; term: number; askedAt: number; until: number } & OpenRound)
  | Holding
  | Withdrawing;

export interface Withdrawing {
  name: 'withdrawing';
  term: number;
  reason: LossReason;
  /** Whom to tell once the address is surely gone. */
  successor: { member: Member; round: Round; term: number } | undefined;
  /** When to try again after a withdrawal that failed. */
  retryAt: number;
}

export type LossReason = 'expired' | 'drained' | 'handed-over' | 'outclassed' | 'unable' | 'hold-failed';

/** What a member knows of another, from its own words. */
export interface Peer {
  heardAt: number;
  heartbeat: Heartbeat | undefined;
}

/** A yield that is repeated until the successor is heard to hold, because one lost datagram would cost a lease. */
export interface Yielding {
  successor: Member;
  round: Round;
  term: number;
  resendAt: number;
  until: number;
}

export interface LeaseState {
  config: LeaseConfig;
  boot: Boot;
  granter: Granter;
  role: Role;
  /** A follower stands at this time. */
  standAt: number;
  /** Rounds lost in a row: the back-off grows with them. */
  failedRounds: number;
  seq: number;
  /** Highest term seen anywhere. */
  term: number;
  /** Who held last, as far as this member promised: candidates rank themselves behind it in ring order. */
  lastHolder: Member | undefined;
  lastRefusal: { from: Member; reason: RefusalReason; at: number } | undefined;
  peers: readonly Peer[];
  fitness: Fitness;
  draining: boolean;
  /** Since when this holder is poor while another member is good; Infinity when it is not so. */
  outclassedSince: number;
  readyBackends: number;
  mac: number;
  heartbeatAt: number;
  yielding: Yielding | undefined;
  /** State of the jitter's generator. */
  jitter: number;
}

export type LeaseInput =
  | { kind: 'tick' }
  | { kind: 'message'; from: Member; message: LeaseMessage }
  /** What the agent found out about this host. */
  | { kind: 'fitness'; fitness: Fitness; readyBackends: number; mac: number }
  | { kind: 'drain' }
  | { kind: 'resume' }
  /** Results of the outputs `hold` and `withdraw`. */
  | { kind: 'hold-failed'; reason: string }
  | { kind: 'withdrawn'; ok: boolean };

export type LeaseOutput =
  | { kind: 'send'; to: Member; message: LeaseMessage }
  /** Answer for the address until `until`; first call of a holding and every renewal. */
  | { kind: 'hold'; until: number }
  /** Stop answering for the address now, and report `withdrawn`. With a successor, connections under way may end here and new ones go there. */
  | { kind: 'withdraw'; successor: Member | undefined }
  /** This member is about to follow `predecessor`: get ready to serve what that one passes on. */
  | { kind: 'prepare'; predecessor: Member; until: number }
  | { kind: 'announce' }
  | { kind: 'became-holder'; term: number; predecessor: Member | undefined; handedOver: boolean }
  | { kind: 'lost'; term: number; reason: LossReason };

/** One step in the making: `state` is the step's own copy, the only thing that it may change, and what hangs from it is replaced whole. */
export interface Turn {
  readonly now: number;
  readonly state: LeaseState;
  readonly outputs: LeaseOutput[];
}

export function update(turn: Turn, change: Partial<LeaseState>): void {
  Object.assign(turn.state, change);
}

export function majority(members: number): number {
  return Math.floor(members / 2) + 1;
}

export function hasMajority(config: LeaseConfig, mask: number): boolean {
  let count = 0;
  for (let member = 0; member < config.members; member++) if (mask & (1 << member)) count++;
  return count >= majority(config.members);
}

/** Uniform in [0, bound), and part of the state so that a run replays. */
export function jitter(turn: Turn, bound: number): number {
  const { next, fraction } = drawFrom(turn.state.jitter);
  update(turn, { jitter: next });
  return fraction * bound;
}

/** Sends to every other member. */
export function broadcast(turn: Turn, message: LeaseMessage): void {
  const { self, members } = turn.state.config;
  for (let to = 0; to < members; to++) if (to !== self) turn.outputs.push({ kind: 'send', to, message });
}

/** Heard within three heartbeats. */
export function isFresh(state: LeaseState, member: Member, now: number): boolean {
  return now - (state.peers[member] as Peer).heardAt <= 3 * state.config.timing.heartbeatMs;
}
