/** An Advertiser over a routing daemon of this host, which is asked again and again, because it may be restarted or configured anew at any time. */
import type { Advertisement, Advertiser } from '../../ports/advertiser.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import { openLifetimes, RENEW_MS } from './lifetime.ts';

const LOOK_MS = 2000;
/** After a change, while the daemon and its neighbours follow. */
const SOON_MS = 300;
const SOON_TIMES = 3;
const PASS_TIMEOUT_MS = 5000;

export interface RoutingDaemon {
  name: string;
  /** Brings the daemon there from wherever it is; why it is not there, in words. */
  bring(advertisement: Advertisement, deadline: AbortSignal): Promise<string | undefined>;
  /** Withdraws, and takes away all that hale put there. */
  leave(deadline: AbortSignal): Promise<string | undefined>;
}

/** Wants `withdrawn` at first, which clears what an earlier process left. */
export function advertiseBy({
  daemon,
  addresses,
  clock,
}: {
  daemon: RoutingDaemon;
  addresses: readonly string[];
  clock: Clock;
}): Advertiser {
  return new DaemonAdvertiser(daemon, addresses, clock);
}

class DaemonAdvertiser implements Advertiser {
  readonly #daemon: RoutingDaemon;
  readonly #clock: Clock;
  readonly #lifetimes;
  #wanted: Advertisement = 'withdrawn';
  /** Of the daemon; of the addresses. */
  #problem: string | undefined;
  #addressProblem: string | undefined;
  /** Whether addresses have a lifetime by now. */
  #limited = false;
  /** Passes since the last change of what is wanted. */
  #passes = 0;
  #running: Promise<void> | undefined;
  #look: Timer | undefined;
  #renewal: Timer | undefined;
  #closed: Promise<void> | undefined;

  constructor(daemon: RoutingDaemon, addresses: readonly string[], clock: Clock) {
    this.#daemon = daemon;
    this.#clock = clock;
    this.#lifetimes = openLifetimes(addresses);
    this.#begin();
  }

  want(advertisement: Advertisement): void {
    if (this.#closed !== undefined) return;
    const before = this.#wanted;
    this.#wanted = advertisement;
    // Before the daemon is told: there is no moment in which the route could outlive this process.
    this.#renew();
    if (advertisement !== before) this.#begin();
  }

  problem(): string | undefined {
    return [this.#addressProblem, this.#problem].filter((words) => words !== undefined).join('; ') || undefined;
  }

  close(): Promise<void> {
    this.#closed ??= this.#leave();
    return this.#closed;
  }

  #begin(): void {
    this.#passes = 0;
    this.#problem = `${this.#daemon.name} is being told: ${this.#wanted}`;
    this.#pass();
  }

  #pass(): void {
    this.#look?.cancel();
    // The one that runs sees by itself that it has been overtaken.
    this.#running ??= this.#bring();
  }

  async #bring(): Promise<void> {
    const wanted = this.#wanted;
    const problem = await this.#daemon.bring(wanted, AbortSignal.timeout(PASS_TIMEOUT_MS));
    this.#running = undefined;
    if (this.#closed !== undefined) return;
    if (wanted !== this.#wanted) return this.#pass();
    this.#problem = problem;
    this.#passes++;
    // Only now: an address whose route could not be withdrawn runs out, and the route with it.
    if (wanted === 'withdrawn' && problem === undefined) this.#unlimit();
    const soon = problem !== undefined && this.#passes <= SOON_TIMES;
    this.#look = this.#clock.at(this.#clock.now() + (soon ? SOON_MS : LOOK_MS), () => this.#pass());
  }

  #renew(): void {
    this.#renewal?.cancel();
    this.#addressProblem = undefined;
    if (this.#wanted === 'withdrawn') return;
    const { missing, problem } = this.#lifetimes.renew();
    this.#limited = true;
    if (missing.length > 0) this.#addressProblem = `${missing.join(' and ')} not on lo, so ${this.#daemon.name} announces no route to it`;
    this.#addressProblem ??= problem;
    this.#renewal = this.#clock.at(this.#clock.now() + RENEW_MS, () => this.#renew());
  }

  async #leave(): Promise<void> {
    this.#look?.cancel();
    this.#renewal?.cancel();
    this.#wanted = 'withdrawn';
    await this.#running;
    const problem = await this.#daemon.leave(AbortSignal.timeout(PASS_TIMEOUT_MS));
    this.#problem = problem;
    if (problem === undefined) this.#unlimit();
    this.#lifetimes.close();
  }

  #unlimit(): void {
    if (this.#limited) this.#lifetimes.end();
    this.#limited = false;
  }
}
