import type { BfdMember } from '../core/bfd/demultiplex.ts';
import { declineText } from '../core/bfd/decline.ts';
import { type BfdState, type ControlPacket, diagnosticText, encodeControlPacket } from '../core/bfd/packet.ts';
import { createSession, session, type SessionInput, type SessionOutput } from '../core/bfd/session.ts';
import { detectionEndsAt, detectionTimeMs, receiveIntervalMs, remoteDetectionTimeMs, transmitIntervalMs } from '../core/bfd/timing.ts';
import type { BfdTimers, SessionState } from '../core/bfd/variables.ts';
import type { BfdLink, BfdSocket } from '../ports/bfd.ts';
import type { Clock } from '../ports/clock.ts';
import type { Effect } from '../ports/effect.ts';
import { Waker } from './waker.ts';

export interface BfdSessionStatus {
  localAddress: string;
  remoteAddress: string;
  multihop: boolean;
  state: BfdState;
  remoteState: BfdState;
  /** Why each side is in its state, in the words of RFC 5880 section 4.1. */
  localDiagnostic: string;
  remoteDiagnostic: string;
  localDiscriminator: number;
  /** 0 while the peer is not heard. */
  remoteDiscriminator: number;
  /** As negotiated, before jitter. */
  transmitIntervalMs: number;
  receiveIntervalMs: number;
  /** Undefined while the peer is not heard. */
  detectionTimeMs: number | undefined;
  packetsIn: number;
  packetsOut: number;
  packetsDeclined: number;
  timesUp: number;
  timesDown: number;
  /** What last went wrong, in words; it stays when things are well again. */
  lastError: string | undefined;
}

export interface BfdSessionRunOptions {
  member: BfdMember;
  timers: BfdTimers;
  role: 'active' | 'passive';
  seed: number;
  clock: Clock;
  link: BfdLink;
  onChange: (state: BfdState, diagnostic: string) => void;
}

/** One session with its socket and its one timer. */
export class BfdSessionRun implements BfdMember {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly multihop: boolean;
  readonly localDiscriminator: number;
  readonly minimumTtl: number;
  readonly #options: BfdSessionRunOptions;
  readonly #socket: BfdSocket;
  readonly #waker: Waker;
  readonly #counts = { packetsIn: 0, packetsOut: 0, packetsDeclined: 0, timesUp: 0, timesDown: 0 };
  #state: SessionState;
  #lastError: string | undefined;
  #onEnded: (() => void) | undefined;

  constructor(options: BfdSessionRunOptions) {
    const { member, clock, link } = options;
    ({
      localAddress: this.localAddress,
      remoteAddress: this.remoteAddress,
      multihop: this.multihop,
      localDiscriminator: this.localDiscriminator,
      minimumTtl: this.minimumTtl,
    } = member);
    this.#options = options;
    this.#state = createSession({ ...options, localDiscriminator: member.localDiscriminator });
    this.#socket = link.openSession(member);
    this.#waker = new Waker(clock, () => this.#wake());
  }

  start(): void {
    this.input({ kind: 'tick' });
  }

  receive(decoded: { packet: ControlPacket; authenticationPresent: boolean }): void {
    this.#counts.packetsIn++;
    this.input({ kind: 'packet', ...decoded });
  }

  decline(problem: string): void {
    this.#counts.packetsDeclined++;
    this.#lastError = problem;
  }

  input(input: SessionInput): void {
    const { state, outputs } = session.step(this.#state, input, this.#options.clock.now());
    this.#state = state;
    this.#waker.arm(session.wakeAt(state));
    // First what the peer waits for: whoever is told of a change may do anything, also end this session.
    for (const output of outputs) if (output.kind === 'send') this.#carryOut(output);
    for (const output of outputs) if (output.kind !== 'send') this.#carryOut(output);
    // A peer that says it is down needs no more to be told.
    if (state.remote.state === 'Down' || state.remote.state === 'AdminDown') this.#onEnded?.();
  }

  /** Tells the peer that this is no failure, and waits until it has understood, or would have given up by itself (RFC 5880 section 6.8.16). */
  async end(): Promise<void> {
    const { clock } = this.#options;
    const patienceMs = remoteDetectionTimeMs(this.#state);
    const isHeard = this.#state.remote.discriminator !== 0;
    this.input({ kind: 'admin-down' });
    if (isHeard && (this.#state.remote.state === 'Up' || this.#state.remote.state === 'Init')) {
      await new Promise<void>((resolve) => {
        const timer = clock.at(clock.now() + patienceMs, resolve);
        this.#onEnded = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    this.#waker.cancel();
    this.#socket.close();
  }

  get status(): BfdSessionStatus {
    const { state, diagnostic, remote, heardAt } = this.#state;
    return {
      localAddress: this.localAddress,
      remoteAddress: this.remoteAddress,
      multihop: this.multihop,
      localDiscriminator: this.localDiscriminator,
      state,
      remoteState: remote.state,
      localDiagnostic: diagnosticText(diagnostic),
      remoteDiagnostic: diagnosticText(remote.diagnostic),
      remoteDiscriminator: remote.discriminator,
      transmitIntervalMs: transmitIntervalMs(this.#state),
      receiveIntervalMs: receiveIntervalMs(this.#state),
      detectionTimeMs: heardAt === undefined ? undefined : detectionTimeMs(this.#state),
      ...this.#counts,
      lastError: this.#lastError,
    };
  }

  /** The kernel may hold packets that came while this process had no processor: they are heard before the peer is declared gone. */
  #wake(): void {
    const { clock, link } = this.#options;
    if (clock.now() >= detectionEndsAt(this.#state)) link.receiveWaiting();
    this.input({ kind: 'tick' });
  }

  #carryOut(output: SessionOutput): void {
    switch (output.kind) {
      case 'send':
        return this.#sent(this.#socket.send(encodeControlPacket(output.packet)));
      case 'declined':
        // Whoever is administratively down discards what comes, and nothing is wrong with it.
        if (output.reason !== 'admin_down') this.decline(declineText(output.reason));
        return;
      case 'state-changed':
        return this.#changed(output);
    }
  }

  #sent(effect: Effect): void {
    if (effect.ok) this.#counts.packetsOut++;
    else this.#lastError = effect.reason;
  }

  #changed({ from, to, diagnostic }: { from: BfdState; to: BfdState; diagnostic: string }): void {
    if (to === 'Up') this.#counts.timesUp++;
    if (from === 'Up') this.#counts.timesDown++;
    if (to === 'Down' && from !== 'AdminDown') this.#lastError = diagnostic;
    this.#options.onChange(to, diagnostic);
  }
}
