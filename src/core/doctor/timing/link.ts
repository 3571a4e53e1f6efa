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

/** `50ms`, `5s`, `4h` as milliseconds, or a bare number in `unit`. HAProxy has microseconds and days, Go has fractions; undefined for anything else. */
export function durationMs(text: string, unit: 'ms' | 's' = 'ms'): number | undefined {
  const bare = /^\d+(?:\.\d+)?$/.test(text);
  if (bare) return Number(text) * (unit === 's' ? 1000 : 1);
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(us|ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) return undefined;
  return parts.reduce((sum, [, number, name]) => sum + Number(number) * UNITS[name as keyof typeof UNITS], 0);
}

const UNITS = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `300 ms`, `3.6 s`, `5 min`, `4 h`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${round(ms)} ms`;
  if (ms < 120_000) return `${round(ms / 1000)} s`;
  return ms < 7_200_000 ? `${round(ms / 60_000)} min` : `${round(ms / 3_600_000)} h`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
