import type { Advertisement, Advertiser } from '../ports/advertiser.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { RoutesStatus } from '../ports/control.ts';
import type { Claim, ClaimFacts } from './claim.ts';

export interface RouteClaimOptions {
  self: number;
  clock: Clock;
  advertiser: Advertiser;
  drainMs: number;
  /** Lets this host serve until then. */
  serveUntil: (untilMs: number) => void;
  /** Routers send packets for so long after they heard the last of this host. */
  holdMs: number;
  status: () => Pick<RoutesStatus, 'by' | 'prefixes' | 'peers'>;
  onChange: (change: { from: Advertisement; to: Advertisement }) => void;
}

/** With routes nobody is elected: each host that reaches a ready API server announces the address, and one that is drained first asks routers to prefer others. */
export class RouteClaim implements Claim {
  readonly #options: RouteClaimOptions;
  #wanted: Advertisement = 'withdrawn';
  #facts: ClaimFacts = { fitness: 'unable', draining: false };
  #drained: Timer | undefined;
  #isDrained = false;

  constructor(options: RouteClaimOptions) {
    this.#options = options;
  }

  get isHolding(): boolean {
    return this.#wanted !== 'withdrawn';
  }

  holder(): number | undefined {
    return this.isHolding ? this.#options.self : undefined;
  }

  whyNot(): string | undefined {
    if (this.isHolding) return undefined;
    if (this.#facts.draining) return 'this host is drained; see: hale agent resume';
    return 'this host reaches no ready API server';
  }

  update(facts: ClaimFacts): void {
    this.#facts = facts;
    if (!facts.draining) {
      this.#drained?.cancel();
      this.#drained = undefined;
      this.#isDrained = false;
    }
    this.#want(this.#decide());
  }

  #decide(): Advertisement {
    const { fitness, draining } = this.#facts;
    if (fitness !== 'good') return 'withdrawn';
    if (!draining) return 'announced';
    if (this.#isDrained || this.#wanted === 'withdrawn') return 'withdrawn';
    const { clock, drainMs } = this.#options;
    this.#drained ??= clock.at(clock.now() + drainMs, () => {
      this.#isDrained = true;
      this.#want(this.#decide());
    });
    return 'draining';
  }

  #want(wanted: Advertisement): void {
    const from = this.#wanted;
    this.#wanted = wanted;
    const { clock, holdMs, serveUntil } = this.#options;
    if (wanted !== 'withdrawn') serveUntil(clock.now() + holdMs);
    this.#options.advertiser.want(wanted);
    if (from !== wanted) this.#options.onChange({ from, to: wanted });
  }

  async stop(): Promise<void> {
    const { clock, drainMs, advertiser } = this.#options;
    this.update({ ...this.#facts, draining: true });
    if (this.isHolding) await new Promise((resolve) => clock.at(clock.now() + drainMs + 10, () => resolve(undefined)));
    this.#drained?.cancel();
    await advertiser.close();
  }

  get routes(): RoutesStatus {
    return { ...this.#options.status(), wanted: this.#wanted, problem: this.#options.advertiser.problem() ?? null };
  }
}
