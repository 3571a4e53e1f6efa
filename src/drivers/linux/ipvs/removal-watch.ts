import type { Clock } from '../../../ports/clock.ts';

const EXPLAIN_AGAIN_MS = 60_000;

/** Notices that another program takes virtual servers away again and again, and says what to do about it, at most once a minute. */
export class RemovalWatch {
  readonly #clock: Clock;
  #removals = 0;
  #explainedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The sentence of what was found, with a line of advice where it is due. */
  explain(found: string): string {
    const removed = /^virtual server (?<name>\S+) was missing$/.exec(found)?.groups?.['name'];
    if (removed === undefined) return found;
    this.#removals++;
    const now = this.#clock.now();
    if (this.#removals < 2 || now - this.#explainedAt < EXPLAIN_AGAIN_MS) return found;
    this.#explainedAt = now;
    return `${found}, taken away ${this.#removals} times by another program; ${excludeAdvice(removed)}`;
  }
}

/** kube-proxy in IPVS mode deletes every virtual server that it does not know, unless it is told not to (kubernetes/kubernetes issue 59507). */
export function excludeAdvice(frontend: string): string {
  const address = frontend.slice(0, frontend.lastIndexOf(':')).replaceAll(/[[\]]/g, '');
  const prefix = `${address}/${address.includes(':') ? 128 : 32}`;
  return `if kube-proxy runs in IPVS mode, add \`ipvs: {excludeCIDRs: ["${prefix}"]}\` to its configuration (kubectl -n kube-system edit configmap kube-proxy) and restart it`;
}
