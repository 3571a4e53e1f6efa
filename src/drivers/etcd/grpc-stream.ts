import { type ClientHttp2Stream, connect, constants, type IncomingHttpHeaders } from 'node:http2';
import type { SecureContext } from 'node:tls';
import { Code, ConnectError } from '@connectrpc/connect';

/** What a stream may hold before it was read. With HTTP/2's own 64 KiB most of the time of a large answer goes into asking for more; with 256 KiB half of it still does. */
const WINDOW_BYTES = 1 << 20;
const FRAME_BYTES = 64 << 10;
/** Flags and length (grpc.io, "gRPC over HTTP2"). */
const PREFIX_BYTES = 5;
/** Above what etcd sends; what claims more is no message. */
const MAX_MESSAGE_BYTES = 16 << 20;

export interface GrpcStreamOptions {
  /** `https://host:port`. */
  url: string;
  secureContext: SecureContext;
  /** `/package.Service/Method`. */
  path: string;
  /** Ends it, with its reason as the error. */
  signal: AbortSignal;
}

/**
 * The messages that a server sends in answer to an empty one, over a connection of its own, as many at a time as are there; each is valid only until the next is taken. For
 * answers of gigabytes: connect takes three times the CPU time. Throws a ConnectError, or what Node says of the connection.
 */
export async function* grpcStream({ url, secureContext, path, signal }: GrpcStreamOptions): AsyncGenerator<Iterable<Uint8Array>> {
  const session = connect(url, {
    secureContext,
    settings: { enablePush: false, initialWindowSize: WINDOW_BYTES, maxFrameSize: FRAME_BYTES },
  });
  // Errors come to the stream as well.
  session.on('error', () => undefined);
  // It may have been given up by then.
  session.on('connect', () => !session.destroyed && session.setLocalWindowSize(WINDOW_BYTES));
  const request = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' });
  const stop = () => request.destroy(ConnectError.from(signal.reason, Code.Canceled));
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  request.on('response', (received) => (headers = received));
  request.on('trailers', (received) => (trailers = received));
  try {
    request.end(Buffer.alloc(PREFIX_BYTES));
    const messages = new Messages();
    for await (const chunks of batchesOf(request)) yield messages.of(chunks);
    checkStatus({ ...headers, ...trailers });
    messages.checkEnd();
  } finally {
    signal.removeEventListener('abort', stop);
    request.on('error', () => undefined);
    request.close(constants.NGHTTP2_CANCEL);
    session.destroy();
  }
}

/** What has come, as long as the reader takes. By events: an iterator over the stream itself joins what waits in it, which copies all of it once more. */
async function* batchesOf(stream: ClientHttp2Stream): AsyncGenerator<Buffer[]> {
  let batch: Buffer[] = [];
  let size = 0;
  let closed = false;
  let failure: Error | undefined;
  let wake = (): void => undefined;
  stream.on('data', (chunk: Buffer) => {
    batch.push(chunk);
    size += chunk.length;
    if (size >= WINDOW_BYTES) stream.pause();
    wake();
  });
  stream.on('error', (error) => (failure = error));
  stream.on('close', () => {
    closed = true;
    wake();
  });
  for (;;) {
    if (failure !== undefined) throw failure;
    if (size > 0) {
      const taken = batch;
      batch = [];
      size = 0;
      stream.resume();
      yield taken;
    } else if (closed) return;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}

/** A message lies in several chunks, or several in one. It is put together in one place that all messages use. */
class Messages {
  #buffer = Buffer.allocUnsafeSlow(FRAME_BYTES);
  #filled = 0;
  #needed = PREFIX_BYTES;

  *of(chunks: readonly Buffer[]): Generator<Uint8Array> {
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) {
        const copied = chunk.copy(this.#buffer, this.#filled, at, at + this.#needed - this.#filled);
        at += copied;
        this.#filled += copied;
        if (this.#filled < this.#needed) break;
        if (this.#needed === PREFIX_BYTES) this.#makeRoom(PREFIX_BYTES + lengthOf(this.#buffer));
        if (this.#filled < this.#needed) continue;
        yield this.#buffer.subarray(PREFIX_BYTES, this.#needed);
        this.#filled = 0;
        this.#needed = PREFIX_BYTES;
      }
    }
  }

  /** Nothing may be left over. */
  checkEnd(): void {
    if (this.#filled > 0) throw new ConnectError('the answer ended within a message', Code.Unavailable);
  }

  #makeRoom(needed: number): void {
    this.#needed = needed;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * needed);
    this.#buffer.copy(larger, 0, 0, this.#filled);
    this.#buffer = larger;
  }
}

function lengthOf(prefixed: Buffer): number {
  const length = prefixed.readUInt32BE(1);
  if (prefixed[0] !== 0 || length > MAX_MESSAGE_BYTES) throw new ConnectError('the answer is no stream of gRPC messages', Code.Internal);
  return length;
}

function checkStatus(headers: IncomingHttpHeaders): void {
  const { ':status': http, 'grpc-status': status, 'grpc-message': message } = headers;
  if (status === '0') return;
  if (status === undefined) throw new ConnectError(`the answer ended without a status (HTTP ${http ?? 'none'})`, Code.Unavailable);
  throw new ConnectError(unescaped(String(message ?? '')), Number(status) as Code);
}

/** Percent-encoded as gRPC wants it. */
function unescaped(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
