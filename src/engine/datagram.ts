import { type Boot, LAST_SEQ, type Member } from '../core/lease/message.ts';
import { encodeLeaseMessage } from '../core/lease/wire.ts';
import { challenge, createSession, type Hello, receiveArrival, type Session } from '../core/session/session.ts';
import { decodeEnvelope, type Envelope, encodeEnvelope, TAG_BYTES } from '../core/session/wire.ts';
import type { Clock } from '../ports/clock.ts';
import type { Datagram } from '../ports/datagram.ts';
import type { KeyRing } from '../ports/keys.ts';
import type { Packets } from '../ports/packets.ts';

/** Why a datagram was not acted on. */
export type Rejection = 'malformed' | 'stranger' | 'wrong-key' | 'other-cluster' | 'misdirected' | 'replayed' | 'unknown-session';

/** Datagrams get lost: as many are sealed for each peer, with counters of their own so that none counts as replayed. */
const LAST_WORDS = 3;
const LAST_COUNTER = 2 ** 48 - 1;

export interface SealedDatagramOptions {
  self: Member;
  /** One address for each member, by index. */
  addresses: readonly string[];
  packets: Packets;
  /** Hash of what members must agree on. */
  cluster: number;
  boot: Boot;
  keys: KeyRing;
  clock: Clock;
  /** Fresh, random, 48 bits, not zero: nobody may guess a challenge. */
  randomNonce: () => number;
  onRejected: (reason: Rejection, from: string) => void;
}

/** Authenticated datagrams between agents over raw packets, each accepted once and only from a run of a peer that answered our challenge. */
export class SealedDatagram implements Datagram {
  readonly #options: SealedDatagramOptions;
  readonly #sessions: Session[];
  readonly #members: Map<string, Member>;
  #counter = 0;
  #handler: (from: Member, payload: Uint8Array) => void = () => {};

  constructor(options: SealedDatagramOptions) {
    this.#options = options;
    this.#sessions = options.addresses.map(() => createSession());
    this.#members = new Map(options.addresses.map((address, member) => [address, member]));
    options.packets.onReceive((bytes, from) => this.#receive(bytes, from));
    for (const [to] of options.addresses.entries()) if (to !== options.self) this.#challenge(to);
  }

  send(to: Member, payload: Uint8Array): void {
    this.#seal(to, { payload });
  }

  /**
   * Sealed datagrams that give back whatever lease `to` promised to this run, for somebody without a key to send when this run is
   * surely over and its host answers no more. Their counters are the highest there are: nothing of this run is accepted after them.
   */
  lastWords(to: Member): Uint8Array[] {
    const payload = encodeLeaseMessage({ kind: 'release', round: { boot: this.#options.boot, seq: LAST_SEQ }, term: 0 });
    return Array.from({ length: LAST_WORDS }, (_, i) =>
      this.#sealed(to, { content: { payload }, counter: LAST_COUNTER - LAST_WORDS + 1 + i }),
    );
  }

  onReceive(handler: (from: Member, payload: Uint8Array) => void): void {
    this.#handler = handler;
  }

  close(): void {
    this.#options.packets.close();
  }

  #seal(to: Member, content: Envelope['content']): void {
    const { addresses, packets } = this.#options;
    packets.send(addresses[to] as string, this.#sealed(to, { content, counter: ++this.#counter }));
  }

  #sealed(to: Member, what: Pick<Envelope, 'content' | 'counter'>): Uint8Array {
    const { keys, self, cluster, boot } = this.#options;
    const bytes = encodeEnvelope({ key: keys.sealingKey, from: self, to, cluster, boot, ...what });
    return joinBytes(bytes, keys.seal(bytes));
  }

  #receive(datagram: Uint8Array, address: string): void {
    const verdict = this.#judge(datagram, address);
    if (typeof verdict === 'string') this.#options.onRejected(verdict, address);
    else if (verdict !== undefined) this.#handler(verdict.from, verdict.payload);
  }

  #judge(datagram: Uint8Array, address: string): Rejection | { from: Member; payload: Uint8Array } | undefined {
    const { keys, self, cluster, clock, randomNonce } = this.#options;
    if (datagram.length < TAG_BYTES) return 'malformed';
    const bytes = datagram.subarray(0, datagram.length - TAG_BYTES);
    const envelope = decodeEnvelope(bytes);
    if (envelope === undefined) return 'malformed';
    const { from, content } = envelope;
    if (this.#members.get(address) !== from || from === self) return 'stranger';
    if (!keys.verify(envelope.key, bytes, datagram.subarray(bytes.length))) return 'wrong-key';
    if (envelope.cluster !== cluster) return 'other-cluster';
    if (envelope.to !== self) return 'misdirected';
    const arrival = { boot: envelope.boot, counter: envelope.counter, hello: 'hello' in content ? content.hello : undefined };
    const step = receiveArrival(this.#sessions[from] as Session, arrival, { now: clock.now(), nonce: randomNonce() });
    this.#sessions[from] = step.session;
    if (step.reply !== undefined) this.#hello(from, step.reply);
    if (step.verdict === 'replayed' || step.verdict === 'unknown-session') return step.verdict;
    return 'payload' in content ? { from, payload: content.payload } : undefined;
  }

  #challenge(to: Member): void {
    const { clock, randomNonce } = this.#options;
    const { session, reply } = challenge(this.#sessions[to] as Session, { now: clock.now(), nonce: randomNonce() });
    this.#sessions[to] = session;
    if (reply !== undefined) this.#hello(to, reply);
  }

  #hello(to: Member, hello: Hello): void {
    this.#seal(to, { hello });
  }
}

function joinBytes(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
