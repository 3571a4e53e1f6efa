import { activePromise } from '../core/lease/granter.ts';
import { isFresh, type LeaseState, majority } from '../core/lease/state.ts';
import type { MemberStatus } from '../ports/control.ts';

/** Why a member does not hold the lease, in words; undefined when it does. */
export function whyNotHolding(
  state: LeaseState,
  context: { now: number; names: readonly string[]; unfit: string | undefined },
): string | undefined {
  const { role, granter, config } = state;
  const { now, names, unfit } = context;
  if (role.name === 'holder') return undefined;
  const promise = activePromise(granter, now);
  if (promise !== undefined && promise.candidate !== config.self) return `${names[promise.candidate]} holds the lease`;
  if (state.draining) return 'this host is drained; see: hale agent resume';
  if (state.fitness === 'unable') return unfit ?? 'this host is not able to hold the address';
  const alive = names.filter((_, member) => member === config.self || isFresh(state, member, now)).length;
  if (alive < majority(config.members)) {
    return `no majority: this agent hears ${alive} of ${config.members} members, itself included, and ${majority(config.members)} are needed`;
  }
  if (now < granter.silentUntil) return `just started: it promises nothing for another ${Math.ceil(granter.silentUntil - now)} ms`;
  const refusal = state.lastRefusal;
  if (refusal !== undefined && now - refusal.at < 3 * config.timing.leaseMs) return `${names[refusal.from]} refused: ${refusal.reason}`;
  return 'a round is under way';
}

/** The holder that this member knows of, and how long its lease lasts at least, as seen from here. */
export function knownHolder(state: LeaseState, now: number): { member: number; remainingMs: number } | undefined {
  const { role, granter, config } = state;
  if (role.name === 'holder') return { member: config.self, remainingMs: role.leaseEnd - now };
  const promise = activePromise(granter, now);
  if (promise === undefined || promise.candidate === config.self) return undefined;
  return { member: promise.candidate, remainingMs: promise.until - now };
}

export function membersStatus(
  state: LeaseState,
  context: { now: number; names: readonly string[]; addresses: readonly string[] },
): MemberStatus[] {
  const { now, names, addresses } = context;
  const namesIn = (mask: number) => names.filter((_, member) => mask & (1 << member));
  return names.map((name, member) => {
    const self = member === state.config.self;
    const peer = state.peers[member];
    const heartbeat = self ? undefined : peer?.heartbeat;
    const heard = names.reduce((mask, _, other) => (other === member || isFresh(state, other, now) ? mask | (1 << other) : mask), 0);
    const heardAt = peer?.heardAt ?? Number.NEGATIVE_INFINITY;
    return {
      name,
      address: addresses[member] as string,
      heardMsAgo: self || heardAt === Number.NEGATIVE_INFINITY ? null : Math.round(now - heardAt),
      alive: self || isFresh(state, member, now),
      fitness: self ? (state.draining ? 'unable' : state.fitness) : (heartbeat?.fitness ?? null),
      hears: namesIn(self ? heard : (heartbeat?.heard ?? 0)),
      readyBackends: namesIn(self ? state.readyBackends : (heartbeat?.readyBackends ?? 0)),
    };
  });
}
