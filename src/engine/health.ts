import {
  type BackendHealth,
  createBackendHealth,
  type HealthTiming,
  type ProbeResult,
  probeTimeoutMs,
  receiveProbe,
} from '../core/balancer/health.ts';
import type { Target } from '../core/balancer/plan.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { ReadinessProbe } from '../ports/readiness.ts';

export interface HealthEngineOptions {
  targets: readonly Target[];
  timing: HealthTiming;
  clock: Clock;
  probe: ReadinessProbe;
  /** A backend changed its state. */
  onChange: (target: Target, health: BackendHealth) => void;
}

/** By then a server that reset a connection because it was dying refuses the next one. */
const AFTER_RESET_MS = 20;

/** On one link a kernel answers within a millisecond, however busy its host is. */
const SUSPECT_TIMEOUT_MS = 50;

/** Probes every backend in turn, and at once when something hints that it has died. */
export class HealthEngine {
  readonly #options: HealthEngineOptions;
  readonly #health = new Map<string, BackendHealth>();
  readonly #timers = new Map<string, Timer>();
  readonly #probing = new Set<string>();
  /** Hints that came while a probe was under way, whose answer may be older than the hint. */
  readonly #again = new Set<string>();
  /** Hosts whose agents fell silent while their kernels answer, until their API servers answer. */
  readonly #silentHosts = new Set<string>();
  /** When the last hint at a backend was followed. */
  readonly #hintedAt = new Map<string, number>();
  #stopped = false;

  constructor(options: HealthEngineOptions) {
    this.#options = options;
    const { targets, timing, clock, probe } = options;
    probe.onDisconnect((name) => this.probeNow(name));
    for (const [i, target] of targets.entries()) {
      this.#health.set(target.name, createBackendHealth(clock.now()));
      this.#later(target, (i * timing.intervalMs) / targets.length);
    }
  }

  of(name: string): BackendHealth {
    return this.#health.get(name) as BackendHealth;
  }

  /** Something hints that this backend's state has changed: look now instead of at the next turn. At most once an interval: a server may close every connection. */
  probeNow(name: string): void {
    const { clock, targets, timing } = this.#options;
    const target = targets.find((t) => t.name === name);
    const now = clock.now();
    if (target === undefined || now - (this.#hintedAt.get(name) ?? Number.NEGATIVE_INFINITY) < timing.intervalMs) return;
    this.#hintedAt.set(name, now);
    if (this.#probing.has(name)) this.#again.add(name);
    else void this.#probe(target);
  }

  /** This backend's host is no longer heard: dead at once, unless its kernel answers or by then the silence is not what it looked like. */
  async suspect(name: string, isStillSilent: () => boolean): Promise<'looked' | 'untrue'> {
    const target = this.#options.targets.find((t) => t.name === name);
    if (target === undefined || this.of(name).state === 'dead') return 'looked';
    const reached = await this.#options.probe.reaches(target, SUSPECT_TIMEOUT_MS);
    if (this.#stopped) return 'looked';
    const isSilent = isStillSilent();
    if (reached) {
      if (isSilent) this.#silentHosts.add(name);
      return 'looked';
    }
    if (!isSilent) return 'untrue';
    const reason = `its host is silent, and does not answer within ${SUSPECT_TIMEOUT_MS} ms`;
    const timing = { ...this.#options.timing, fall: 1 };
    this.#receive(target, { outcome: 'unreachable', reason }, { startedAt: this.#options.clock.now(), timing });
    return 'looked';
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#options.probe.close();
  }

  #later(target: Target, delayMs: number): void {
    const { clock } = this.#options;
    this.#timers.get(target.name)?.cancel();
    if (!this.#stopped)
      this.#timers.set(
        target.name,
        clock.at(clock.now() + delayMs, () => void this.#probe(target)),
      );
  }

  async #probe(target: Target): Promise<void> {
    if (this.#stopped) return;
    const { clock, probe, timing } = this.#options;
    this.#probing.add(target.name);
    const startedAt = clock.now();
    const result = this.#judge(target, await probe.probe(target, probeTimeoutMs(this.of(target.name), timing)));
    this.#probing.delete(target.name);
    this.#receive(target, result, { startedAt, timing });
    const hinted = this.#again.delete(target.name);
    const doubtful = result.outcome === 'reset' && this.of(target.name).against > 0;
    const inTurn = Math.max(0, startedAt + timing.intervalMs - clock.now());
    this.#later(target, hinted ? 0 : doubtful ? Math.min(AFTER_RESET_MS, inTurn) : inTurn);
  }

  /** An agent is heard however busy its host is: where that fell silent too, an API server does not only take its time. */
  #judge({ name }: Target, result: ProbeResult): ProbeResult {
    if (result.outcome !== 'silent') this.#silentHosts.delete(name);
    if (!this.#silentHosts.has(name) || result.outcome !== 'silent') return result;
    return { outcome: 'unreachable', reason: `${result.reason}, and its host is silent` };
  }

  #receive(target: Target, result: ProbeResult, context: { startedAt: number; timing: HealthTiming }): void {
    const before = this.of(target.name);
    const after = receiveProbe(before, result, { ...context, now: this.#options.clock.now() });
    this.#health.set(target.name, after);
    if (before.state !== after.state && !this.#stopped) this.#options.onChange(target, after);
  }
}
