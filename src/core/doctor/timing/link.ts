import type { Span } from '../text-file.ts';

/** The stages from a failure to its last consequence, earliest first. Each must be over before the next begins, or the later one strikes first. */
export const STAGES = {
  'etcd-election': 'etcd has a new leader',
  'backend-detected': 'the balancer takes a dead API server out',
  'address-by-check': 'the address leaves a host whose check fails',
  'address-by-crash': 'the address leaves a host that died',
  'graceful-stop': 'an API server that stops answers no more',
  'controllers-moved': 'another scheduler and controller manager lead',
  'client-notices': 'client-go gives up a connection that went silent',
  'node-not-ready': 'a node that fell silent is NotReady',
  'pods-evicted': 'its Pods are evicted',
  'idle-ended': 'an idle connection through the balancer is cut',
} as const;

export type Stage = keyof typeof STAGES;

/** One link of the chain: how long after the failure its stage is reached. */
export interface Link {
  stage: Stage;
  /** Both in milliseconds. */
  fromMs: number;
  toMs: number;
  /** With what values that was computed, such as `3 × 1 s + (256 − 101)/256 s`. */
  how: string;
  /** Where the values stand; undefined where they are the defaults of a program that was not found. */
  at: Span | undefined;
  /** Which program, as found. */
  who: string;
}

/** `300 ms`, `3.6 s`, `5 min`, `4 h`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${round(ms)} ms`;
  if (ms < 120_000) return `${round(ms / 1000)} s`;
  return ms < 7_200_000 ? `${round(ms / 60_000)} min` : `${round(ms / 3_600_000)} h`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
