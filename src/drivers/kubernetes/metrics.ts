import { type Agent, type RequestOptions, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { printable } from '../../base/printable.ts';
import { METRICS } from '../../core/apiserver/metrics.ts';
import { readQuantity } from '../../core/apiserver/quantity.ts';
import type { Scrape } from '../../core/apiserver/scrape.ts';
import { ScrapeReader } from '../../core/prometheus/scrape.ts';
import { newAgent } from './client.ts';
import type { KubernetesAccess } from './kubeconfig.ts';

/** Longest part of an answer that goes into a reason. */
const REASON_CHARS_MAX = 200;
/** Largest Node object that is read. */
const NODE_CHARS_MAX = 4 * 1024 * 1024;

export type ScrapeResult = { ok: true; scrape: Scrape } | { ok: false; reason: string };

/** The API server of one host, asked at that host's own address by one kept connection. The address, or `tls-server-name` of the kubeconfig, must be in its certificate. */
export class ApiserverMetrics {
  readonly #options: RequestOptions;
  readonly #basePath: string;
  readonly #agent: Agent;

  constructor(access: KubernetesAccess, { host, port }: { host: string; port: number }) {
    this.#agent = newAgent({ ...access, host });
    const headers = access.token === undefined ? {} : { authorization: `Bearer ${access.token}` };
    this.#options = { host, port, agent: this.#agent, headers };
    this.#basePath = access.basePath;
  }

  /** Reads /metrics as it comes. Its time is that of the answer's begin, when all of it has been gathered. */
  async scrape(timeoutMs: number): Promise<ScrapeResult> {
    const reader = new ScrapeReader(METRICS);
    let atMs = 0;
    const accept = 'text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5';
    const failure = await this.#get('/metrics', {
      accept,
      timeoutMs,
      onBegin: () => (atMs = performance.now()),
      onChunk: (chunk) => reader.push(chunk),
    });
    if (failure !== null) return { ok: false, reason: failure };
    return { ok: true, scrape: reader.finish(atMs) };
  }

  /** Memory of a node in bytes; null where there is no such node, or it could not be asked. */
  async nodeMemoryBytes(node: string, timeoutMs: number): Promise<number | null> {
    let text = '';
    const failure = await this.#get(`/api/v1/nodes/${encodeURIComponent(node)}`, {
      accept: 'application/json',
      timeoutMs,
      onBegin: () => {},
      onChunk(chunk) {
        if (text.length < NODE_CHARS_MAX) text += chunk;
      },
    });
    return failure === null ? memoryOf(text) : null;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Null when the whole of an answer 200 came, else why not. */
  #get(path: string, reading: Reading): Promise<string | null> {
    return new Promise((settle) => {
      const { accept, timeoutMs } = reading;
      const req = request({ ...this.#options, path: `${this.#basePath}${path}`, headers: { ...this.#options.headers, accept } });
      let isLate = false;
      const late = setTimeout(() => {
        isLate = true;
        req.destroy(new Error('late'));
      }, timeoutMs);
      const fail = ({ message }: Error): void => settle(isLate ? `no whole answer within ${timeoutMs} ms` : printable(message));
      req.on('close', () => clearTimeout(late));
      req.on('error', fail);
      req.on('response', (res) => void read(res, reading).then(settle, fail));
      req.end();
    });
  }
}

interface Reading {
  accept: string;
  timeoutMs: number;
  onBegin: () => void;
  onChunk: (chunk: string) => void;
}

async function read(res: IncomingMessage, { onBegin, onChunk }: Reading): Promise<string | null> {
  const isGood = res.statusCode === 200;
  onBegin();
  res.setEncoding('utf8');
  let said = '';
  for await (const chunk of res as AsyncIterable<string>) {
    if (isGood) onChunk(chunk);
    else if (said.length < REASON_CHARS_MAX) said += chunk;
  }
  return isGood ? null : refusal(res.statusCode ?? 0, said);
}

const REMEDIES: Record<number, string> = {
  401: ': it does not know these credentials',
  403: ': these credentials may not read it, which takes the verb get on the nonResourceURL /metrics',
};

function refusal(status: number, said: string): string {
  const text = printable(said.trim()).slice(0, REASON_CHARS_MAX);
  return `HTTP ${status}${REMEDIES[status] ?? (text === '' ? '' : `: ${text}`)}`;
}

/** `.status.capacity.memory` of a Node. */
function memoryOf(text: string): number | null {
  let memory: unknown;
  try {
    memory = (JSON.parse(text) as { status?: { capacity?: { memory?: unknown } } } | null)?.status?.capacity?.memory;
  } catch {
    return null;
  }
  const bytes = readQuantity(memory) ?? 0;
  return bytes > 0 ? bytes : null;
}
