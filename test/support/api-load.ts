/** Clients of an API server that count and measure for themselves. */
import { Agent, request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesAccess } from '../../src/drivers/kubernetes/kubeconfig.ts';

export interface Place {
  host: string;
  port: number;
}

interface Done {
  endMs: number;
  ms: number;
  status: number;
}

/** Requests over connections of its own, and how long each took. */
export class ApiLoad {
  readonly #place: Place;
  readonly #agent: Agent;
  readonly done: Done[] = [];
  #stopped = false;

  constructor({ host, port }: Place, { ca, client: pair }: KubernetesAccess) {
    this.#place = { host, port };
    this.#agent = new Agent({ keepAlive: true, ca: ca as string, ...pair });
  }

  send(method: string, path: string, body?: object): Promise<void> {
    const startMs = performance.now();
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const req = request({ ...this.#place, agent: this.#agent, method, path, headers }, (res) => {
        res.resume();
        res.on('end', () => {
          const endMs = performance.now();
          this.done.push({ endMs, ms: endMs - startMs, status: res.statusCode ?? 0 });
          resolve();
        });
      });
      req.on('error', reject);
      req.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Goes on until `stop`. */
  async keepAsking(path: string): Promise<void> {
    while (!this.#stopped) {
      await this.send('GET', path);
      await sleep(5);
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Resolves once the API server has begun to answer; the function ends it. */
export function openWatch({ host, port }: Place, access: KubernetesAccess, path: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const req = request({ host, port, path, agent: false, ca: access.ca as string, ...access.client }, (res) => {
      res.resume();
      res.on('error', () => {});
      resolve(() => req.destroy());
    });
    req.on('error', reject);
    req.end();
  });
}
