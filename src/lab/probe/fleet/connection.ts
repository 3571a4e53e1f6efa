/** HTTP/2 as client-go speaks it: one connection, whose silence is looked into by a ping. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { certifiedHost } from '../target.ts';

/** client-go's defaults: a connection that was silent for so long is pinged, and given up when no answer comes (k8s.io/apimachinery, pkg/util/net/http.go). */
const READ_IDLE_MS = 30_000;
const PING_TIMEOUT_MS = 15_000;
/** Of a dial with client-go's defaults, for TCP and TLS together; and how often the kernel asks (k8s.io/client-go, transport/cache.go). */
const CONNECT_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 30_000;

export interface ApiTarget {
  host: string;
  port: number;
  servername: string;
  /** With the client's certificate; shared, because building one costs more than a handshake. */
  secureContext: SecureContext;
}

export interface Answer {
  status: number;
  /** Seconds, when the API server asks to be left alone for some time. */
  retryAfter: number | undefined;
  text: string;
}

export interface RequestOptions {
  body?: object;
  onOpen?: () => void;
  onLine?: (line: string) => void;
}

/** The server says that it has not looked at the request: it began after the server's GOAWAY, for example. */
export class RefusedStream extends Error {}

export class ApiConnection {
  readonly #session: ClientHttp2Session;
  readonly #now: () => number;
  #timer: NodeJS.Timeout;
  #reason: string | undefined;
  /** When the API server was last heard. */
  heardMs: number;
  /** Which one it is, once it is open and as far as it says so. */
  server: { server?: string } = {};

  /** Opens at once; requests wait until it is open, and fail when it cannot be. */
  constructor(target: ApiTarget, now: () => number) {
    this.#now = now;
    this.heardMs = now();
    const { host, port } = target;
    const socket = connectTls({ ...target, ALPNProtocols: ['h2'] })
      .setKeepAlive(true, KEEP_ALIVE_MS)
      .setNoDelay(true);
    this.#timer = setTimeout(() => this.#giveUp('no connection within 30 s'), CONNECT_TIMEOUT_MS);
    this.#session = connect(`https://${host.includes(':') ? `[${host}]` : host}:${port}`, { createConnection: () => socket });
    this.#session.once('connect', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#ping(), READ_IDLE_MS);
      this.server = certifiedHost(socket);
      this.#heard();
    });
    this.#session.on('error', (error: NodeJS.ErrnoException) => (this.#reason ??= error.code ?? error.message));
    this.#session.once('close', () => clearTimeout(this.#timer));
  }

  /** False once it is lost or the API server has asked (GOAWAY) to send no more on it. */
  get usable(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  close(): void {
    this.#session.destroy();
  }

  /**
   * The whole answer, of any status; rejects with the reason when there is none. With `onLine` each line of an answer 200 goes there when it
   * comes, and `onOpen` is called when the answer begins.
   */
  request(method: 'GET' | 'POST' | 'PUT', path: string, { body, onOpen, onLine }: RequestOptions = {}): Promise<Answer> {
    const stream = this.#send(method, path, body);
    const answer: Answer = { status: 0, retryAfter: undefined, text: '' };
    return new Promise((resolve, reject) => {
      stream.once('response', (headers) => {
        this.#heard();
        answer.status = Number(headers[constants.HTTP2_HEADER_STATUS]);
        const retryAfter = headers[constants.HTTP2_HEADER_RETRY_AFTER];
        if (retryAfter !== undefined) answer.retryAfter = Number(retryAfter);
        if (answer.status === 200) onOpen?.();
      });
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.#heard();
        answer.text += chunk;
        if (answer.status !== 200 || onLine === undefined) return;
        const lines = answer.text.split('\n');
        answer.text = lines.pop() as string;
        for (const line of lines) onLine(line);
      });
      let ended = false;
      // Of this request alone: the others on the connection may go on.
      let failure: string | undefined;
      stream.on('error', (error: NodeJS.ErrnoException) => (failure = error.code ?? error.message));
      stream.once('end', () => (ended = true));
      stream.once('close', () => {
        // What ended the connection says more than what that made of its requests.
        failure = this.#reason ?? failure;
        if (ended && answer.status > 0 && stream.rstCode === constants.NGHTTP2_NO_ERROR && failure === undefined) resolve(answer);
        else if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) reject(new RefusedStream(failure ?? 'the server refused the stream'));
        else reject(new Error(failure ?? 'the connection was closed'));
      });
    });
  }

  #heard(): void {
    this.heardMs = this.#now();
    this.#timer.refresh();
  }

  #send(method: string, path: string, body: object | undefined): ClientHttp2Stream {
    const headers = { ':method': method, ':path': path, accept: 'application/json' };
    if (body === undefined) return this.#session.request(headers);
    return this.#session.request({ ...headers, 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  #ping(): void {
    if (!this.usable) return;
    this.#timer = setTimeout(() => this.#giveUp('no answer to a ping within 15 s'), PING_TIMEOUT_MS);
    this.#session.ping((error) => {
      if (error !== null || !this.usable) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#ping(), READ_IDLE_MS);
      this.heardMs = this.#now();
    });
  }

  #giveUp(reason: string): void {
    this.#reason ??= reason;
    this.#session.destroy();
  }
}
