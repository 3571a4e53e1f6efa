import { assert } from '../base/assert.ts';
import { createRandom, type Random } from '../base/random.ts';
import { type BfdDecline, declineText } from '../core/bfd/decline.ts';
import { type BfdPeer, demultiplex, passesGtsm, sessionByAddresses } from '../core/bfd/demultiplex.ts';
import { type BfdState, decodeControlPacket } from '../core/bfd/packet.ts';
import type { BfdTimers } from '../core/bfd/variables.ts';
import type { BfdLink, BfdPacket } from '../ports/bfd.ts';
import type { Clock } from '../ports/clock.ts';
import { BfdSessionRun, type BfdSessionStatus } from './bfd-session.ts';

export interface BfdSessionOptions extends BfdPeer, BfdTimers {
  /** A passive session waits for the peer's first packet (RFC 5880 section 6.1); at least one side is active, which is the default. */
  role?: 'active' | 'passive';
  /** Multihop only: least TTL of the peer's packets, which start with 255; 1 to 255, by default 1. */
  minimumTtl?: number;
}

export interface BfdChange {
  session: BfdPeer;
  state: BfdState;
  /** Why, in the words of RFC 5880 section 4.1. */
  diagnostic: string;
  /** `AdminDown` of the peer is no failure: what hangs on the session goes on (RFC 5882 section 4.1). */
  remoteState: BfdState;
}

export interface BfdEngineOptions {
  clock: Clock;
  /** Closed by `stop`. */
  link: BfdLink;
  sessions: readonly BfdSessionOptions[];
  /** Of jitter and discriminators: unpredictable, so that nobody off the path can guess a discriminator (RFC 5880 section 6.8.1). */
  seed: number;
  onChange: (change: BfdChange) => void;
}

/** Packets of no session. */
export interface BfdStrays {
  count: number;
  /** Where the last came from and why it was discarded. */
  last: string | undefined;
}

/** All BFD sessions of this host over one link. */
export class BfdEngine {
  readonly #options: BfdEngineOptions;
  readonly #random: Random;
  #sessions: BfdSessionRun[] = [];
  readonly #strays: BfdStrays = { count: 0, last: undefined };

  constructor(options: BfdEngineOptions) {
    this.#options = options;
    this.#random = createRandom(options.seed);
    options.link.onReceive((packet) => this.#receive(packet));
    for (const each of options.sessions) this.add(each);
  }

  /** Starts a session; there must be none with the same ends. */
  add(options: BfdSessionOptions): void {
    const { localAddress, remoteAddress, multihop } = options;
    const ends: BfdPeer = { localAddress, remoteAddress, multihop };
    assert(this.#find(ends) === undefined, `one BFD session between ${localAddress} and ${remoteAddress}`);
    const { clock, link, onChange } = this.#options;
    const run: BfdSessionRun = new BfdSessionRun({
      member: { ...ends, localDiscriminator: this.#newDiscriminator(), minimumTtl: options.minimumTtl ?? 1 },
      timers: timersOf(options),
      role: options.role ?? 'active',
      seed: this.#random.below(0x1_0000_0000),
      clock,
      link,
      onChange: (state, diagnostic) => onChange({ session: ends, state, diagnostic, remoteState: run.status.remoteState }),
    });
    this.#sessions.push(run);
    run.start();
  }

  /** Ends a session so that the peer counts no failure. Does nothing when there is none. */
  async remove(ends: BfdPeer): Promise<void> {
    const run = this.#find(ends);
    if (run !== undefined) await this.#end(run);
  }

  /** Other timers while the session goes on, by a Poll Sequence (RFC 5880 section 6.8.3). Does nothing when there is no such session. */
  setTimers(ends: BfdPeer, timers: BfdTimers): void {
    this.#find(ends)?.input({ kind: 'timers', timers: timersOf(timers) });
  }

  /** Holds a session down and says so to the peer, or lets it come up again (RFC 5880 section 6.8.16). */
  setAdministratively(ends: BfdPeer, state: 'down' | 'up'): void {
    this.#find(ends)?.input({ kind: state === 'down' ? 'admin-down' : 'admin-up' });
  }

  status(): BfdSessionStatus[] {
    return this.#sessions.map(({ status }) => status);
  }

  get strays(): Readonly<BfdStrays> {
    return this.#strays;
  }

  /** Ends every session as `remove` does, then the link. */
  async stop(): Promise<void> {
    await Promise.all(this.#sessions.map((run) => this.#end(run)));
    this.#options.link.close();
  }

  async #end(run: BfdSessionRun): Promise<void> {
    await run.end();
    this.#sessions = this.#sessions.filter((other) => other !== run);
  }

  #receive(arrival: BfdPacket & { multihop: boolean }): void {
    if (!passesGtsm(arrival)) return this.#decline(arrival, 'ttl');
    const decoded = decodeControlPacket(arrival.bytes);
    if (!decoded.ok) return this.#decline(arrival, decoded.reason);
    const found = demultiplex(this.#sessions, { packet: decoded.packet, arrival });
    if (!found.ok) return this.#decline(arrival, found.reason);
    found.session.receive(decoded);
  }

  /** Told where the packet's addresses point to, so that the status of a session says why it does not come up. */
  #decline(arrival: BfdPacket & { multihop: boolean }, reason: BfdDecline): void {
    const run = sessionByAddresses(this.#sessions, arrival);
    if (run !== undefined) return run.decline(declineText(reason));
    this.#strays.count++;
    this.#strays.last = `${arrival.from} to ${arrival.to}: ${declineText(reason)}`;
  }

  #find(ends: BfdPeer): BfdSessionRun | undefined {
    return sessionByAddresses(this.#sessions, { from: ends.remoteAddress, to: ends.localAddress, multihop: ends.multihop });
  }

  /** Random, not 0, and that of no other session (RFC 5880 section 6.8.1). */
  #newDiscriminator(): number {
    for (;;) {
      const drawn = this.#random.below(0x1_0000_0000);
      if (drawn !== 0 && this.#sessions.every(({ localDiscriminator }) => localDiscriminator !== drawn)) return drawn;
    }
  }
}

function timersOf({ transmitMs, receiveMs, multiplier }: BfdTimers): BfdTimers {
  return { transmitMs, receiveMs, multiplier };
}
