/**
 * Health of one apiserver as a backend, from the results of its readiness probes.
 *
 *   ready --`fall` failures in a row, or one refused connection--> dead or draining
 *   ready --it says that it is shutting down--> draining --connections refused for `CLOSING_MS`--> dead
 *   ready --silent twice in a row--> draining --silent for `hungMs`--> dead
 *   dead, draining --`rise` successes in a row--> ready
 *
 * `draining`: it says that it is not ready, shows a certificate that clients refuse, or takes connections and is slow to answer: new connections go
 * elsewhere, established ones stay.
 * One that said so closes its port first, and answers what is under way after that; what its process leaves open in the end, its kernel closes.
 * `dead`: nobody is there, or nothing came for so long that nothing will: established connections are told at once.
 * An overloaded API server is slow, and one whose etcd is away answers after 4 s: to reset all its clients would make both worse.
 */
export type ProbeResult =
  | { outcome: 'ready' }
  /** Answered, but not with 200; or with a certificate that clients refuse. */
  | { outcome: 'not-ready'; reason: string }
  /** Answered that it is shutting down, which it does not take back: its process will end. */
  | { outcome: 'leaving'; reason: string }
  /** The connection was refused: nobody serves there. */
  | { outcome: 'refused'; reason: string }
  /** The connection was accepted, and reset before an answer: as by a server that is dying just now. */
  | { outcome: 'reset'; reason: string }
  /** The connection was accepted, and no answer came in time. */
  | { outcome: 'silent'; reason: string }
  /** No connection in time, or another failure to reach it. */
  | { outcome: 'unreachable'; reason: string };

export interface HealthTiming {
  /** Time between two probes of a backend. */
  intervalMs: number;
  /** How long a probe may take. */
  timeoutMs: number;
  /** How long it may take of a backend that is known to be slow: longer than the API server itself waits for etcd, one check after the other (`--etcd-healthcheck-timeout` and `--etcd-readycheck-timeout`, 2 s each). */
  patienceMs: number;
  /** Without an answer for so long, though it takes connections, it hangs. */
  hungMs: number;
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
  /** Since when it takes connections and does not answer. */
  silentSince?: number;
  /** A probe took longer than it may, and since then none has found it ready in time, or gone. Between two that wait for etcd, an API server tells the last failure at once. */
  isSlow: boolean;
  /** Until when a refused connection is part of the shutdown that it told; 0 when it told none. */
  closingUntil: number;
}

/** So long may what is under way take after the port is closed: `--request-timeout` of kube-apiserver. */
const CLOSING_MS = 60_000;
/** Silent probes in a row that lead new connections elsewhere. */
const SLOW_AFTER = 2;

export function createBackendHealth(now: number): BackendHealth {
  return { state: 'unknown', reason: 'not probed yet', since: now, against: 0, isSlow: false, closingUntil: 0 };
}

/** How long the next probe may take. */
export function probeTimeoutMs(health: BackendHealth, timing: HealthTiming): number {
  return health.state === 'draining' && health.isSlow ? timing.patienceMs : timing.timeoutMs;
}

/** `now` is when the result came, `startedAt` when the probe was sent. */
export function receiveProbe(
  { silentSince, ...health }: BackendHealth,
  result: ProbeResult,
  context: { startedAt: number; now: number; timing: HealthTiming },
): BackendHealth {
  const { startedAt, now, timing } = context;
  if (result.outcome === 'silent')
    return receiveSilence({ ...health, isSlow: true, silentSince: silentSince ?? startedAt }, result.reason, { now, timing });
  const isLate = now - startedAt > timing.timeoutMs;
  // Where nobody is there any more, nothing is waited for.
  const isSlow = stateAfter(result.outcome) !== 'dead' && (isLate || (health.isSlow && result.outcome !== 'ready'));
  const closingUntil = result.outcome === 'leaving' ? now + CLOSING_MS : health.closingUntil;
  const isClosing = result.outcome === 'refused' && now < closingUntil;
  const wanted = isClosing ? 'draining' : stateAfter(result.outcome);
  const reason = result.outcome === 'ready' ? 'ok' : result.reason;
  const stays = { ...health, reason, isSlow, closingUntil };
  if (wanted === health.state) return { ...stays, against: 0 };
  const against = health.against + 1;
  if (against < needed(health, result, timing)) return { ...stays, against };
  return { state: wanted, reason, since: now, against: 0, isSlow, closingUntil: wanted === 'draining' ? closingUntil : 0 };
}

function receiveSilence(
  health: BackendHealth & { silentSince: number },
  reason: string,
  { now, timing }: { now: number; timing: HealthTiming },
): BackendHealth {
  const hangs = now - health.silentSince >= timing.hungMs;
  if (health.state === 'dead') return { ...health, reason, against: 0 };
  if (hangs) return { ...health, state: 'dead', reason, since: now, against: 0 };
  if (health.state === 'draining') return { ...health, reason, against: 0 };
  const against = health.against + 1;
  const slow = health.state === 'unknown' || against >= SLOW_AFTER;
  return slow ? { ...health, state: 'draining', reason, since: now, against: 0 } : { ...health, reason, against };
}

function stateAfter(outcome: Exclude<ProbeResult['outcome'], 'silent'>): BackendState {
  if (outcome === 'ready') return 'ready';
  return outcome === 'not-ready' || outcome === 'leaving' ? 'draining' : 'dead';
}

function needed(health: BackendHealth, result: ProbeResult, timing: HealthTiming): number {
  if (health.state === 'unknown' || result.outcome === 'refused' || result.outcome === 'leaving') return 1;
  if (result.outcome === 'ready') return timing.rise;
  // Between draining and dead nothing is at stake but how established connections are told.
  return timing.fall;
}
