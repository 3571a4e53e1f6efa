/** Child of the bench `datapath-loss`, in the client's host: a new connection every millisecond, each followed to the first byte from a server. */
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import { becomeRealtime } from '../../src/drivers/linux/scheduling.ts';
import { serve } from '../../src/lab/probe/serve.ts';
import type { ConnectRecord } from './records.ts';

export interface ConnectsOptions {
  address: string;
  port: number;
  everyMs: number;
  timeoutMs: number;
  outFile: string;
}

/** As the drill's probe: an instrument that is late measures itself. */
const REALTIME_PRIORITY = 10;
/** With more, a machine that is slow for a moment would only be made slower, and fall behind for good. */
const IN_FLIGHT_MAX = 64;
/**
 * A ClientHello of TLS 1.0 that offers no cipher a server takes today (RFC 8446, section 4.1.2): the server answers with an alert at once, without the
 * cost of a handshake. Being accepted is not enough: a proxy accepts before it has a backend.
 */
const HELLO = Buffer.from(`160301002d0100002903 01${'00'.repeat(32)}0000020000 0100`.replaceAll(' ', ''), 'hex');

class ConnectLoop {
  readonly records: ConnectRecord[] = [];
  readonly #options: ConnectsOptions;
  #inFlight = 0;
  #dueMs = boottime.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ConnectsOptions) {
    this.#options = options;
    this.#tick();
  }

  /** Begins no more; resolves when the last one has its outcome. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  #tick(): void {
    for (; this.#dueMs <= boottime.now(); this.#dueMs += this.#options.everyMs) {
      if (this.#inFlight < IN_FLIGHT_MAX) this.#begin();
    }
    this.#timer = setTimeout(() => this.#tick(), this.#dueMs - boottime.now());
  }

  #begin(): void {
    const { address, port, timeoutMs } = this.#options;
    const startMs = boottime.now();
    const socket = connect({ host: address, port });
    this.#inFlight++;
    let finished = false;
    const finish = (ok: boolean): void => {
      if (finished) return;
      finished = true;
      this.records.push({ startMs, endMs: boottime.now(), ok });
      this.#inFlight--;
      // Without TIME-WAIT, or the client would run out of ports.
      socket.resetAndDestroy();
    };
    socket.setTimeout(timeoutMs, () => finish(false));
    socket.on('connect', () => socket.write(HELLO));
    socket.on('data', () => finish(true));
    for (const event of ['end', 'error']) socket.on(event, () => finish(false));
  }
}

await serve<ConnectsOptions>(async (options, { ready, stopped }) => {
  becomeRealtime(REALTIME_PRIORITY);
  const loop = new ConnectLoop(options);
  ready();
  await stopped;
  await loop.stop();
  writeFileSync(options.outFile, JSON.stringify(loop.records));
});
