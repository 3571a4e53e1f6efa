import type { ClientHttp2Stream, Http2Session } from 'node:http2';
import { isIP } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { Http2SessionManager, type Http2SessionOptions } from '@connectrpc/connect-node';

/**
 * etcd says goodbye when it is told to stop; on a connection without streams, connect then lets Node raise an error that by the next call nobody listens for,
 * which would end the process (connect-es issue 1768, present in 2.2.0).
 */
export class Sessions extends Http2SessionManager {
  readonly #heard = new WeakSet<object>();
  #newest: Http2Session | undefined;
  /** Node does not end these with their session: towards a host without power such a one keeps the process for two minutes (seen with Node 24.21). */
  readonly #opening: Set<TLSSocket>;

  constructor(url: string, pings?: Http2SessionOptions, tls: { secureContext?: SecureContext } = {}) {
    const opening = new Set<TLSSocket>();
    const open = ({ hostname, port }: URL): TLSSocket => {
      const host = hostname.replace(/^\[|\]$/g, '');
      const name = isIP(host) === 0 ? { servername: host } : {};
      const socket = connect({ host, port: Number(port || 443), ...tls, ALPNProtocols: ['h2'], ...name });
      opening.add(socket);
      const opened = () => void opening.delete(socket);
      return socket.once('secureConnect', opened).once('close', opened);
    };
    super(url, pings, url.startsWith('https:') ? { createConnection: open } : {});
    this.#opening = opening;
  }

  override abort(reason?: Error): void {
    super.abort(reason);
    for (const socket of this.#opening) socket.destroy();
  }

  override async request(...wanted: Parameters<Http2SessionManager['request']>): Promise<ClientHttp2Stream> {
    const stream = await super.request(...wanted);
    readFromStart(stream);
    const { session } = stream;
    if (session !== undefined && !this.#heard.has(session)) {
      this.#heard.add(session);
      session.on('error', () => undefined);
      this.#newest = session;
    }
    return stream;
  }

  /** Milliseconds of a round trip on the connection that is open, so without its handshake; null where none is, or no answer within `waitMs`. */
  async roundTrip(waitMs: number): Promise<number | null> {
    const session = this.#newest;
    return session === undefined || session.destroyed || session.closed ? null : await ping(session, waitMs);
  }
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

/** By a PING of HTTP/2, which the server answers before anything else. */
function ping(session: Http2Session, waitMs: number): Promise<number | null> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(null), waitMs);
    const settle = (error: Error | null, durationMs: number) => {
      clearTimeout(late);
      resolve(error === null ? durationMs : null);
    };
    if (!session.ping(settle)) settle(new Error('too many pings'), 0);
  });
}
