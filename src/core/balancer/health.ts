/**
 * Health of one apiserver as a backend, from the results of its readiness probes.
 *
 *   ready --`fall` failures in a row, or one refused connection--> dead or draining
 *   dead, draining --`rise` successes in a row--> ready
 *
 * `draining`: it answers, but says that it is not ready: new connections go elsewhere, established ones stay.
 * `dead`: it does not answer: established connections are told at once.
 */
export type ProbeResult =
  | { outcome: 'ready' }
  /** Answered, but not with 200. */
  | { outcome: 'not-ready'; reason: string }
  /** The connection was refused: nobody serves there. */
  | { outcome: 'refused'; reason: string }
  /** The connection was accepted, and reset before an answer: as by a server that is dying just now. */
  | { outcome: 'reset'; reason: string }
  /** No answer in time, or another failure to reach it. */
  | { outcome: 'unreachable'; reason: string };

export interface HealthTiming {
  /** Time between two probes of a backend. */
  intervalMs: number;
  /** How long a probe may take. */
  timeoutMs: number;
  /** Failures in a row that take a backend out; a refused connection needs only one. */
  fall: number;
  /** Successes in a row that bring it back. */
  rise: number;
}

export type BackendState = 'unknown' | 'ready' | 'draining' | 'dead';

export interface BackendHealth {
  state: BackendState;
  /** What the last probe said, for people. */
  reason: string;
  since: number;
  /** Probes in a row that spoke against the present state. */
  against: number;
}

export function createBackendHealth(now: number): BackendHealth {
  return { state: 'unknown', reason: 'not probed yet', since: now, against: 0 };
}

export function receiveProbe(health: BackendHealth, result: ProbeResult, context: { now: number; timing: HealthTiming }): BackendHealth {
  const { now, timing } = context;
  const wanted: BackendState = result.outcome === 'ready' ? 'ready' : result.outcome === 'not-ready' ? 'draining' : 'dead';
  const reason = result.outcome === 'ready' ? 'ok' : result.reason;
  if (wanted === health.state) return { ...health, reason, against: 0 };
  const against = health.against + 1;
  const changes = against >= needed(health, result, timing);
  return changes ? { state: wanted, reason, since: now, against: 0 } : { ...health, reason, against };
}

function needed(health: BackendHealth, result: ProbeResult, timing: HealthTiming): number {
  if (health.state === 'unknown' || result.outcome === 'refused') return 1;
  if (result.outcome === 'ready') return timing.rise;
  // Between draining and dead nothing is at stake but how established connections are told.
  return timing.fall;
}
