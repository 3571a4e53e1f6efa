import type { ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import { Connection, type ConnectionOptions, ping } from './connection.ts';

/** etcd closes a connection that pings oftener than every 5 s (--grpc-keepalive-min-time) or without an open stream. */
const PING_INTERVAL_MS = 5_500;
const PING_TIMEOUT_MS = 1_000;
/** A server may end what it has just accepted, again and again. */
const MAX_ATTEMPTS = 3;

/**
 * The connection to one member, opened when it is needed and again when it has ended: what connect's transport takes for its session manager. connect's own leaves sessions
 * without a listener for errors at times, which ends the process (connect-es issues 1768 and 1795, and where one is given up while another opens; 2.2.0).
 */
export class Sessions {
  /** Of the URL, as connect wants it. */
  readonly authority: string;
  readonly #options: ConnectionOptions;
  /** With those that the server has said GOAWAY on, until their streams have ended. */
  readonly #connections = new Set<Connection>();
  #newest: Connection | undefined;

  constructor(url: string, options: Partial<ConnectionOptions> = {}) {
    this.authority = new URL(url).origin;
    this.#options = { pingIntervalMs: PING_INTERVAL_MS, pingTimeoutMs: PING_TIMEOUT_MS, ...options };
  }

  /** Rejects with what kept the connection from being opened. */
  async request(method: string, path: string, headers: OutgoingHttpHeaders): Promise<ClientHttp2Stream> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const connection = this.#usable();
      await connection.opened;
      if (!(await connection.isAlive()) || !connection.usable) continue;
      const stream = connection.request({ ...headers, ':method': method, ':path': path });
      readFromStart(stream);
      return stream;
    }
    throw new ConnectError('the connection ended as often as it was opened', Code.Unavailable);
  }

  /** Called by connect whenever something of an answer was read. */
  notifyResponseByteRead({ session }: ClientHttp2Stream): void {
    for (const connection of this.#connections) if (connection.session === session) connection.heard();
  }

  /** Milliseconds of a round trip on the connection that is open, so without its handshake; null where none is, or no answer within `waitMs`. */
  async roundTrip(waitMs: number): Promise<number | null> {
    const { session, usable = false } = this.#newest ?? {};
    return session === undefined || !usable || session.connecting ? null : await ping(session, waitMs);
  }

  /** Whoever waits for a connection that is being opened is told so; one that stands stays. */
  giveUpOpening(): void {
    if (this.#newest?.session.connecting) this.#newest.destroy(aborted());
  }

  /** Ends all connections, with their streams. */
  abort(): void {
    for (const connection of this.#connections) connection.destroy(aborted());
  }

  #usable(): Connection {
    if (this.#newest?.usable) return this.#newest;
    const connection = new Connection(this.authority, this.#options);
    this.#connections.add(connection);
    connection.session.once('close', () => this.#connections.delete(connection));
    this.#newest = connection;
    return connection;
  }
}

function aborted(): ConnectError {
  return new ConnectError('connection aborted', Code.Canceled);
}

/**
 * Begins to read a stream that somebody will iterate over. From 24.20 on Node takes an answer that is whole before that for one that broke off ("Premature close";
 * nodejs/node issue 65677), and small answers of etcd come whole.
 */
function readFromStart(stream: ClientHttp2Stream): void {
  const chunks = stream[Symbol.asyncIterator]();
  const first = chunks.next();
  // Whoever iterates is told of it.
  first.catch(() => undefined);
  stream[Symbol.asyncIterator] = async function* () {
    const { value, done } = await first;
    if (done) return undefined;
    yield value;
    return yield* chunks;
  };
}
