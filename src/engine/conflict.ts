import { type ConflictInput, type ConflictState, conflict, conflictState } from '../core/neighbor/conflict.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { NeighborClaim, NeighborWatch } from '../ports/neighbors.ts';

/** Probes before an address counts as free, and the time between two. RFC 5227 section 1.1 takes 3 over seconds, for links that come up with the host; here the link is up already. */
const PROBES = 3;
const PROBE_GAP_MS = 50;
/** While this host holds, it asks the link this often whether a member answers as well. */
const MEMBERS_LOOK_MS = 10_000;
/** While somebody else answers, the link is asked again after this long. */
const PROBE_AGAIN_MS = 500;

export interface Occupant {
  address: string;
  mac: string;
  /** When it was first heard. */
  since: number;
}

export interface ConflictEngineOptions {
  addresses: readonly string[];
  clock: Clock;
  watch: NeighborWatch;
  memberMacs: () => Iterable<string>;
  announce: () => void;
  /** The answer to `occupant` may have changed. */
  onChange: () => void;
  /** A stranger claims the address that this host holds. */
  onConflict: (claim: { address: string; mac: string }) => void;
  /** A member answers for the address that this host holds: its kernel does, without its agent. */
  onMemberAnswer: (claim: { address: string; mac: string }) => void;
}

/** Makes sure that nobody else has the address before this host stands for it, and defends it while it holds. */
export class ConflictEngine {
  readonly #options: ConflictEngineOptions;
  readonly #states: Map<string, ConflictState>;
  #occupant: Occupant | undefined;
  #unanswered = 0;
  #checked = false;
  #timer: Timer | undefined;
  #holding = false;
  #look: Timer | undefined;

  constructor(options: ConflictEngineOptions) {
    this.#options = options;
    this.#states = new Map(options.addresses.map((address) => [address, conflictState({ address, memberMacs: [] })]));
    options.watch.onClaim((claim) => this.#receive(claim));
    this.#input({ kind: 'probe' });
    this.#probe();
  }

  /** Who else answers for the address; `undefined` when nobody does, 'unchecked' before that is known. */
  get occupant(): Occupant | 'unchecked' | undefined {
    return this.#occupant ?? (this.#checked ? undefined : 'unchecked');
  }

  setHolding(holding: { now: boolean }): void {
    this.#holding = holding.now;
    this.#look?.cancel();
    if (holding.now) this.#lookLater();
    this.#input({ kind: holding.now ? 'hold' : 'release' });
  }

  /** Not at once: after a hand-over, answers of the holder before may be under way. */
  #lookLater(): void {
    const { clock, watch, addresses } = this.#options;
    this.#look = clock.at(clock.now() + MEMBERS_LOOK_MS, () => {
      for (const address of addresses) watch.probe(address);
      this.#lookLater();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#look?.cancel();
    this.#options.watch.close();
  }

  #probe(): void {
    const { watch, addresses, clock } = this.#options;
    if (this.#unanswered >= PROBES) return this.#free();
    const asked = addresses.map((address) => watch.probe(address)).every((effect) => effect.ok);
    // A question that never left the host has not been answered with silence.
    if (asked) this.#unanswered++;
    const gapMs = asked && this.#occupant === undefined ? PROBE_GAP_MS : PROBE_AGAIN_MS;
    this.#timer = clock.at(clock.now() + gapMs, () => this.#probe());
  }

  #free(): void {
    this.#checked = true;
    this.#occupant = undefined;
    for (const [address, state] of this.#states) if (state.phase === 'probing') this.#step(address, { kind: 'release' });
    this.#options.onChange();
  }

  #receive(claim: NeighborClaim): void {
    // Who asks does not use the address yet; other agents ask when they start, and among members the lease decides.
    if (claim.kind === 'probe') return;
    if (this.#holding && claim.kind === 'answer' && new Set(this.#options.memberMacs()).has(claim.mac)) this.#options.onMemberAnswer(claim);
    if (this.#states.has(claim.address)) this.#step(claim.address, { kind: 'claim', claim });
  }

  #input(input: ConflictInput): void {
    for (const address of this.#states.keys()) this.#step(address, input);
  }

  #step(address: string, input: ConflictInput): void {
    const { clock, memberMacs, announce, onConflict } = this.#options;
    const before = { ...(this.#states.get(address) as ConflictState), memberMacs: new Set(memberMacs()) };
    const { state, outputs } = conflict.step(before, input, clock.now());
    this.#states.set(address, state);
    for (const output of outputs) {
      if (output.kind === 'announce') announce();
      else if (output.kind === 'conflict') onConflict(output);
      else if (output.kind === 'occupied') this.#occupied(output);
    }
  }

  #occupied(found: { address: string; mac: string }): void {
    this.#unanswered = 0;
    if (this.#occupant?.mac === found.mac) return;
    this.#occupant = { ...found, since: this.#options.clock.now() };
    this.#options.onChange();
  }
}
