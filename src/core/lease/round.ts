import { acceptRelease, answerRequest } from './granter.ts';
import type { RequestPurpose, Round } from './message.ts';
import { broadcast, isFresh, jitter, type LeaseState, type Turn, update } from './state.ts';

/** How long a follower waits, once the lease is free, before it stands: candidates go one after the other, beginning behind the last holder in ring order. */
export function standDelayMs(turn: Turn): number {
  const { config, lastHolder, fitness } = turn.state;
  const { self, members, timing } = config;
  const rank = lastHolder === undefined ? self : (self - lastHolder - 1 + members) % members;
  const outclassed = fitness === 'poor' && someoneIsGood(turn.state, turn.now);
  return rank * timing.staggerMs + jitter(turn, 1) + (outclassed ? timing.leaseMs / 2 : 0);
}

/** Whether another member, recently heard, calls itself good. */
export function someoneIsGood(state: LeaseState, now: number): boolean {
  return state.peers.some(
    (peer, member) => member !== state.config.self && peer.heartbeat?.fitness === 'good' && isFresh(state, member, now),
  );
}

export function canStand(state: LeaseState): boolean {
  return state.config.stands && state.fitness !== 'unable' && !state.draining;
}

export function nextRound(turn: Turn): Round {
  const seq = turn.state.seq + 1;
  update(turn, { seq });
  return { boot: turn.state.boot, seq };
}

/** Sends a request to every other member and asks this member's own granter at once; says whether that one granted. */
export function requestAll(turn: Turn, request: { purpose: RequestPurpose; round: Round; term: number }): boolean {
  const { granter, config } = turn.state;
  const message = { kind: 'request', ...request } as const;
  broadcast(turn, message);
  const own = answerRequest(granter, config.self, message, { now: turn.now, timing: config.timing });
  update(turn, { granter: own.granter });
  return own.answer.kind === 'grant';
}

/** Tells everybody, this member's own granter first, that promises up to `round` are not counted on any more. */
export function giveBack(turn: Turn, release: { round: Round; term: number }): void {
  const message = { kind: 'release', ...release } as const;
  update(turn, { granter: acceptRelease(turn.state.granter, turn.state.config.self, message) });
  broadcast(turn, message);
}
