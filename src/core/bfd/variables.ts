import type { BfdState } from './packet.ts';

/** What this host asks for; intervals of 1 ms to 71 minutes, a multiplier of 1 to 255. */
export interface BfdTimers {
  transmitMs: number;
  receiveMs: number;
  multiplier: number;
}

/** Variables of RFC 5880 section 6.8.1, without the prefix `bfd.`, and what timers need. */
export interface SessionState {
  config: { localDiscriminator: number; role: 'active' | 'passive' };
  /** As asked for; what is announced follows as soon as it may. */
  timers: BfdTimers;
  state: BfdState;
  diagnostic: number;
  desiredMinTxUs: number;
  requiredMinRxUs: number;
  multiplier: number;
  /** In place of the two intervals above while a Poll Sequence has not told the peer of them (section 6.8.3). */
  inUse: { minTxUs: number; minRxUs: number };
  remote: RemoteState;
  poll: PollSequence;
  /** When the last valid packet came; undefined when none came for a Detection Time. */
  heardAt: number | undefined;
  sentAt: number;
  /** What the last packet said, without Poll and Final; undefined before the first. */
  said: string | undefined;
  /** Of the interval that runs now. */
  jitterFactor: number;
  /** State of the jitter's generator. */
  jitter: number;
}

export interface RemoteState {
  state: BfdState;
  diagnostic: number;
  /** 0 when the peer was not heard for a Detection Time. */
  discriminator: number;
  demand: boolean;
  multiplier: number;
  minTxUs: number;
  minRxUs: number;
}

/**
 * `wanted`: the next packet that is not an answer has the Poll bit; `sent`: one had, and Final has not come; `settling`: it has come, and a packet
 * without it has to come before the next sequence, lest a late Final ends that one (section 6.8.3).
 */
export type PollSequence = 'none' | 'wanted' | 'sent' | 'settling';
