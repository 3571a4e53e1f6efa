/** Child of the bench `kubernetes`, in the client's host: clients that read a small object again and again, each over the HTTP/2 connection that it has. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RequestRecord } from '../../src/core/drill/record.ts';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import type { ApiTarget } from '../../src/lab/probe/fleet/connection.ts';
import { KeptConnection } from '../../src/lab/probe/fleet/kept-connection.ts';
import { pathOf } from '../../src/lab/probe/fleet/objects.ts';
import { serve } from '../../src/lab/probe/serve.ts';

export interface KeptGetsOptions {
  address: string;
  port: number;
  serverName: string;
  caFile: string;
  certFile: string;
  keyFile: string;
  clients: number;
  /** From the start of a request to that of the next, when it has ended by then. */
  everyMs: number;
  /** How long after `stop` a client may take to get an answer once more. */
  settleMs: number;
  outFile: string;
}

/** Like a client of client-go: a request has no time-out of its own, and the next one opens another connection only when the last one is lost. */
class KeptClient {
  readonly records: RequestRecord[] = [];
  readonly #everyMs: number;
  readonly #connection: KeptConnection;

  constructor(target: ApiTarget, everyMs: number) {
    this.#everyMs = everyMs;
    this.#connection = new KeptConnection(target, boottime.now);
  }

  /** Until a request that began after `stopped` was answered, or `limit` aborts. */
  async run(stopped: AbortSignal, limit: AbortSignal): Promise<void> {
    limit.addEventListener('abort', () => this.#connection.close(), { once: true });
    while (!limit.aborted) {
      const last = stopped.aborted;
      const { startMs, ok } = await this.get();
      if (last && ok) break;
      await sleep(Math.max(0, startMs + this.#everyMs - boottime.now()));
    }
    this.#connection.close();
  }

  async get(): Promise<RequestRecord> {
    const startMs = boottime.now();
    const outcome = await this.#connection.request('GET', pathOf(0)).then(
      ({ status }) => (status === 200 ? { ok: true } : { ok: false, error: `status ${status}` }),
      (error: Error) => ({ ok: false, error: error.message }),
    );
    const record = { startMs, endMs: boottime.now(), ...outcome };
    this.records.push(record);
    return record;
  }
}

await serve<KeptGetsOptions>(async (options, { ready, stopped }) => {
  const { address, port, serverName, clients, everyMs, settleMs, outFile } = options;
  const [ca, cert, key] = [options.caFile, options.certFile, options.keyFile].map((file) => readFileSync(file));
  const target = { host: address, port, servername: serverName, secureContext: createSecureContext({ ca, cert, key }) };
  const kept = Array.from({ length: clients }, () => new KeptClient(target, everyMs));
  // One after the other, so that they do not all ask at the same moments.
  for (const client of kept) {
    const { error } = await client.get();
    if (error !== undefined) throw new Error(`the API does not answer: ${error}`);
    await sleep(everyMs / clients);
  }
  const [stopping, limit] = [new AbortController(), new AbortController()];
  const running = Promise.all(kept.map((client) => client.run(stopping.signal, limit.signal)));
  ready();
  await stopped;
  stopping.abort();
  const timer = setTimeout(() => limit.abort(), settleMs);
  await running;
  clearTimeout(timer);
  writeFileSync(outFile, JSON.stringify(kept.map(({ records }) => records)));
});
