import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import type { KubernetesWatch, KubernetesWatchEnd } from '../../ports/kubernetes.ts';
import { readAnswer } from './answer.ts';
import { JsonLines } from './json-lines.ts';

/** From the call to the first line of the answer: a server that is frozen takes the connection, and never says a word. */
const OPEN_MS = 10_000;
/** As the connection of the requests: the kernel asks every second, and gives a host that is gone up after ten. */
const KEEP_ALIVE_MS = 1000;
/** etcd takes no object of more than 1.5 MiB (--max-request-bytes); as JSON, which names every field, it is some times as long. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;

/** Opens a connection for one watch. Rejects when that fails or breaks. */
export function openWatch(options: RequestOptions, watch: KubernetesWatch): Promise<KubernetesWatchEnd> {
  return new Promise((resolve, reject) => {
    const stream = new WatchStream(watch, (end) => (end instanceof Error ? reject(end) : resolve(end)));
    stream.open(options);
  });
}

class WatchStream {
  readonly #watch: KubernetesWatch;
  readonly #settle: (end: KubernetesWatchEnd | Error) => void;
  readonly #stop = (): void => this.#end({ kind: 'finished' });
  #silence: NodeJS.Timeout | undefined;
  #close: () => void = () => {};
  #isOver = false;

  constructor(watch: KubernetesWatch, settle: (end: KubernetesWatchEnd | Error) => void) {
    this.#watch = watch;
    this.#settle = settle;
  }

  open(options: RequestOptions): void {
    const { signal } = this.#watch;
    if (signal.aborted) return this.#stop();
    signal.addEventListener('abort', this.#stop);
    // `agent: false`: closed when the watch is over, and kept for nobody.
    const req = request({ ...options, agent: false });
    this.#close = () => req.destroy();
    this.#silence = setTimeout(() => this.#end(new Error(`no answer within ${OPEN_MS} ms`)), OPEN_MS);
    req.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    req.on('error', (error) => this.#end(error));
    req.on('response', (res) => this.#onResponse(res));
    req.end();
  }

  #onResponse(res: IncomingMessage): void {
    if (res.statusCode !== 200) {
      readAnswer(res).then(
        (answer) => this.#end({ kind: 'refused', answer }),
        (error: Error) => this.#end(error),
      );
      return;
    }
    const { silenceMs, onOpen } = this.#watch;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#end({ kind: 'silent' }), silenceMs);
    const lines = new JsonLines({ lineBytesMax: LINE_BYTES_MAX });
    res.on('data', (chunk: Buffer) => this.#onChunk(lines, chunk));
    res.on('error', (error) => this.#end(error));
    res.on('end', () => this.#end({ kind: 'finished' }));
    onOpen();
  }

  #onChunk(lines: JsonLines, chunk: Buffer): void {
    if (this.#isOver) return;
    this.#silence?.refresh();
    let documents: unknown[];
    try {
      documents = lines.push(chunk);
    } catch (error) {
      this.#end(error as Error);
      return;
    }
    for (const document of documents) {
      // The one before may have been the reason to end the watch.
      if (!this.#isOver) this.#watch.onDocument(document);
    }
  }

  #end(end: KubernetesWatchEnd | Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#silence);
    this.#watch.signal.removeEventListener('abort', this.#stop);
    this.#close();
    this.#settle(end);
  }
}
