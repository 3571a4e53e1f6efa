/** Child of the bench `datapath-loss`, in the client's host: long-lived TLS connections, active ones and idle ones, none ever reopened. */
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import { serve } from '../../src/lab/probe/serve.ts';
import type { ClientRecord } from './records.ts';

export interface ClientsOptions {
  address: string;
  port: number;
  serverName: string;
  caFile: string;
  /** Of each kind. */
  count: number;
  /** An active client asks again this long after its last question, or when that is answered. */
  askEveryMs: number;
  outFile: string;
}

/** Between two openings, so that the servers' accept queues do not fill. */
const RAMP_STEP_MS = 10;
/** For an answer to the first and to the last question. */
const ANSWER_MS = 3000;

class Client {
  readonly record: ClientRecord;
  readonly #socket: TLSSocket;
  readonly #options: ClientsOptions;
  #received = '';
  #asking = true;
  #answered: () => void = () => {};

  constructor(kind: ClientRecord['kind'], options: ClientsOptions & { secureContext: SecureContext }) {
    this.record = { kind, server: '', kept: false };
    this.#options = options;
    const { address, port, serverName, secureContext } = options;
    this.#socket = connect({ host: address, port, servername: serverName, secureContext });
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    // Whichever way it ends, the first word of it counts.
    for (const event of ['error', 'end', 'close']) this.#socket.on(event, () => (this.record.endedMs ??= boottime.now()));
  }

  get ended(): boolean {
    return this.record.endedMs !== undefined;
  }

  /** Resolves when the whole answer is there, or will not come. */
  ask(): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (ok: boolean): void => {
        clearTimeout(late);
        this.#socket.off('close', fail);
        resolve(ok);
      };
      const fail = (): void => finish(false);
      const late = setTimeout(fail, ANSWER_MS);
      this.#socket.once('close', fail);
      this.#answered = () => finish(true);
      this.#socket.write(`GET /livez HTTP/1.1\r\nHost: ${this.#options.serverName}\r\n\r\n`);
    });
  }

  /** Asks one question after the other for as long as the connection lives. */
  async askOn(): Promise<void> {
    while (this.#asking && !this.ended) {
      const askedMs = boottime.now();
      // Without an end: a hung connection is found out at the end, as an idle one is.
      await new Promise<void>((resolve) => {
        this.#answered = resolve;
        this.#socket.once('close', resolve);
        this.#socket.write(`GET /livez HTTP/1.1\r\nHost: ${this.#options.serverName}\r\n\r\n`);
      });
      await sleep(Math.max(0, askedMs + this.#options.askEveryMs - boottime.now()));
    }
  }

  /** One last question tells who still has a connection. What ends only because it was asked was not told. */
  async conclude(): Promise<ClientRecord> {
    this.#asking = false;
    const record = { ...this.record };
    if (record.endedMs === undefined) record.kept = await this.ask();
    this.#socket.destroy();
    return record;
  }

  /** The answers are small and come one at a time (RFC 9112, section 6.3, Content-Length). */
  #read(chunk: Buffer): void {
    this.#received += chunk.toString('latin1');
    const head = this.#received.indexOf('\r\n\r\n');
    const length = /^content-length: (\d+)/im.exec(this.#received)?.[1];
    if (head === -1 || length === undefined || this.#received.length < head + 4 + Number(length)) return;
    this.record.server = /^x-hale-server: (\S+)/im.exec(this.#received)?.[1] ?? '';
    this.#received = '';
    this.#answered();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

await serve<ClientsOptions>(async (options, { ready, stopped }) => {
  const secureContext = createSecureContext({ ca: readFileSync(options.caFile) });
  const clients: Client[] = [];
  const opened: Promise<boolean>[] = [];
  for (let i = 0; i < 2 * options.count; i++) {
    const client = new Client(i % 2 === 0 ? 'active' : 'idle', { ...options, secureContext });
    clients.push(client);
    opened.push(client.ask());
    await sleep(RAMP_STEP_MS);
  }
  const failed = (await Promise.all(opened)).filter((ok) => !ok).length;
  if (failed > 0) throw new Error(`${failed} of ${clients.length} connections were not answered at the start`);
  for (const client of clients) if (client.record.kind === 'active') void client.askOn();
  ready();
  await stopped;
  const records = await Promise.all(clients.map((client) => client.conclude()));
  writeFileSync(options.outFile, JSON.stringify(records));
});
