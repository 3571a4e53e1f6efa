import type { Random } from '../../base/random.ts';
import type { BgpConnection, BgpPeerAddress, BgpTransport } from '../../ports/bgp.ts';
import type { Schedule } from '../schedule.ts';

type Segment = Uint8Array | 'fin';

/** One direction of a connection: in order, however long each segment takes. */
interface Pipe {
  from: string;
  to: string;
  arriveAt: number;
  target: SimConnection;
  /** Waits for the link to be whole again. */
  held: Segment[];
}

/** TCP between hosts with one address each: delays, cuts byte streams anywhere, holds back what a cut link does not carry, and resets. */
export class SimTcp {
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #latencyMs: { min: number; max: number };
  readonly #hosts = new Map<string, SimBgpTransport>();
  readonly #cut = new Set<string>();
  readonly #pipes = new Map<string, Set<Pipe>>();
  readonly #heldConnects = new Map<string, (() => void)[]>();

  constructor(options: { schedule: Schedule; random: Random; latencyMs: { min: number; max: number } }) {
    this.#schedule = options.schedule;
    this.#random = options.random;
    this.#latencyMs = options.latencyMs;
  }

  /** The host at the address, from now on; what was there before is forgotten. */
  host(address: string): SimBgpTransport {
    const host = new SimBgpTransport(this, address);
    this.#hosts.set(address, host);
    return host;
  }

  /** Nothing passes, in neither direction, and nobody is told. */
  cut(a: string, b: string): void {
    this.#cut.add(linkOf(a, b));
  }

  /** What was sent meanwhile arrives, as TCP sends it again. */
  heal(a: string, b: string): void {
    const link = linkOf(a, b);
    this.#cut.delete(link);
    for (const pipe of this.#pipes.get(link) ?? []) for (const segment of pipe.held.splice(0)) this.#arrive(pipe, segment);
    for (const connect of this.#heldConnects.get(link)?.splice(0) ?? []) connect();
  }

  /** All connections between the two end, and both are told. */
  reset(a: string, b: string): void {
    for (const { target } of Array.from(this.#pipes.get(linkOf(a, b)) ?? [])) target.fail('connection reset');
  }

  /** As when its power goes: its connections are not ended, and what arrives for them draws a reset. */
  crash(address: string): void {
    this.#hosts.get(address)?.forget();
    this.#hosts.delete(address);
  }

  connect(from: string, peer: BgpPeerAddress, handlers: Parameters<BgpTransport['connect']>[1]): { cancel(): void } {
    const attempt = { isCancelled: false };
    this.#later(() => this.#reach({ from, to: peer.address, attempt, handlers }));
    return { cancel: () => Object.assign(attempt, { isCancelled: true }) };
  }

  transmit(pipe: Pipe, segment: Segment): void {
    const parts = segment === 'fin' ? [segment] : this.#split(segment);
    for (const part of parts) {
      pipe.arriveAt = Math.max(pipe.arriveAt, this.#schedule.now + this.#latency());
      this.#schedule.plan(pipe.arriveAt, () => this.#arrive(pipe, part));
    }
  }

  forget(pipe: Pipe): void {
    this.#pipes.get(linkOf(pipe.from, pipe.to))?.delete(pipe);
  }

  #arrive(pipe: Pipe, segment: Segment): void {
    if (this.#cut.has(linkOf(pipe.from, pipe.to)) || pipe.held.length > 0) pipe.held.push(segment);
    else if (pipe.target.isOwnerGone) this.#later(() => pipe.target.twin.fail('connection reset'));
    else pipe.target.arrive(segment);
  }

  #split(bytes: Uint8Array): Uint8Array[] {
    if (bytes.length < 2 || !this.#random.chance(0.2)) return [bytes];
    const at = 1 + this.#random.below(bytes.length - 1);
    return [bytes.slice(0, at), bytes.slice(at)];
  }

  #reach(given: { from: string; to: string; attempt: { isCancelled: boolean }; handlers: Parameters<BgpTransport['connect']>[1] }): void {
    const { from, to, attempt, handlers } = given;
    const link = linkOf(from, to);
    if (attempt.isCancelled) return;
    if (this.#cut.has(link)) {
      const held = this.#heldConnects.get(link) ?? [];
      this.#heldConnects.set(link, held);
      held.push(() => this.#reach(given));
      return;
    }
    const listener = this.#hosts.get(to);
    const [near, far] = this.#pair(from, to);
    if (listener?.accept(far) !== true) {
      this.#later(() => !attempt.isCancelled && handlers.onFailed('connection refused'));
      return;
    }
    const connectedAt = this.#schedule.now + this.#latency();
    far.pipe.arriveAt = Math.max(far.pipe.arriveAt, connectedAt);
    this.#schedule.plan(connectedAt, () => {
      if (attempt.isCancelled) near.close();
      else if (!near.isEnded) handlers.onConnected(near);
      else handlers.onFailed('connection reset');
    });
  }

  #pair(from: string, to: string): [SimConnection, SimConnection] {
    const near = new SimConnection(this, { local: from, remote: to });
    const far = new SimConnection(this, { local: to, remote: from });
    near.twin = far;
    far.twin = near;
    const link = linkOf(from, to);
    const pipes = this.#pipes.get(link) ?? new Set();
    this.#pipes.set(link, pipes);
    near.pipe = { from, to, arriveAt: 0, target: far, held: [] };
    far.pipe = { from: to, to: from, arriveAt: this.#schedule.now + this.#latencyMs.max, target: near, held: [] };
    pipes.add(near.pipe).add(far.pipe);
    return [near, far];
  }

  #latency(): number {
    return this.#random.between(this.#latencyMs.min, this.#latencyMs.max);
  }

  #later(run: () => void): void {
    this.#schedule.plan(this.#schedule.now + this.#latency(), run);
  }
}

class SimConnection implements BgpConnection {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly #network: SimTcp;
  pipe!: Pipe;
  twin!: SimConnection;
  isEnded = false;
  isOwnerGone = false;
  #onReceived: (bytes: Uint8Array) => void = () => {};
  #onClosed: (reason: string) => void = () => {};

  constructor(network: SimTcp, { local, remote }: { local: string; remote: string }) {
    this.#network = network;
    this.localAddress = local;
    this.remoteAddress = remote;
  }

  send(bytes: Uint8Array): void {
    if (!this.isEnded && !this.isOwnerGone) this.#network.transmit(this.pipe, bytes);
  }

  onReceived(handler: (bytes: Uint8Array) => void): void {
    this.#onReceived = handler;
  }

  onClosed(handler: (reason: string) => void): void {
    this.#onClosed = handler;
  }

  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    if (!this.isOwnerGone) this.#network.transmit(this.pipe, 'fin');
  }

  /** Ends it here, and says so. */
  fail(reason: string): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.#network.forget(this.pipe);
    this.#network.forget(this.twin.pipe);
    this.#onClosed(reason);
  }

  arrive(segment: Segment): void {
    if (this.isEnded) return;
    if (segment === 'fin') this.fail('closed by the peer');
    else this.#onReceived(segment);
  }
}

class SimBgpTransport implements BgpTransport {
  readonly #network: SimTcp;
  readonly #address: string;
  readonly #connections = new Set<SimConnection>();
  #onAccepted: ((peer: BgpPeerAddress, connection: BgpConnection) => void) | undefined;

  constructor(network: SimTcp, address: string) {
    this.#network = network;
    this.#address = address;
  }

  connect(peer: BgpPeerAddress, handlers: Parameters<BgpTransport['connect']>[1]): { cancel(): void } {
    return this.#network.connect(this.#address, peer, {
      onConnected: (connection) => {
        this.#connections.add(connection as SimConnection);
        handlers.onConnected(connection);
      },
      onFailed: handlers.onFailed,
    });
  }

  onAccepted(handler: (peer: BgpPeerAddress, connection: BgpConnection) => void): void {
    this.#onAccepted = handler;
  }

  /** False when nobody listens. */
  accept(connection: SimConnection): boolean {
    if (this.#onAccepted === undefined) return false;
    this.#connections.add(connection);
    this.#onAccepted({ address: connection.remoteAddress, port: 179, ttl: 1 }, connection);
    return true;
  }

  close(): void {
    this.#onAccepted = undefined;
  }

  forget(): void {
    this.#onAccepted = undefined;
    for (const connection of this.#connections) connection.isOwnerGone = true;
  }
}

function linkOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
