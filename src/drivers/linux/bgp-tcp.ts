/** TCP to and from BGP peers (RFC 4271 section 8.2.1), with TCP MD5 (RFC 2385) and GTSM (RFC 5082). */
import { constants } from 'node:os';
import { formatIp } from '../../base/address.ts';
import type { BgpConnection, BgpPeerAddress, BgpTransport } from '../../ports/bgp.ts';
import { Listener } from '../proxy/listener.ts';
import { lastPeer, reset, takeError } from '../proxy/tcp.ts';
import { TcpConnection } from './bgp-connection.ts';
import { assertKeyFits, localAddressOf, refused, setListenerOptions, setPeerOptions } from './bgp-socket.ts';
import { Epoll, EPOLLOUT, type Watched } from './epoll.ts';
import * as libc from './libc.ts';
import { listenFreebind, listenRefused } from './listen.ts';
import { socketAddressOf } from './socket-address.ts';

const BACKLOG = 64;

export interface BgpTransportOptions {
  /** Of this host: an address, `0.0.0.0` or `::`, which stands for IPv6 alone. */
  listen: readonly { address: string; port: number }[];
  /** Whoever else connects is reset. */
  peers: readonly BgpPeerAddress[];
}

interface ConnectHandlers {
  onConnected(connection: BgpConnection): void;
  onFailed(reason: string): void;
}

/** In the network namespace of the caller, as every connection is in that of the caller of `connect`. Throws HaleError `listen_refused`. */
export function openBgpTransport(options: BgpTransportOptions): BgpTransport {
  return new TcpTransport(options);
}

class TcpTransport implements BgpTransport {
  readonly #epoll = new Epoll();
  readonly #peers: readonly BgpPeerAddress[];
  readonly #listeners: Listener[] = [];
  readonly #connecting = new Set<Connecting>();
  readonly #connections = new Set<TcpConnection>();
  #onAccepted: ((peer: BgpPeerAddress, connection: BgpConnection) => void) | undefined;
  #closed = false;

  constructor({ listen, peers }: BgpTransportOptions) {
    this.#peers = peers;
    try {
      peers.forEach(assertKeyFits);
      for (const frontend of listen) this.#listen(frontend);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  connect(peer: BgpPeerAddress, handlers: ConnectHandlers): { cancel(): void } {
    const attempt = new Connecting({
      peer,
      epoll: this.#epoll,
      onSettled: (outcome) => {
        this.#connecting.delete(attempt);
        if ('fd' in outcome) handlers.onConnected(this.#adopt(outcome.fd, peer));
        else handlers.onFailed(`connect to ${peer.address} port ${peer.port}: ${outcome.reason}`);
      },
    });
    this.#connecting.add(attempt);
    return {
      cancel: () => {
        attempt.cancel();
        this.#connecting.delete(attempt);
      },
    };
  }

  onAccepted(handler: (peer: BgpPeerAddress, connection: BgpConnection) => void): void {
    this.#onAccepted = handler;
  }

  /** Connections that are open are closed as by their own `close`. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onAccepted = undefined;
    for (const listener of this.#listeners) listener.close();
    for (const attempt of this.#connecting) attempt.cancel();
    for (const connection of this.#connections) connection.close();
    this.#closeEpollAfterAll();
  }

  #listen(frontend: { address: string; port: number }): void {
    const fd = listenFreebind(frontend);
    const set = setListenerOptions(fd, { address: frontend.address, peers: this.#peers });
    if (!set.ok || libc.listen(fd, BACKLOG) !== 0) {
      const error = listenRefused({ ...frontend, step: set.ok ? 'listen' : set.reason.slice(0, set.reason.lastIndexOf(':')) });
      libc.close(fd);
      throw error;
    }
    // Where descriptors are scarce those that come wait in the kernel, and the peer's own timer ends them.
    this.#listeners.push(new Listener({ epoll: this.#epoll, fd, onClient: (client) => this.#accept(client), onScarce: () => {} }));
  }

  /** The TTL of what arrived before this is checked only where the listener could do so. */
  #accept(fd: number): void {
    const address = formatIp(lastPeer().ip);
    const peer = this.#peers.find(
      (known) => known.address === address && (known.localAddress ?? localAddressOf(fd)) === localAddressOf(fd),
    );
    if (peer === undefined || this.#onAccepted === undefined || !setPeerOptions(fd, peer).ok) return reset(fd);
    this.#onAccepted(peer, this.#adopt(fd, peer));
  }

  #adopt(fd: number, peer: BgpPeerAddress): TcpConnection {
    const connection = new TcpConnection({
      fd,
      remoteAddress: peer.address,
      epoll: this.#epoll,
      onGone: (gone) => {
        this.#connections.delete(gone);
        this.#closeEpollAfterAll();
      },
    });
    this.#connections.add(connection);
    return connection;
  }

  #closeEpollAfterAll(): void {
    if (this.#closed && this.#connections.size === 0) this.#epoll.close();
  }
}

type Outcome = { fd: number } | { reason: string };

/** A connection under way. The kernel gives up by itself after two minutes (tcp_syn_retries); whoever waits less cancels. */
class Connecting implements Watched {
  fd = -1;
  readonly #epoll: Epoll;
  readonly #onSettled: (outcome: Outcome) => void;
  #failing: NodeJS.Immediate | undefined;

  constructor({ peer, epoll, onSettled }: { peer: BgpPeerAddress; epoll: Epoll; onSettled: (outcome: Outcome) => void }) {
    this.#epoll = epoll;
    this.#onSettled = onSettled;
    const started = startConnecting(peer);
    if ('fd' in started) {
      this.fd = started.fd;
      epoll.wait(this, EPOLLOUT);
    } else this.#failing = setImmediate(onSettled, started);
  }

  onReady(): void {
    const { fd } = this;
    const errno = takeError(fd);
    if (errno === 0) {
      this.#epoll.wait(this, 0);
      this.fd = -1;
      this.#onSettled({ fd });
    } else {
      this.cancel();
      this.#onSettled({ reason: libc.errnoName(errno) });
    }
  }

  cancel(): void {
    clearImmediate(this.#failing);
    if (this.fd < 0) return;
    this.#epoll.forget(this.fd);
    libc.close(this.fd);
    this.fd = -1;
  }
}

function startConnecting(peer: BgpPeerAddress): Outcome {
  const remote = socketAddressOf(peer.address, peer.port);
  const domain = remote.length === 16 ? libc.AF_INET : libc.AF_INET6;
  const fd = libc.socket(domain, libc.SOCK_STREAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
  if (fd < 0) return refused('socket');
  const failure = prepare(fd, peer) ?? begin(fd, remote);
  if (failure === undefined) return { fd };
  libc.close(fd);
  return { reason: failure };
}

/** Why it cannot be done; undefined when it is done. */
function prepare(fd: number, peer: BgpPeerAddress): string | undefined {
  const set = setPeerOptions(fd, peer);
  if (!set.ok) return set.reason;
  if (peer.localAddress === undefined) return undefined;
  const local = socketAddressOf(peer.localAddress, 0);
  return libc.bind(fd, local, local.length) === 0 ? undefined : refused(`bind to ${peer.localAddress}`).reason;
}

function begin(fd: number, remote: Uint8Array): string | undefined {
  if (libc.connect(fd, remote, remote.length) === 0 || libc.lastErrno() === constants.errno.EINPROGRESS) return undefined;
  return libc.errnoName(libc.lastErrno());
}
