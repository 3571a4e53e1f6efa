import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { familyOf, formatIp, hostPort, parseIp } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import type { Boot, Member } from '../../core/lease/message.ts';
import { challenge, createSession, type Hello, receiveArrival, type Session } from '../../core/session/session.ts';
import { decodeEnvelope, type Envelope, encodeEnvelope, TAG_BYTES } from '../../core/session/wire.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Datagram } from '../../ports/datagram.ts';
import type { KeyRing } from './keys.ts';

/** Why a datagram was not acted on. */
export type Rejection = 'malformed' | 'stranger' | 'wrong-key' | 'other-cluster' | 'misdirected' | 'replayed' | 'unknown-session';

export interface AgentDatagramOptions {
  self: Member;
  /** One address for each member, by index; all listen on `port`. */
  addresses: readonly string[];
  port: number;
  /** Hash of what members must agree on. */
  cluster: number;
  boot: Boot;
  keys: KeyRing;
  clock: Clock;
  onRejected: (reason: Rejection, from: string) => void;
}

/** Random, 48 bits, not zero. */
export function randomNonce(): number {
  return randomInt(1, 2 ** 48 - 1);
}

/** Authenticated datagrams between agents over UDP, each accepted once and only from a run of a peer that answered our challenge. */
export class AgentDatagram implements Datagram {
  readonly #options: AgentDatagramOptions;
  readonly #socket: Socket;
  readonly #sessions: Session[];
  readonly #members: Map<string, Member>;
  #counter = 0;
  #handler: (from: Member, payload: Uint8Array) => void = () => {};

  private constructor(options: AgentDatagramOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#sessions = options.addresses.map(() => createSession());
    this.#members = new Map(options.addresses.map((address, member) => [address, member]));
    socket.on('message', (bytes, remote) => this.#receive(bytes, remote.address));
    // A peer that is down answers with ICMP; the next datagram finds out by itself.
    socket.on('error', () => {});
    for (const [to] of options.addresses.entries()) if (to !== options.self) this.#challenge(to);
  }

  static async open(options: AgentDatagramOptions): Promise<AgentDatagram> {
    const address = options.addresses[options.self] as string;
    const socket = createSocket(familyOf(address) === 'IPv4' ? 'udp4' : 'udp6');
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error: NodeJS.ErrnoException) => {
        socket.close();
        reject(bindError(error, address, options.port));
      });
      socket.bind(options.port, address, resolve);
    });
    socket.removeAllListeners('error');
    return new AgentDatagram(options, socket);
  }

  send(to: Member, payload: Uint8Array): void {
    this.#seal(to, { payload });
  }

  onReceive(handler: (from: Member, payload: Uint8Array) => void): void {
    this.#handler = handler;
  }

  close(): void {
    this.#socket.close();
  }

  #seal(to: Member, content: Envelope['content']): void {
    const { keys, self, cluster, boot, addresses, port } = this.#options;
    const counter = ++this.#counter;
    const bytes = encodeEnvelope({ key: keys.sealingKey, from: self, to, cluster, boot, counter, content });
    this.#socket.send([bytes, keys.seal(bytes)], port, addresses[to] as string, () => {});
  }

  #receive(datagram: Uint8Array, address: string): void {
    const verdict = this.#judge(datagram, address);
    if (typeof verdict === 'string') this.#options.onRejected(verdict, address);
    else if (verdict !== undefined) this.#handler(verdict.from, verdict.payload);
  }

  #judge(datagram: Uint8Array, address: string): Rejection | { from: Member; payload: Uint8Array } | undefined {
    const { keys, self, cluster, clock } = this.#options;
    if (datagram.length < TAG_BYTES) return 'malformed';
    const bytes = datagram.subarray(0, datagram.length - TAG_BYTES);
    const envelope = decodeEnvelope(bytes);
    if (envelope === undefined) return 'malformed';
    const { from, content } = envelope;
    if (this.#members.get(canonical(address)) !== from || from === self) return 'stranger';
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
    const { session, reply } = challenge(this.#sessions[to] as Session, { now: this.#options.clock.now(), nonce: randomNonce() });
    this.#sessions[to] = session;
    if (reply !== undefined) this.#hello(to, reply);
  }

  #hello(to: Member, hello: Hello): void {
    this.#seal(to, { hello });
  }
}

function canonical(address: string): string {
  const bytes = parseIp(address.replace(/%.*$/, ''));
  return bytes === undefined ? address : formatIp(bytes);
}

function bindError(error: NodeJS.ErrnoException, address: string, port: number): HaleError {
  const where = hostPort(address, port);
  const busy = error.code === 'EADDRINUSE';
  return new HaleError({
    code: busy ? 'agent_port_in_use' : 'agent_port_unavailable',
    kind: 'world',
    message: `UDP ${where}, where this agent listens to the others: ${error.code ?? error.message}`,
    remedy: busy ? 'is another hale agent running here? see: hale status' : `is ${address} configured on this host? see: ip address`,
    cause: error,
  });
}
