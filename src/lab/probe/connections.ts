/**
 * Long-lived connections as of clients that watch: opened in a gentle ramp, none ever reopened. Most ask about every second. Some are idle: they
 * say nothing after their first answer, so that they learn of a dead server only if somebody tells them, and ask once at the very end.
 */
import { Agent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { CLOSED } from '../../core/drill/fate.ts';
import type { ConnectionRecord } from '../../core/drill/record.ts';
import { LIVEZ, reasonOf, serverOf, type Target } from './target.ts';

const ASK_EVERY_MS = 1000;
/** Prime to the numbers of hosts that a lab can have: a balancer that takes turns gives each API server as many idle ones as another. */
const IDLE_EVERY = 4;
/** As client-go's, and longer than any drill: the kernel must not ask in the name of an idle connection, as Node's default of 1 s would. */
const KEEP_ALIVE_MS = 30_000;
/** Between two openings; 300 connections take 3 s and their questions spread evenly over the second. */
const RAMP_STEP_MS = 10;
/** A connection without its first answer by then counts as lost, so that a dead address ends in a verdict and not in a wait. */
const OPEN_WITHIN_MS = 5000;

export class ConnectionFleet {
  readonly #connections: LongConnection[] = [];
  readonly #count: number;
  readonly #target: Target;
  readonly #now: () => number;

  constructor(options: { target: Target; count: number; now: () => number }) {
    this.#target = options.target;
    this.#count = options.count;
    this.#now = options.now;
  }

  /** Resolves when each connection had its first answer or failed to get one. */
  async open(): Promise<void> {
    const settled: Promise<void>[] = [];
    for (let i = 0; i < this.#count; i++) {
      const connection = new LongConnection(this.#target, { idle: i % IDLE_EVERY === IDLE_EVERY - 1, now: this.#now });
      this.#connections.push(connection);
      settled.push(connection.settled);
      await new Promise((resolve) => setTimeout(resolve, RAMP_STEP_MS));
    }
    const late = setTimeout(() => {
      for (const connection of this.#connections) connection.giveUpOpening();
    }, OPEN_WITHIN_MS);
    await Promise.all(settled);
    clearTimeout(late);
  }

  /** Asks no more, but once on each idle connection; gives the questions under way `graceMs` to be answered, and closes everything. */
  async stop(graceMs: number): Promise<ConnectionRecord[]> {
    for (const connection of this.#connections) connection.finish();
    const untilMs = this.#now() + graceMs;
    while (this.#now() < untilMs && this.#connections.some((connection) => connection.waiting)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return this.#connections.map((connection) => connection.close());
  }
}

class LongConnection {
  readonly settled: Promise<void>;
  readonly #record: ConnectionRecord;
  readonly #agent: Agent;
  readonly #target: Target;
  readonly #now: () => number;
  #settle: () => void = () => {};
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #asking = true;
  #answeredOnce = false;

  constructor(target: Target, { idle, now }: { idle: boolean; now: () => number }) {
    this.#target = target;
    this.#now = now;
    this.#agent = new Agent({ keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxSockets: 1 });
    this.#record = { openedMs: now(), ...(idle && { idle }), lastAnswerMs: now(), longestWaitMs: 0 };
    this.settled = new Promise((resolve) => (this.#settle = resolve));
    this.#ask();
  }

  get waiting(): boolean {
    return this.#record.waitingSinceMs !== undefined && this.#record.resetMs === undefined;
  }

  giveUpOpening(): void {
    if (!this.#answeredOnce) this.#lost('never answered');
  }

  /** The last question of an idle connection; the others have had theirs. */
  finish(): void {
    this.#stopAsking();
    if (this.#record.idle && this.#answeredOnce && this.#record.resetMs === undefined) this.#ask();
  }

  #stopAsking(): void {
    this.#asking = false;
    clearTimeout(this.#timer);
  }

  close(): ConnectionRecord {
    const record = { ...this.#record };
    this.#stopAsking();
    this.#agent.destroy();
    this.#socket?.destroy();
    return record;
  }

  #ask(): void {
    const askedMs = this.#now();
    this.#record.waitingSinceMs = askedMs;
    const request = httpsRequest({ ...this.#target.tls, path: LIVEZ, agent: this.#agent });
    request.on('socket', (socket) => this.#adopt(socket));
    request.on('error', (error) => this.#lost(reasonOf(error)));
    request.on('response', (response) => {
      const server = serverOf(response);
      response.on('error', (error) => this.#lost(reasonOf(error)));
      response.on('end', () => {
        if (response.statusCode === 200) this.#answered(askedMs, server);
        else this.#lost(`status ${response.statusCode}`);
      });
      response.resume();
    });
    request.end();
  }

  /** A second socket would mean a reopened connection: the listeners below note the loss of the first before that can happen. */
  #adopt(socket: Socket): void {
    if (this.#socket !== undefined) return;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', (error) => this.#lost(reasonOf(error)));
    socket.on('end', () => this.#lost(CLOSED));
    // A connection of a pool that waits for nothing is closed without 'end'.
    socket.on('close', () => this.#lost(CLOSED));
  }

  #answered(askedMs: number, server: { server?: string }): void {
    if (this.#record.resetMs !== undefined) return;
    const nowMs = this.#now();
    Object.assign(this.#record, server, { lastAnswerMs: nowMs, longestWaitMs: Math.max(this.#record.longestWaitMs, nowMs - askedMs) });
    delete this.#record.waitingSinceMs;
    this.#answeredOnce = true;
    this.#settle();
    if (this.#asking && !this.#record.idle) this.#timer = setTimeout(() => this.#ask(), Math.max(0, askedMs + ASK_EVERY_MS - nowMs));
  }

  #lost(error: string): void {
    if (this.#record.resetMs !== undefined) return;
    Object.assign(this.#record, { resetMs: this.#now(), error });
    this.#stopAsking();
    this.#settle();
    this.#agent.destroy();
  }
}
