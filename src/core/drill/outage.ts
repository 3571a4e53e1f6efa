import type { RequestRecord } from './record.ts';

export interface Outage {
  outageMs: number;
  /** When the last success before the gap was complete; the gap ends at `startMs + outageMs`. */
  startMs: number;
}

/**
 * The outage: the largest gap, in milliseconds, between the completions of two consecutive successful requests of which the later
 * one was complete after the fault. Resolution: the interval of the requests. When nothing succeeds any more, the gap reaches to the
 * start of the last request, and the true outage is longer. Without an outage it is about one interval, never 0.
 */
export function outageOf(requests: readonly RequestRecord[], faultMs: number): Outage {
  const completions = requests.filter((request) => request.ok).map((request) => request.endMs);
  completions.sort((a, b) => a - b);
  const lastAskedMs = requests.reduce((latest, request) => Math.max(latest, request.startMs), faultMs);
  completions.push(Math.max(lastAskedMs, completions.at(-1) ?? faultMs));
  let previous = Math.min(faultMs, completions[0] ?? faultMs);
  let worst: Outage = { outageMs: 0, startMs: faultMs };
  for (const completion of completions) {
    if (completion > faultMs && completion - previous > worst.outageMs) worst = { outageMs: completion - previous, startMs: previous };
    previous = completion;
  }
  return worst;
}

/** What the rig shows when nothing fails. */
export interface Quiet {
  /** Measured as the outage is, before the fault; 0 when fewer than two requests succeeded. */
  gapMs: number;
  /** From the first success until the fault. */
  forMs: number;
}

/**
 * The largest gap between the completions of two consecutive successful requests before the fault. Nothing is broken yet, so it is the rig's own: the
 * interval of the requests, and whatever CPU time clients and servers of the lab have to wait for.
 */
export function quietOf(requests: readonly RequestRecord[], faultMs: number): Quiet {
  const completions = requests.filter((request) => request.ok && request.endMs <= faultMs).map((request) => request.endMs);
  completions.sort((a, b) => a - b);
  const gaps = completions.slice(1).map((completion, i) => completion - (completions[i] as number));
  return { gapMs: Math.max(0, ...gaps), forMs: faultMs - (completions[0] ?? faultMs) };
}
