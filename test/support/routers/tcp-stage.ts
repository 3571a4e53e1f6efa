/** Two hosts with the transport of BGP, for tests of the transport alone. */
import { readdirSync, readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { expect } from 'vitest';
import type { BgpConnection, BgpPeerAddress, BgpTransport } from '../../../src/ports/bgp.ts';
import { createTestLink, type TestHost, type TestLink } from '../netns.ts';
import { connectFrom } from '../tcp.ts';
import { transportIn } from './transport.ts';

export const PORT = 179;

/** One end of a connection, and all that happened at it. */
export class End {
  readonly connection: BgpConnection;
  readonly chunks: Uint8Array[] = [];
  closed: string | undefined;

  constructor(connection: BgpConnection) {
    this.connection = connection;
    connection.onReceived((bytes) => this.chunks.push(bytes));
    connection.onClosed((reason) => (this.closed = reason));
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
}

/** Of this process, in whatever state. */
function openSockets(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false; // That of the look itself.
    }
  }).length;
}

export interface Attempt {
  end: End | undefined;
  failed: string | undefined;
  cancel(): void;
}

export interface Client {
  readonly socket: Socket;
  text: string;
  ended: boolean;
  error: string | undefined;
}

export class TcpStage {
  readonly link: TestLink = createTestLink();
  readonly #socketsBefore = openSockets();
  readonly #transports: BgpTransport[] = [];
  readonly #sockets: Socket[] = [];

  /** Both ends' addresses of the family, and the one that stands for all. */
  addresses(family: string): [host: string, peer: string, any: string] {
    const { host, peer } = this.link;
    return family === 'IPv4' ? [host.address4, peer.address4, '0.0.0.0'] : [host.address6, peer.address6, '::'];
  }

  open(host: TestHost, peers: BgpPeerAddress[], listen = [{ address: '0.0.0.0', port: PORT }]): BgpTransport {
    const transport = transportIn(host, { listen, peers });
    this.#transports.push(transport);
    return transport;
  }

  toPeer(more: Partial<BgpPeerAddress> = {}): BgpPeerAddress {
    return { address: this.link.peer.address4, port: PORT, ttl: 1, ...more };
  }

  toHost(more: Partial<BgpPeerAddress> = {}): BgpPeerAddress {
    return { address: this.link.host.address4, port: PORT, ttl: 1, ...more };
  }

  /** A client of any kind; the kernel of the other side has completed the handshake when this returns. */
  client(from: TestHost, address: string): Client {
    const socket = connectFrom(from, { address, port: PORT });
    const client: Client = { socket, text: '', ended: false, error: undefined };
    socket.on('data', (bytes) => (client.text += bytes.toString()));
    socket.on('end', () => (client.ended = true));
    socket.on('error', (error: NodeJS.ErrnoException) => (client.error = error.code));
    socket.resume();
    this.keep(socket);
    return client;
  }

  keep(socket: Socket): void {
    this.#sockets.push(socket);
  }

  /** Fails when a socket of this process is left. */
  async end(): Promise<void> {
    for (const transport of this.#transports) transport.close();
    for (const socket of this.#sockets) socket.destroy();
    try {
      // While the network is there, so that both ends hear of the end.
      await expect.poll(openSockets, { timeout: 15_000 }).toBe(this.#socketsBefore);
    } finally {
      this.link.remove();
    }
  }
}

/** All that connects to the transport from now on. */
export function accepted(transport: BgpTransport): { ends: End[]; peers: BgpPeerAddress[] } {
  const ends: End[] = [];
  const peers: BgpPeerAddress[] = [];
  transport.onAccepted((peer, connection) => {
    peers.push(peer);
    ends.push(new End(connection));
  });
  return { ends, peers };
}

export function connect(transport: BgpTransport, peer: BgpPeerAddress): Attempt {
  const attempt: Attempt = { end: undefined, failed: undefined, cancel: () => {} };
  const { cancel } = transport.connect(peer, {
    onConnected: (connection) => (attempt.end = new End(connection)),
    onFailed: (reason) => (attempt.failed = reason),
  });
  attempt.cancel = cancel;
  return attempt;
}
