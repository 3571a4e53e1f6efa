/** Tells worlds apart by a 52-bit hash that is the same for worlds that differ only in the numbering of interchangeable members. */
import type { LeaseMessage, Member, Round } from '../../core/lease/message.ts';
import type { LeasePromise } from '../../core/lease/granter.ts';
import type { LeaseState, Role } from '../../core/lease/state.ts';
import type { Flight, Scope, World } from './world.ts';

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** Two lanes of 32 bits, mixed as MurmurHash3 mixes its blocks. */
class Hash {
  a = 0x243f6a88;
  b = 0x85a308d3;

  add(value: number): void {
    double[0] = value;
    this.#word(words[0] as number);
    this.#word(words[1] as number);
  }

  #word(word: number): void {
    let k = Math.imul(word, 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    this.a = (Math.imul(((this.a ^ k) << 13) | ((this.a ^ k) >>> 19), 5) + 0xe6546b64) | 0;
    this.b = (Math.imul(((this.b ^ Math.imul(k, 0x85ebca6b)) << 17) | ((this.b ^ Math.imul(k, 0x85ebca6b)) >>> 15), 9) + 0x52dce729) | 0;
  }

  text(value: string): void {
    for (let i = 0; i < value.length; i++) this.#word(value.charCodeAt(i));
  }

  /** Whole number below 2^52. */
  end(): number {
    return (finalise(this.a) & 0xf_ffff) * 0x1_0000_0000 + (finalise(this.b ^ this.a) >>> 0);
  }
}

function finalise(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** `to[member]` is the member's number after the renumbering. */
type Renumbering = readonly Member[];

/** The smallest hash over all renumberings of the scope. */
export function worldHash(scope: Scope, world: World): number {
  let least = hashAs(world, IDENTITY);
  for (const renumbering of scope.symmetries) least = Math.min(least, hashAs(world, renumbering));
  return least;
}

const IDENTITY: Renumbering = [0, 1, 2, 3, 4, 5, 6];

function hashAs(world: World, to: Renumbering): number {
  const hash = new Hash();
  hash.add(world.now);
  const order = inverse(to, world.members.length);
  for (const member of order) {
    hash.add(world.answersUntil[member] as number);
    hash.add(world.runs[member] as number);
    const state = world.members[member];
    if (state === undefined) hash.add(-1);
    else addState(hash, state, { to, order });
  }
  const { crash, kill, guard, duplicate, drain, withdrawFailure, stand } = world.budget;
  for (const left of [crash, kill, guard, duplicate, drain, withdrawFailure, stand]) hash.add(left);
  // Messages under way have no order: each hashes alone, and the sum counts.
  let flights = 0;
  for (const flight of world.flights) flights = (flights + hashFlight(flight, to)) % 2 ** 52;
  hash.add(flights);
  return hash.end();
}

function inverse(to: Renumbering, members: number): Member[] {
  const all = Array.from({ length: members }, (_, member) => member);
  return all.map((place) => to.indexOf(place));
}

interface Names {
  to: Renumbering;
  /** The members in their new order. */
  order: readonly Member[];
}

function addState(hash: Hash, state: LeaseState, names: Names): void {
  const { granter } = state;
  addMember(hash, state.lastHolder, names);
  for (const value of [state.boot, state.seq, state.term, state.outclassedSince, state.draining ? 1 : 0]) hash.add(value);
  hash.add(granter.silentUntil);
  hash.add(granter.term);
  addPromise(hash, granter.promise, names);
  addPromise(hash, granter.succession, names);
  addMember(hash, granter.consent, names);
  for (const member of names.order) addRound(hash, granter.lastRound[member]);
  if (state.yielding === undefined) hash.add(-1);
  else {
    addMember(hash, state.yielding.successor, names);
    addRound(hash, state.yielding.round);
    for (const value of [state.yielding.term, state.yielding.resendAt, state.yielding.until]) hash.add(value);
  }
  addRole(hash, state.role, names);
}

function addRole(hash: Hash, role: Role, names: Names): void {
  hash.text(role.name);
  if ('term' in role) hash.add(role.term);
  if ('seq' in role) {
    hash.add(role.seq);
    hash.add(role.sentAt);
    addMask(hash, role.granted, names);
  }
  if (role.name === 'succeeding') {
    addMember(hash, role.predecessor, names);
    hash.add(role.askedAt);
    hash.add(role.until);
  }
  if (role.name === 'withdrawing') {
    hash.text(role.reason);
    hash.add(role.retryAt);
    addMember(hash, role.successor?.member, names);
    addRound(hash, role.successor?.round);
  }
  if (role.name !== 'holder') return;
  for (const round of role.rounds) {
    hash.add(round.seq);
    hash.add(round.sentAt);
  }
  for (const member of names.order) hash.add(role.grantedUntil[member] as number);
  hash.add(role.leaseEnd);
  hash.add(role.renewAt);
  addMember(hash, role.handover?.successor, names);
  hash.add(role.handover?.until ?? -1);
}

function addPromise(hash: Hash, promise: LeasePromise | undefined, names: Names): void {
  addMember(hash, promise?.candidate, names);
  if (promise === undefined) return;
  addRound(hash, promise.round);
  hash.add(promise.term);
  hash.add(promise.until);
}

function addMember(hash: Hash, member: Member | undefined, { to }: Pick<Names, 'to'>): void {
  hash.add(member === undefined ? -1 : (to[member] as number));
}

function addMask(hash: Hash, mask: number, { order }: Names): void {
  for (const member of order) hash.add((mask >> member) & 1);
}

function addRound(hash: Hash, round: Round | undefined): void {
  hash.add(round?.boot ?? -1);
  hash.add(round?.seq ?? -1);
}

function hashFlight({ from, to, message }: Flight, renumbering: Renumbering): number {
  const hash = new Hash();
  hash.add(renumbering[from] as number);
  hash.add(renumbering[to] as number);
  addMessage(hash, message, renumbering);
  return hash.end();
}

function addMessage(hash: Hash, message: LeaseMessage, to: Renumbering): void {
  hash.text(message.kind);
  if ('round' in message) addRound(hash, message.round);
  if ('term' in message) hash.add(message.term);
  if (message.kind === 'request') hash.text(message.purpose);
  if (message.kind === 'grant' || message.kind === 'refusal') hash.add(message.poll ? 1 : 0);
  if (message.kind === 'refusal') {
    hash.text(message.reason);
    hash.add(message.waitMs);
  }
  if (message.kind === 'handover') addMember(hash, message.successor, { to });
}
