import { constants } from 'node:os';
import { type Epoll, EPOLLIN, type Watched } from '../linux/epoll.ts';
import { close, EAGAIN, errnoName } from '../linux/libc.ts';
import { acceptClient } from './tcp.ts';

/** Clients taken in before connections under way have their turn. */
const TURNS = 64;
/** The host is out of descriptors or memory: trying again at once would only burn the CPU. */
const PAUSE_MS = 100;
const { EMFILE, ENFILE, ENOBUFS, ENOMEM } = constants.errno;
const scarce: readonly number[] = [EMFILE, ENFILE, ENOBUFS, ENOMEM];

export interface ListenerOptions {
  epoll: Epoll;
  /** Of a listening socket, which is closed with the listener. */
  fd: number;
  onClient: (fd: number) => void;
  /** No client can be taken for now; those that come wait in the kernel. */
  onScarce: (reason: string) => void;
}

/** Takes clients in at one of the addresses. */
export class Listener implements Watched {
  readonly fd: number;
  readonly #options: ListenerOptions;
  #pause: NodeJS.Timeout | undefined;

  constructor(options: ListenerOptions) {
    this.fd = options.fd;
    this.#options = options;
    options.epoll.wait(this, EPOLLIN);
  }

  onReady(): void {
    for (let turn = 0; turn < TURNS; turn++) {
      const accepted = acceptClient(this.fd);
      if (accepted >= 0) this.#options.onClient(accepted);
      else if (-accepted === EAGAIN) return;
      else if (scarce.includes(-accepted)) return this.#rest(-accepted);
      // Any other error is of the one client that is gone already (accept(2)).
    }
  }

  /** Clients that the kernel has taken already are taken in first. */
  close(): void {
    this.onReady();
    clearTimeout(this.#pause);
    this.#options.epoll.forget(this.fd);
    close(this.fd);
  }

  #rest(errno: number): void {
    const { epoll, onScarce } = this.#options;
    onScarce(errnoName(errno));
    epoll.wait(this, 0);
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => epoll.wait(this, EPOLLIN), PAUSE_MS);
  }
}
