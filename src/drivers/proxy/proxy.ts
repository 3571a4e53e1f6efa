import { Worker } from 'node:worker_threads';
import type { DatapathPlan } from '../../core/balancer/plan.ts';
import type { Datapath } from '../../ports/datapath.ts';
import { listenFreebind } from '../linux/listen.ts';
import { programFile } from '../program.ts';
import type { FromProxy, ToProxy } from './message.ts';

/** The `proxy` datapath: a userspace TCP proxy in a thread of its own, listening on the address whether or not this host holds it. */
export class ProxyDatapath implements Datapath {
  readonly #worker: Worker;
  #connections = 0;
  #onRefused: (backend: string) => void = () => {};

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (message: FromProxy) => {
      if (message.kind === 'refused') this.#onRefused(message.backend);
      else if (message.kind === 'connections') this.#connections = message.count;
    });
  }

  /** Starts the thread and listens; throws HaleError `listen_refused` when a port of the plan is taken. */
  static async open(plan: DatapathPlan, onCrash: (error: Error) => void): Promise<ProxyDatapath> {
    const fds = plan.frontends.map((frontend) => listenFreebind(frontend));
    const worker = new Worker(programFile('drivers/proxy/worker'), {
      resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 },
    });
    worker.on('error', onCrash);
    let listening = 0;
    await new Promise<void>((resolve) => {
      const wait = (message: FromProxy) => {
        if (message.kind === 'listening') listening++;
        if (listening < fds.length) return;
        worker.off('message', wait);
        resolve();
      };
      worker.on('message', wait);
      worker.postMessage({ kind: 'apply', plan } satisfies ToProxy);
      worker.postMessage({ kind: 'listen', fds } satisfies ToProxy);
    });
    return new ProxyDatapath(worker);
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

  connections(): number {
    return this.#connections;
  }

  /** Nothing of a userspace proxy is in the kernel. */
  reconcile(): string[] {
    return [];
  }

  async close(): Promise<void> {
    this.#worker.removeAllListeners('error');
    await this.#worker.terminate();
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
