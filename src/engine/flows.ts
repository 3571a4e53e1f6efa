import { type Flow, PAGES } from '../core/balancer/flow.ts';
import { FlowBook, type FlowDelta, FlowListing } from '../core/balancer/flow-book.ts';
import { type BalancerMessage, encodeBalancerMessage, packPages } from '../core/balancer/wire.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Effect } from '../ports/effect.ts';
import type { FlowSource } from '../ports/flows.ts';
import type { Log } from '../ports/log.ts';

/** A connection is known to all others this long after it was made, where a listing costs less than `LISTING_SHARE` of that. */
const TICK_MS = 250;
/** What listings may take of one core. */
const LISTING_SHARE = 0.01;
/** How long the thread is kept at a time: it also renews a lease. */
const SLICE_MS = 2;
const PAUSE_MS = 5;
/** Datagrams that are sent at a time to every member, and how long until the next ones. */
const BURST = 4;
const BURST_PAUSE_MS = 25;
const allPages = Array.from({ length: PAGES }, (_, page) => page);

export interface FlowEngineOptions {
  self: number;
  /** How many members there are, this one included. */
  members: number;
  clock: Clock;
  source: FlowSource;
  send: (to: number, payload: Uint8Array) => void;
  /** What is known of a member's flows, of this one's too, has changed. */
  onChange: (member: number, delta: FlowDelta) => void;
  log: Log;
}

/** A listing under way. */
interface Reading {
  reading: Generator<readonly Flow[], Effect, void>;
  listing: FlowListing;
  startedAt: number;
  spentMs: number;
}

/** Tells all members which clients are connected to this host, and knows which are connected to which other. */
export class FlowEngine {
  readonly #options: FlowEngineOptions;
  readonly #book: FlowBook;
  /** The last whole listing. */
  #listing: FlowListing | undefined;
  /** Pages to tell. */
  readonly #due = new Set<number>();
  /** The page that is told next, if it is due. */
  #next = 0;
  /** The page whose turn it is to be told unchanged. */
  #turn = 0;
  /** Pages of each member that have not been heard since the start of this run. */
  readonly #unheard: Set<number>[];
  #reading: Generator<readonly Flow[], Effect, void> | undefined;
  readonly #timers: Record<'list' | 'tell' | 'tick', Timer | undefined> = { list: undefined, tell: undefined, tick: undefined };
  /** Why the kernel's list could not be read, said once. */
  #complaint: string | undefined;
  #stopped = false;

  constructor(options: FlowEngineOptions) {
    this.#options = options;
    this.#book = new FlowBook(options.members);
    this.#unheard = Array.from({ length: options.members }, (_, member) => new Set(member === options.self ? [] : allPages));
    this.#later('list', 0, () => this.#list());
    this.#later('tick', 0, () => this.#tick());
  }

  flowsOf(member: number): readonly Flow[] {
    return this.#book.flowsOf(member);
  }

  /** What another member says; a `table` is not for here. */
  receive(from: number, message: BalancerMessage): void {
    if (this.#stopped || from === this.#options.self || message.kind === 'table') return;
    if (message.kind === 'query') return this.#tellAll();
    for (let page = message.first; page <= message.last; page++) this.#unheard[from]?.delete(page);
    const delta = this.#book.replace(from, message);
    if (delta !== undefined) this.#options.onChange(from, delta);
  }

  /** A member's host is gone, and with it what it told; should it come back, it is asked for all. */
  forget(member: number): void {
    if (member !== this.#options.self) this.#unheard[member] = new Set(allPages);
    const delta = this.#book.replace(member, { first: 0, last: PAGES - 1, flows: [] });
    if (delta !== undefined) this.#options.onChange(member, delta);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of Object.values(this.#timers)) timer?.cancel();
    this.#reading?.return({ ok: false, reason: 'stopped' });
  }

  #later(what: 'list' | 'tell' | 'tick', delayMs: number, run: () => void): void {
    if (this.#stopped) return;
    const { clock } = this.#options;
    this.#timers[what]?.cancel();
    this.#timers[what] = clock.at(clock.now() + delayMs, () => {
      this.#timers[what] = undefined;
      run();
    });
  }

  #list(): void {
    const reading = this.#options.source.list();
    this.#reading = reading;
    this.#readOn({ reading, listing: new FlowListing(), startedAt: this.#options.clock.now(), spentMs: 0 });
  }

  #readOn(progress: Reading): void {
    const { clock } = this.#options;
    const { reading, listing, startedAt } = progress;
    const sliceAt = clock.now();
    let step = reading.next();
    while (!step.done) {
      listing.add(step.value);
      if (clock.now() - sliceAt >= SLICE_MS) break;
      step = reading.next();
    }
    const spentMs = progress.spentMs + clock.now() - sliceAt;
    if (!step.done) return this.#later('list', PAUSE_MS, () => this.#readOn({ ...progress, spentMs }));
    this.#finish(listing, step.value);
    const nextAt = startedAt + Math.max(TICK_MS, spentMs / LISTING_SHARE);
    this.#later('list', nextAt - clock.now(), () => this.#list());
  }

  #finish(listing: FlowListing, read: Effect): void {
    const { log } = this.#options;
    const complaint = read.ok ? tooMany(listing.truncated) : `connections to the address could not be listed: ${read.reason}`;
    if (complaint !== undefined && complaint !== this.#complaint)
      log.warn({ reason: complaint }, 'some clients may hang when this host dies');
    this.#complaint = complaint;
    if (!read.ok) return;
    for (const page of listing.changedSince(this.#listing)) this.#due.add(page);
    this.#listing = listing;
    this.#tell();
  }

  #tick(): void {
    this.#later('tick', TICK_MS, () => this.#tick());
    for (const member of this.#unheard.keys()) {
      if (this.#unheard[member]?.size !== 0) this.#options.send(member, encodeBalancerMessage({ kind: 'query' }));
    }
    const listing = this.#listing;
    if (listing === undefined) return;
    // One datagram of pages that may be unchanged, so that what got lost is heard in the end.
    this.#due.add(this.#turn);
    this.#turn = (packPages(this.#turn, (index) => listing.page(index)).last + 1) % PAGES;
    if (this.#timers.tell === undefined) this.#tell();
  }

  #tellAll(): void {
    for (const page of allPages) this.#due.add(page);
    if (this.#timers.tell === undefined) this.#tell();
  }

  /** Sends what is due, some datagrams at a time. */
  #tell(): void {
    const listing = this.#listing;
    if (listing === undefined) return;
    for (let i = 0; i < BURST; i++) {
      const next = this.#nextDue();
      if (next === undefined) return;
      const message = packPages(next, (index) => listing.page(index));
      this.#next = (message.last + 1) % PAGES;
      for (let page = message.first; page <= message.last; page++) this.#due.delete(page);
      this.#broadcast(message);
      const delta = this.#book.replace(this.#options.self, message);
      if (delta !== undefined) this.#options.onChange(this.#options.self, delta);
    }
    if (this.#due.size > 0) this.#later('tell', BURST_PAUSE_MS, () => this.#tell());
  }

  /** Onwards in a circle: pages that become due again and again must not keep others from being told. */
  #nextDue(): number | undefined {
    const due = [...this.#due].toSorted((a, b) => a - b);
    return due.find((page) => page >= this.#next) ?? due[0];
  }

  #broadcast(message: BalancerMessage): void {
    const { members, self, send } = this.#options;
    const payload = encodeBalancerMessage(message);
    for (let member = 0; member < members; member++) if (member !== self) send(member, payload);
  }
}

function tooMany(truncated: number): string | undefined {
  return truncated > 0 ? 'more connections than can be told to the other hosts' : undefined;
}
