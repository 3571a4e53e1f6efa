import { type Epoll, EPOLLERR, EPOLLIN, EPOLLOUT, type Watched } from '../linux/epoll.ts';
import { close } from '../linux/libc.ts';
import { endSending, receiveSome, reset, sendSome, setUserTimeout, USER_TIMEOUT_MS, waitsForReader } from './tcp.ts';

/** Through which all bytes of all connections pass; what a reader has no room for is kept apart, so at most this for each direction. */
const buffer = new Uint8Array(256 * 1024);
/** Full buffers moved before another connection's turn. */
const TURNS = 4;

/** One of the two sockets of a connection. */
class End implements Watched {
  readonly fd: number;
  readonly #relay: Relay;
  peer!: End;
  /** It has said that nothing more comes from it. */
  ended = false;
  /** Bytes of its peer that it has no room for. */
  unsent: Uint8Array | undefined;

  constructor(fd: number, relay: Relay) {
    this.fd = fd;
    this.#relay = relay;
  }

  /** Back-pressure: nothing more is read from here until the peer has taken what it was given. */
  get reads(): boolean {
    return !this.ended && this.peer.unsent === undefined;
  }

  /** All that it will ever say has been passed on. */
  get delivered(): boolean {
    return this.ended && this.peer.unsent === undefined;
  }

  onReady(events: number): void {
    this.#relay.serve(this, events);
  }
}

export interface RelayOptions {
  epoll: Epoll;
  /** Descriptors of connected sockets, which the relay closes. */
  client: number;
  upstream: number;
  /** Sent to `upstream` before anything else. */
  header: Uint8Array | undefined;
  onEnd: () => void;
}

/** One client joined to one backend, byte for byte, until both have ended or either breaks. */
export class Relay {
  readonly #epoll: Epoll;
  readonly #client: End;
  readonly #upstream: End;
  readonly #onEnd: () => void;
  #open = true;
  #patient = false;

  constructor({ epoll, client, upstream, header, onEnd }: RelayOptions) {
    this.#epoll = epoll;
    this.#onEnd = onEnd;
    this.#client = new End(client, this);
    this.#upstream = new End(upstream, this);
    this.#client.peer = this.#upstream;
    this.#upstream.peer = this.#client;
    this.#upstream.unsent = header;
    this.#waitForBoth();
  }

  /** Tells both sides at once that the connection is broken. */
  reset(): void {
    this.#close(reset);
  }

  /** A client that stops reading, for example because a person looks at a page of a log, is not one that vanished. To be called more often than the user timeout. */
  checkReader(): void {
    const patient = waitsForReader(this.#client.fd);
    if (patient === this.#patient) return;
    this.#patient = patient;
    setUserTimeout(this.#client.fd, patient ? 0 : USER_TIMEOUT_MS);
  }

  serve(end: End, events: number): void {
    if ((events & EPOLLERR) !== 0) return this.reset();
    if (end.unsent !== undefined) this.#flush(end);
    // An end that is closed both ways (EPOLLHUP) is readable too.
    if (this.#open && end.reads && events !== EPOLLOUT) this.#pass(end);
    if (this.#open) this.#waitForBoth();
  }

  #pass(from: End): void {
    const to = from.peer;
    for (let turn = 0; turn < TURNS; turn++) {
      const length = receiveSome(from.fd, buffer);
      if (length === undefined) return;
      if (length === -1) return this.reset();
      if (length === 0) {
        from.ended = true;
        return this.#finish(to);
      }
      const sent = sendSome(to.fd, buffer, length);
      if (sent === -1) return this.reset();
      if (sent < length) {
        to.unsent = buffer.slice(sent, length);
        return;
      }
      if (length < buffer.length) return;
    }
  }

  #flush(to: End): void {
    const unsent = to.unsent as Uint8Array;
    const sent = sendSome(to.fd, unsent, unsent.length);
    if (sent === -1) return this.reset();
    to.unsent = sent < unsent.length ? unsent.subarray(sent) : undefined;
    if (to.peer.delivered) this.#finish(to);
  }

  /** Nothing more will be sent to `to`: half of the connection is over, or all of it (RFC 9293 section 3.6). */
  #finish(to: End): void {
    if (to.delivered) this.#close(close);
    else endSending(to.fd);
  }

  #waitForBoth(): void {
    for (const end of [this.#client, this.#upstream]) {
      this.#epoll.wait(end, (end.reads ? EPOLLIN : 0) | (end.unsent === undefined ? 0 : EPOLLOUT));
    }
  }

  #close(how: (fd: number) => void): void {
    if (!this.#open) return;
    this.#open = false;
    for (const { fd } of [this.#client, this.#upstream]) {
      this.#epoll.forget(fd);
      how(fd);
    }
    this.#onEnd();
  }
}
