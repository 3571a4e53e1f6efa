/** A TCP connection to a BGP peer, on a descriptor that is connected. */
import type { BgpConnection } from '../../ports/bgp.ts';
import { endSending, receiveSome, reset, sendSome } from '../proxy/tcp.ts';
import { localAddressOf } from './bgp-socket.ts';
import { type Epoll, EPOLLIN, EPOLLOUT, type Watched } from './epoll.ts';
import * as libc from './libc.ts';

/** After `close`, the peer has so long to take what was sent and to close its side; then it is reset. */
const LINGER_MS = 5000;
/** Pieces read before other connections have their turn. */
const TURNS = 4;
const pieces = new Uint8Array(65_536);

type Phase = 'open' | 'flushing' | 'ended';

export class TcpConnection implements BgpConnection, Watched {
  readonly fd: number;
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly #epoll: Epoll;
  readonly #onGone: () => void;
  #phase: Phase = 'open';
  #sendingEnded = false;
  #unsent: Uint8Array[] = [];
  #broken: string | undefined;
  #onReceived: ((bytes: Uint8Array) => void) | undefined;
  #onClosed: ((reason: string) => void) | undefined;
  #linger: NodeJS.Timeout | undefined;

  /** `onGone` is called when the descriptor is closed. */
  constructor(options: { fd: number; remoteAddress: string; epoll: Epoll; onGone: (connection: TcpConnection) => void }) {
    this.fd = options.fd;
    this.localAddress = localAddressOf(options.fd);
    this.remoteAddress = options.remoteAddress;
    this.#epoll = options.epoll;
    this.#onGone = () => options.onGone(this);
  }

  send(bytes: Uint8Array): void {
    if (this.#phase !== 'open') return;
    this.#unsent.push(Uint8Array.from(bytes));
    // An error is told later, from the event loop, and not while the caller sends.
    if (this.#unsent.length === 1) this.#write();
    this.#await();
  }

  /** Nothing is read before. */
  onReceived(handler: (bytes: Uint8Array) => void): void {
    this.#onReceived = handler;
    this.#await();
  }

  onClosed(handler: (reason: string) => void): void {
    this.#onClosed = handler;
  }

  /** Reads on until the peer has closed too: a descriptor that is closed with bytes unread is reset, and takes with it what the peer has not read yet. */
  close(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'flushing';
    this.#linger = setTimeout(() => this.#end(reset), LINGER_MS);
    this.#endSendingWhenFlushed();
    this.#await();
  }

  onReady(events: number): void {
    if ((events & EPOLLOUT) !== 0) this.#write();
    for (let turn = 0; turn < TURNS && this.#reads; turn++) {
      const length = receiveSome(this.fd, pieces);
      if (length === undefined) break;
      if (length <= 0) return this.#finish(this.#broken ?? (length === 0 ? 'closed by the peer' : libc.errnoName(libc.lastErrno())));
      if (this.#phase === 'open') this.#onReceived?.(pieces.slice(0, length));
    }
    if (this.#phase === 'ended') return;
    this.#endSendingWhenFlushed();
    this.#await();
  }

  get #reads(): boolean {
    return this.#phase === 'flushing' || (this.#phase === 'open' && this.#onReceived !== undefined);
  }

  #write(): void {
    for (;;) {
      const next = this.#unsent[0];
      if (next === undefined) return;
      const length = sendSome(this.fd, next, next.length);
      if (length < 0) return this.#breakOff();
      if (length < next.length) return void (this.#unsent[0] = next.subarray(length));
      else this.#unsent.shift();
    }
  }

  /** Reading finds the end of a broken connection next, but no word about it: the kernel tells an error once. */
  #breakOff(): void {
    this.#broken = libc.errnoName(libc.lastErrno());
    this.#unsent = [];
  }

  #endSendingWhenFlushed(): void {
    if (this.#phase !== 'flushing' || this.#sendingEnded || this.#unsent.length > 0) return;
    this.#sendingEnded = true;
    endSending(this.fd);
  }

  #await(): void {
    if (this.#phase !== 'ended') this.#epoll.wait(this, (this.#reads ? EPOLLIN : 0) | (this.#unsent.length > 0 ? EPOLLOUT : 0));
  }

  /** The peer or the network ended it. */
  #finish(reason: string): void {
    const told = this.#phase === 'open' ? this.#onClosed : undefined;
    this.#end(libc.close);
    told?.(reason);
  }

  #end(close: (fd: number) => void): void {
    clearTimeout(this.#linger);
    this.#phase = 'ended';
    this.#unsent = [];
    this.#epoll.forget(this.fd);
    close(this.fd);
    this.#onGone();
  }
}
