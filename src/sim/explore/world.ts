/** One moment of a small cluster under exploration: production lease members, the messages between them, and what their kernels answer for. */
import { createMember, leaseMember } from '../../core/lease/member.ts';
import { LAST_SEQ, type LeaseMessage, type Member } from '../../core/lease/message.ts';
import type { LeaseInput, LeaseState } from '../../core/lease/state.ts';
import { type LeaseTiming, SILENCE_MS } from '../../core/lease/timing.ts';

/** A message under way. It may arrive at any later moment, or never. */
export interface Flight {
  from: Member;
  to: Member;
  message: LeaseMessage;
}

/** How many faults of each kind may still happen. */
export interface Budget {
  crash: number;
  /** The agent alone dies: its kernel answers on until the lease ends. */
  kill: number;
  /** The agent alone dies, and its guardian withdraws the address and gives the lease back. */
  guard: number;
  duplicate: number;
  drain: number;
  /** A withdrawal that the kernel refuses. */
  withdrawFailure: number;
  stand: number;
}

export interface Scope {
  name: string;
  /** One sentence for the list of scopes. */
  about: string;
  members: number;
  /** Members that may stand. */
  candidates: readonly Member[];
  /** Rate of each member's clock against true time. */
  rates: readonly number[];
  /** Members that crash, and whose agents are killed, as far as the budget goes. */
  mortals: readonly Member[];
  /** Members whose agents may be held up at any point for any time; the others act on time. */
  laggards: readonly Member[];
  /** Whether polls and their answers travel freely; otherwise they are instant, as they bind nobody. */
  freePolls: boolean;
  budget: Budget;
  /** True time at which exploration ends. */
  untilMs: number;
  /** Messages under way at once; what is sent beyond it is lost. */
  flightsMax: number;
  /** Renumberings of members under which the scope looks the same; the identity is implied. */
  symmetries: readonly (readonly Member[])[];
}

export interface World {
  now: number;
  /** Undefined: no agent runs there. */
  members: readonly (LeaseState | undefined)[];
  /** By member, how many runs it has had: stands for the random boot number. */
  runs: readonly number[];
  /** True time until which the kernel of each host answers for the address. */
  answersUntil: readonly number[];
  flights: readonly Flight[];
  budget: Budget;
}

export type Action =
  | { kind: 'advance' }
  | { kind: 'tick' | 'stand' | 'crash' | 'kill' | 'guard' | 'restart' | 'drain'; member: Member }
  | { kind: 'deliver' | 'duplicate'; flight: number };

/** Long enough that the silence of a restarted granter lasts one lease, as short as few moments in time need. */
const EXPLORED_TIMING: LeaseTiming = {
  leaseMs: SILENCE_MS,
  renewMs: SILENCE_MS / 2,
  roundTimeoutMs: SILENCE_MS / 3,
  staggerMs: 0,
  // Heartbeats carry nothing that safety depends on: everybody counts as fresh, nobody sends any.
  heartbeatMs: Number.POSITIVE_INFINITY,
};

export function firstWorld(scope: Scope): World {
  const all = Array.from({ length: scope.members }, (_, member) => member);
  return {
    now: 0,
    // Past their silence.
    members: all.map((member) => born(scope, { member, run: 1, localNow: -SILENCE_MS })),
    runs: all.map(() => 1),
    answersUntil: all.map(() => 0),
    flights: [],
    budget: scope.budget,
  };
}

function localTime(scope: Scope, member: Member, now: number): number {
  return now * (scope.rates[member] as number);
}

/** Members whose kernels answer for the address at this moment. */
export function answering(world: World): Member[] {
  return world.answersUntil.flatMap((until, member) => (until > world.now ? [member] : []));
}

function born(scope: Scope, run: { member: Member; run: number; localNow: number }): LeaseState {
  const { member, localNow } = run;
  const state = createMember({ self: member, members: scope.members, timing: EXPLORED_TIMING, boot: run.run, now: localNow });
  const heartbeat = { kind: 'heartbeat', fitness: 'good', term: 0, heard: 0, readyBackends: 0, mac: 0 } as const;
  return plain({ ...state, fitness: 'good', peers: state.peers.map(() => ({ heardAt: 0, heartbeat })) });
}

/** Sets to one value what safety does not depend on or what the explorer chooses itself, so that states that differ only there are one. */
function plain(state: LeaseState): LeaseState {
  const role = state.role.name === 'holder' ? { ...state.role, announcements: 0, announceAt: Number.POSITIVE_INFINITY } : state.role;
  return {
    ...state,
    role,
    standAt: Number.POSITIVE_INFINITY,
    heartbeatAt: Number.POSITIVE_INFINITY,
    failedRounds: 0,
    jitter: 0,
    lastRefusal: undefined,
    peers: NOBODY_HEARD.get(state.config.members) ?? remember(state),
  };
}

const NOBODY_HEARD = new Map<number, LeaseState['peers']>();
function remember(state: LeaseState): LeaseState['peers'] {
  NOBODY_HEARD.set(state.config.members, state.peers);
  return state.peers;
}

/** A world in the making. */
interface Draft {
  scope: Scope;
  now: number;
  members: (LeaseState | undefined)[];
  runs: number[];
  answersUntil: number[];
  flights: Flight[];
  budget: Budget;
  /** Whether the next withdrawal fails, and whether one was asked for. */
  refuseWithdrawal: boolean;
  withdrawals: number;
}

/** The worlds that an action can lead to: one, or two where a withdrawal may also fail. Throws what an assertion of the core throws. */
export function act(scope: Scope, world: World, action: Action): World[] {
  const draft = perform(scope, world, { action, refuseWithdrawal: false });
  if (draft.withdrawals === 0 || world.budget.withdrawFailure === 0) return [finish(draft)];
  const failed = perform(scope, world, { action, refuseWithdrawal: true });
  failed.budget = { ...failed.budget, withdrawFailure: failed.budget.withdrawFailure - 1 };
  return [finish(draft), finish(failed)];
}

function perform(scope: Scope, world: World, how: { action: Action; refuseWithdrawal: boolean }): Draft {
  const draft: Draft = {
    scope,
    now: world.now,
    members: [...world.members],
    runs: [...world.runs],
    answersUntil: [...world.answersUntil],
    flights: [...world.flights],
    budget: world.budget,
    refuseWithdrawal: how.refuseWithdrawal,
    withdrawals: 0,
  };
  carryOut(draft, how.action);
  return draft;
}

function finish(draft: Draft): World {
  const { now, members, runs, answersUntil, budget } = draft;
  const flights = draft.flights.filter(({ from, to, message }) => matters(members[to], from, message));
  return { now, members, runs, answersUntil, flights, budget };
}

/** Whether a message may still change its receiver, now or later; what cannot is forgotten. Round numbers only grow, so what is too old stays so. */
function matters(state: LeaseState | undefined, from: Member, message: LeaseMessage): boolean {
  if (message.kind === 'request' && state !== undefined) {
    const last = state.granter.lastRound[from];
    return last === undefined || last.boot !== message.round.boot || last.seq < message.round.seq;
  }
  if (message.kind !== 'grant' && message.kind !== 'refusal') return true;
  // An answer to an earlier run: numbers of the present one may come to match it, and it must not count all the same.
  if (state === undefined || message.round.boot !== state.boot) return true;
  const { role } = state;
  const { seq } = message.round;
  if (message.kind === 'refusal') return role.name === 'acquiring' && role.seq === seq && message.reason === 'term';
  if (role.name === 'holder') return role.rounds.some((round) => round.seq === seq);
  return (role.name === 'acquiring' && role.seq === seq) || (role.name === 'succeeding' && role.seq <= seq) || message.poll;
}

function carryOut(draft: Draft, action: Action): void {
  switch (action.kind) {
    case 'advance':
      draft.now = nextMoment(draft.scope, draft);
      return;
    case 'tick':
      return input(draft, action.member, { kind: 'tick' });
    case 'stand': {
      spend(draft, 'stand');
      const state = draft.members[action.member] as LeaseState;
      draft.members[action.member] = { ...state, standAt: localTime(draft.scope, action.member, draft.now) };
      return input(draft, action.member, { kind: 'tick' });
    }
    case 'drain':
      spend(draft, 'drain');
      return input(draft, action.member, { kind: 'drain' });
    case 'crash':
    case 'kill':
    case 'guard':
      return end(draft, action.kind, action.member);
    case 'restart':
      return restart(draft, action.member);
    case 'duplicate':
    case 'deliver':
      return deliver(draft, action);
  }
}

function spend(draft: Draft, what: keyof Budget): void {
  draft.budget = { ...draft.budget, [what]: draft.budget[what] - 1 };
}

function end(draft: Draft, how: 'crash' | 'kill' | 'guard', member: Member): void {
  spend(draft, how);
  const state = draft.members[member] as LeaseState;
  draft.members[member] = undefined;
  if (how === 'kill') return;
  draft.answersUntil[member] = 0;
  if (how === 'crash') return;
  const message: LeaseMessage = { kind: 'release', round: { boot: state.boot, seq: LAST_SEQ }, term: state.term };
  for (let to = 0; to < draft.scope.members; to++) if (to !== member) send(draft, { from: member, to, message });
}

/** A new run of the agent, which first removes what the one before left in the kernel. */
function restart(draft: Draft, member: Member): void {
  const run = (draft.runs[member] as number) + 1;
  draft.runs[member] = run;
  draft.answersUntil[member] = 0;
  draft.members[member] = born(draft.scope, { member, run, localNow: localTime(draft.scope, member, draft.now) });
}

function deliver(draft: Draft, action: Extract<Action, { flight: number }>): void {
  const { from, to, message } = draft.flights[action.flight] as Flight;
  if (action.kind === 'duplicate') spend(draft, 'duplicate');
  else draft.flights.splice(action.flight, 1);
  if (draft.members[to] !== undefined) input(draft, to, { kind: 'message', from, message });
}

/** One step of a member and what follows at once: the effects on its kernel, whose results go back into it (as engine/lease.ts does). */
function input(draft: Draft, member: Member, first: LeaseInput): void {
  const queue = [first];
  const now = localTime(draft.scope, member, draft.now);
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { state, outputs } = leaseMember.step(draft.members[member] as LeaseState, next, now);
    draft.members[member] = plain(state);
    for (const output of outputs) {
      if (output.kind === 'send') send(draft, { from: member, to: output.to, message: output.message });
      else if (output.kind === 'hold') {
        if (output.until > now) draft.answersUntil[member] = output.until / (draft.scope.rates[member] as number);
        else queue.push({ kind: 'hold-failed', reason: 'the lease has ended' });
      } else if (output.kind === 'withdraw') queue.push(withdraw(draft, member));
    }
  }
}

function withdraw(draft: Draft, member: Member): LeaseInput {
  draft.withdrawals++;
  const ok = !draft.refuseWithdrawal;
  if (ok) draft.answersUntil[member] = 0;
  draft.refuseWithdrawal = false;
  return { kind: 'withdrawn', ok };
}

function send(draft: Draft, flight: Flight): void {
  const { scope, members, flights } = draft;
  const { kind } = flight.message;
  if (kind === 'heartbeat') return;
  const isPoll = kind === 'poll' || ((kind === 'grant' || kind === 'refusal') && flight.message.poll);
  if (isPoll && !scope.freePolls) {
    if (members[flight.to] !== undefined) input(draft, flight.to, { kind: 'message', from: flight.from, message: flight.message });
    return;
  }
  if (flights.length < scope.flightsMax) flights.push(flight);
}

/** The next moment at which anything can become different by itself; Infinity when nothing can. */
function nextMoment(scope: Scope, { now, members, answersUntil }: Pick<World, 'now' | 'members' | 'answersUntil'>): number {
  let next = Number.POSITIVE_INFINITY;
  const consider = (at: number | undefined) => {
    if (at !== undefined && at > now && at < next) next = at;
  };
  for (const until of answersUntil) consider(until);
  for (const [member, state] of members.entries()) {
    if (state === undefined) continue;
    const rate = scope.rates[member] as number;
    for (const at of deadlines(state)) consider(at / rate);
  }
  return next;
}

/** Repeats of lost messages have no moment of their own: they happen at the others. */
function* deadlines({ granter, role, yielding }: LeaseState): Iterable<number> {
  yield granter.silentUntil;
  if (granter.promise !== undefined) yield granter.promise.until;
  if (granter.succession !== undefined) yield granter.succession.until;
  if (yielding !== undefined) yield yielding.until;
  if (role.name === 'polling' || role.name === 'acquiring') yield role.sentAt + EXPLORED_TIMING.roundTimeoutMs;
  if (role.name === 'succeeding') yield role.until;
  if (role.name === 'withdrawing') yield role.retryAt;
  if (role.name !== 'holder') return;
  yield role.leaseEnd;
  yield role.renewAt;
  if (role.handover !== undefined) yield role.handover.until;
}

/** Everything that can happen next. */
export function* actions(scope: Scope, world: World): Iterable<Action> {
  const { members, flights, budget } = world;
  let overdue = false;
  for (const [member, state] of members.entries()) {
    if (state === undefined) {
      yield { kind: 'restart', member };
      continue;
    }
    const due = leaseMember.wakeAt(state) <= localTime(scope, member, world.now);
    if (due) yield { kind: 'tick', member };
    if (due && !scope.laggards.includes(member)) overdue = true;
    const mayStand = scope.candidates.includes(member) && state.role.name === 'follower' && budget.stand > 0 && !state.draining;
    if (mayStand) yield { kind: 'stand', member };
    if (scope.mortals.includes(member)) {
      if (budget.crash > 0) yield { kind: 'crash', member };
      if (budget.kill > 0 && state.role.name === 'holder') yield { kind: 'kill', member };
      if (budget.guard > 0) yield { kind: 'guard', member };
    }
    if (budget.drain > 0 && state.role.name === 'holder') yield { kind: 'drain', member };
  }
  for (let flight = 0; flight < flights.length; flight++) {
    yield { kind: 'deliver', flight };
    if (budget.duplicate > 0) yield { kind: 'duplicate', flight };
  }
  if (overdue) return;
  if (nextMoment(scope, world) <= scope.untilMs) yield { kind: 'advance' };
}
