/** Requests over new connections on an open-loop schedule: a slow answer never delays the next question, so a stall shows in full. */
import { Agent, request as httpsRequest } from 'node:https';
import type { RequestRecord } from '../../core/drill/record.ts';
import { LIVEZ, reasonOf, serverOf, type Target } from './target.ts';

/** Beyond this many unanswered requests the rest of the schedule fails unsent, or the client would run out of ports and memory. */
const IN_FLIGHT_MAX = 400;

interface RequestLoopOptions {
  target: Target;
  intervalMs: number;
  timeoutMs: number;
  now: () => number;
  onRecord: (record: RequestRecord) => void;
}

export class RequestLoop {
  readonly #options: RequestLoopOptions;
  /** A new connection each time; resuming TLS sessions where a server allows it takes a quarter off the probe's CPU time. */
  readonly #agent = new Agent({ keepAlive: false });
  #inFlight = 0;
  #dueMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void) | undefined;
  /** How late the worst request was sent. */
  lagMs = 0;

  constructor(options: RequestLoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#dueMs = this.#options.now();
    this.#tick();
  }

  /** Sends no more; resolves when the last request in flight is answered or has failed. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  #tick(): void {
    const { now, intervalMs } = this.#options;
    for (; this.#dueMs <= now(); this.#dueMs += intervalMs) {
      this.lagMs = Math.max(this.lagMs, now() - this.#dueMs);
      this.#send();
    }
    this.#timer = setTimeout(() => this.#tick(), this.#dueMs - now());
  }

  #send(): void {
    const { now, onRecord, target, timeoutMs } = this.#options;
    const startMs = now();
    if (this.#inFlight >= IN_FLIGHT_MAX) {
      onRecord({ startMs, endMs: startMs, ok: false, error: 'too many requests in flight' });
      return;
    }
    this.#inFlight++;
    const request = httpsRequest({ ...target.tls, path: LIVEZ, agent: this.#agent });
    const finish = (outcome: Pick<RequestRecord, 'ok' | 'server' | 'error'>): void => {
      if (deadline === undefined) return;
      clearTimeout(deadline);
      deadline = undefined;
      onRecord({ startMs, endMs: now(), ...outcome });
      request.destroy();
      if (--this.#inFlight === 0) this.#idle?.();
    };
    let deadline: NodeJS.Timeout | undefined = setTimeout(() => finish({ ok: false, error: 'time-out' }), timeoutMs);
    request.on('error', (error) => finish({ ok: false, error: reasonOf(error) }));
    request.on('response', (response) => {
      const server = serverOf(response);
      response.on('error', (error) => finish({ ok: false, error: reasonOf(error) }));
      response.on('end', () => {
        const ok = response.statusCode === 200;
        finish({ ok, ...server, ...(ok ? {} : { error: `status ${response.statusCode}` }) });
      });
      response.resume();
    });
    request.end();
  }
}
