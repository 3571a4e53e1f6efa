import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { defaultProxySettings, type ProxySettings } from '../../core/balancer/proxy.ts';
import type { DatapathPlan } from '../../core/balancer/plan.ts';
import type { Datapath } from '../../ports/datapath.ts';
import type { Log } from '../../ports/log.ts';
import { close } from '../linux/libc.ts';
import { programFile } from '../program.ts';
import { connectionsWithin, openFilesLimit } from './descriptors.ts';
import { Counter, type FromProxy, type ProxyStart, type ToProxy } from './message.ts';
import { openListener } from './tcp.ts';

export interface ProxyOptions extends Partial<ProxySettings> {
  log?: Log;
}

/** Longest time that the end of the process waits for the thread. */
const EXIT_WAIT_MS = 500;

/** The `proxy` datapath: a userspace TCP proxy in a thread of its own, listening on the address whether or not this host holds it. */
export class ProxyDatapath implements Datapath {
  readonly #worker: Worker;
  /** A process that ends while native code calls back into the thread would be aborted, so the thread leaves it first. */
  readonly #onExit = (): void => {
    this.#tell({ kind: 'close' });
    Atomics.wait(this.#counters, Counter.closed, 0, EXIT_WAIT_MS);
  };
  readonly #ended: Promise<unknown>;
  readonly #counters: Int32Array;
  readonly #maxConnections: number;
  readonly #log: Log | undefined;
  #closing = false;
  #onRefused: (backend: string) => void = () => {};

  private constructor({ worker, start, log }: { worker: Worker; start: ProxyStart; log: Log | undefined }) {
    this.#worker = worker;
    this.#ended = new Promise((resolve) => worker.once('exit', resolve));
    this.#counters = start.counters;
    this.#maxConnections = start.settings.maxConnections;
    this.#log = log;
    worker.on('message', (message: FromProxy) => this.#receive(message));
    process.on('exit', this.#onExit);
    worker.once('exit', () => process.off('exit', this.#onExit));
  }

  /**
   * Starts the thread and listens; throws HaleError `listen_refused` when a port of the plan is taken. `onCrash` is called when the thread dies:
   * its descriptors stay open until the process ends.
   */
  static async open(plan: DatapathPlan, onCrash: (error: Error) => void, options: ProxyOptions = {}): Promise<ProxyDatapath> {
    const settings = { ...defaultProxySettings, ...options };
    const { maxConnections, proxyProtocol, log } = { ...settings, log: options.log };
    const openFiles = openFilesLimit();
    const effective = Math.min(maxConnections, connectionsWithin(openFiles));
    const facts = { maxConnections: effective, wanted: maxConnections, openFiles };
    if (effective < maxConnections) log?.warn(facts, 'the limit of open files allows fewer connections than proxy.maxConnections');
    else log?.info(facts, 'limit of connections');
    const start: ProxyStart = {
      plan,
      fds: openListeners(plan),
      settings: { maxConnections: effective, proxyProtocol },
      counters: new Int32Array(new SharedArrayBuffer(4 * Counter.length)),
    };
    const worker = new Worker(programFile('drivers/proxy/worker'), {
      workerData: start,
      resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 },
    });
    const datapath = new ProxyDatapath({ worker, start, log });
    datapath.#watchThread(onCrash);
    await once(worker, 'message');
    return datapath;
  }

  apply(plan: DatapathPlan): void {
    this.#tell({ kind: 'apply', plan });
  }

  resetConnections(): Promise<void> {
    return this.#ask({ kind: 'reset' }, 'reset-done');
  }

  drain(graceMs: number): Promise<void> {
    return this.#ask({ kind: 'drain', graceMs }, 'drained');
  }

  onRefused(handler: (backend: string) => void): void {
    this.#onRefused = handler;
  }

  /** Those that still wait for a backend included. */
  connections(): number {
    return Atomics.load(this.#counters, Counter.connections);
  }

  /** Clients turned away so far because of the limit. */
  shed(): number {
    return Atomics.load(this.#counters, Counter.shed);
  }

  /** Nothing of a userspace proxy is in the kernel. */
  reconcile(): string[] {
    return [];
  }

  /** Resets what is still there. Resolves when every descriptor is given back. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#tell({ kind: 'close' });
    await this.#ended;
  }

  #watchThread(onCrash: (error: Error) => void): void {
    let crashed = false;
    this.#worker.on('error', (error) => {
      crashed = true;
      onCrash(error as Error);
    });
    this.#worker.on('exit', () => {
      if (!crashed && !this.#closing) onCrash(new Error('the thread ended by itself'));
    });
  }

  #receive(message: FromProxy): void {
    if (message.kind === 'refused') this.#onRefused(message.backend);
    else if (message.kind === 'shed') this.#logShed(message.reason);
  }

  #logShed(reason: string): void {
    if (reason === 'limit') {
      const facts = { maxConnections: this.#maxConnections, shed: this.shed() };
      this.#log?.warn(facts, 'more clients than the limit of connections are reset; in the next minute they are only counted');
    } else {
      this.#log?.error({ reason }, 'the proxy cannot accept clients for now; they wait in the kernel');
    }
  }

  #ask(message: ToProxy, answer: FromProxy['kind']): Promise<void> {
    return new Promise((resolve) => {
      const wait = (said: FromProxy) => {
        if (said.kind !== answer) return;
        this.#worker.off('message', wait);
        resolve();
      };
      this.#worker.on('message', wait);
      this.#tell(message);
    });
  }

  #tell(message: ToProxy): void {
    this.#worker.postMessage(message);
  }
}

/** All or none. */
function openListeners(plan: DatapathPlan): number[] {
  const fds: number[] = [];
  try {
    for (const frontend of plan.frontends) fds.push(openListener(frontend));
  } catch (error) {
    for (const fd of fds) close(fd);
    throw error;
  }
  return fds;
}
