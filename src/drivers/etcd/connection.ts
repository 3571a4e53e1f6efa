import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type OutgoingHttpHeaders } from 'node:http2';
import { isIP, connect as tcpConnect } from 'node:net';
import { type SecureContext, connect as tlsConnect } from 'node:tls';
import { Code, ConnectError } from '@connectrpc/connect';

export interface ConnectionOptions {
  /** Ours, and the authority to trust. */
  secureContext?: SecureContext | undefined;
  /** After this long without an answer the peer is asked whether it is there; see pingTimeoutMs. */
  pingIntervalMs: number;
  /** A peer that does not answer a PING within this time is taken for gone, with all streams. */
  pingTimeoutMs: number;
}

/** One connection of HTTP/2. It keeps the process alive only while it opens or has streams. */
export class Connection {
  readonly session: ClientHttp2Session;
  /** Until it stands; rejects if it never does. */
  readonly opened: Promise<void>;
  readonly #options: ConnectionOptions;
  readonly #failOpening: (reason: unknown) => void;
  /** Node does not end it with its session: towards a host without power such a one keeps the process for two minutes (seen with Node 24.21). */
  readonly #closeSocket: () => void;
  #streams = 0;
  #heardAtMs = performance.now();
  #asking: Promise<boolean> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(url: string, options: ConnectionOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.opened = promise;
    this.#failOpening = reject;
    this.#options = options;
    const socket = openSocket(new URL(url), options.secureContext);
    this.#closeSocket = () => socket.destroy();
    this.session = connect(url, { createConnection: () => socket });
    // From its first moment to its last, for an error that nobody listens for ends the process. Streams are told as well.
    this.session.on('error', reject);
    this.session.on('connect', resolve);
    this.session.on('close', () => {
      clearTimeout(this.#timer);
      reject(new ConnectError('the connection ended', Code.Unavailable));
    });
    const standing = () => {
      this.heard();
      if (this.#streams === 0) this.session.unref();
    };
    promise.then(standing, () => undefined);
  }

  /** New streams can be opened; also while it opens. False once the peer has said GOAWAY, which ends no stream. */
  get usable(): boolean {
    return !this.session.closed && !this.session.destroyed;
  }

  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.session.request(headers);
    this.#streams += 1;
    if (this.#streams === 1) {
      this.session.ref();
      this.#askWhenQuiet();
    }
    // As for the session: whoever reads it may be done with it when the connection is ended.
    stream.on('error', () => undefined);
    stream.once('response', () => this.heard());
    stream.once('close', () => {
      this.#streams -= 1;
      if (this.#streams > 0) return;
      clearTimeout(this.#timer);
      this.session.unref();
    });
    return stream;
  }

  /** The peer has sent something. */
  heard(): void {
    this.#heardAtMs = performance.now();
  }

  /** Asks a peer that has been quiet; false if the connection ended for its silence. */
  async isAlive(): Promise<boolean> {
    if (this.#quietMs < this.#options.pingIntervalMs) return !this.session.destroyed;
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return await this.#asking;
  }

  destroy(reason: ConnectError): void {
    this.#failOpening(reason);
    this.session.destroy(reason, constants.NGHTTP2_CANCEL);
    if (this.session.connecting) this.#closeSocket();
  }

  get #quietMs(): number {
    return performance.now() - this.#heardAtMs;
  }

  #askWhenQuiet(): void {
    clearTimeout(this.#timer);
    const ask = async () => {
      if (await this.isAlive()) this.#askWhenQuiet();
    };
    this.#timer = setTimeout(ask, Math.max(1, this.#options.pingIntervalMs - this.#quietMs)).unref();
  }

  async #ask(): Promise<boolean> {
    const answered = (await ping(this.session, this.#options.pingTimeoutMs)) !== null;
    if (answered) this.heard();
    else this.destroy(new ConnectError('PING timed out', Code.Unavailable));
    return answered;
  }
}

function openSocket({ protocol, hostname, port }: URL, secureContext: SecureContext | undefined) {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (protocol === 'http:') return tcpConnect({ host, port: Number(port || 80) });
  const name = isIP(host) === 0 ? { servername: host } : {};
  return tlsConnect({ host, port: Number(port || 443), ...(secureContext && { secureContext }), ALPNProtocols: ['h2'], ...name });
}

/** Milliseconds until it is answered, null if it is not within `waitMs`. By a PING of HTTP/2, which the peer answers before anything else. */
export function ping(session: ClientHttp2Session, waitMs: number): Promise<number | null> {
  return new Promise((resolve) => {
    // A process that was held up reads first what has arrived meanwhile.
    const late = setTimeout(() => setImmediate(() => resolve(null)), waitMs);
    const settle = (error: Error | null, durationMs: number) => {
      clearTimeout(late);
      resolve(error === null ? durationMs : null);
    };
    // Node throws for a session that has ended.
    if (session.destroyed || !session.ping(settle)) settle(new Error('it cannot be asked'), 0);
  });
}
