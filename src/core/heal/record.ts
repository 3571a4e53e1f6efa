import { HEAL_STEPS, type HealStep } from '../cluster/heal.ts';
import type { NodeFacts } from './facts.ts';

/*
 * What hale writes into a Node: the API is the memory, so that whichever controller is active goes on where another one was
 * stopped, and so that people see it.
 */

/** The remedy that is under way, as JSON. */
export const REMEDY = 'heal.hale.dev/remedy';
/** When remedies were begun within the last day: Unix times in seconds, the newest last. */
export const HISTORY = 'heal.hale.dev/history';
/** Who works on the node by hand (`hale node`), and since when. Healing keeps off. */
export const MAINTENANCE = 'heal.hale.dev/maintenance';
/** On the Lease of the controllers: somebody has paused them, and why. */
export const PAUSED = 'heal.hale.dev/paused';
/** kubernetes.io, "Non-graceful node shutdown". */
export const OUT_OF_SERVICE = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' } as const;

const DAY_MS = 86_400_000;

export interface RemedyRecord {
  /** Of the rule, and what was seen. */
  rule: string;
  why: string;
  /** Unix time in ms. */
  startedAtMs: number;
  /** As the rule had them when the remedy was begun. */
  steps: readonly HealStep[];
  /** Index of the one under way; that of none when all are done. */
  step: number;
  /** When it was begun, or when the last one ended. */
  stepAtMs: number;
  /** Failed attempts at it. */
  failures: number;
  /** `working`, then `waiting` until the node is healthy; `failed`: it is not, or a person must decide. */
  state: 'working' | 'waiting' | 'failed';
  /** Of the last failure; empty when there is none. */
  problem: string;
  /** Whether hale cordoned it, and not somebody before. */
  cordoned: boolean;
  /** Whether hale set the taint out-of-service. */
  tainted: boolean;
  /** Of the node when the remedy was begun. */
  bootId: string;
}

/** Undefined where there is none. What somebody else has put there is none either. */
export function remedyOf({ annotations }: Pick<NodeFacts, 'annotations'>): RemedyRecord | undefined {
  const text = annotations[REMEDY];
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isRemedy(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRemedy(value: unknown): value is RemedyRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { steps, step, state, ...rest } = value as Record<string, unknown>;
  const has = (type: string, keys: readonly string[]) => keys.every((key) => typeof rest[key] === type);
  return (
    Array.isArray(steps) &&
    steps.every((name) => (HEAL_STEPS as readonly unknown[]).includes(name)) &&
    Number.isInteger(step) &&
    (step as number) >= 0 &&
    (step as number) <= steps.length &&
    ['working', 'waiting', 'failed'].includes(state as string) &&
    has('string', ['rule', 'why', 'problem', 'bootId']) &&
    has('number', ['startedAtMs', 'stepAtMs', 'failures']) &&
    has('boolean', ['cordoned', 'tainted'])
  );
}

export function encodeRemedy(record: RemedyRecord): string {
  return JSON.stringify(record);
}

/** Unix times in ms of the remedies begun within the day before `wallMs`. Times in the future, of a clock that was wrong, count as now. */
export function historyOf({ annotations }: Pick<NodeFacts, 'annotations'>, wallMs: number): number[] {
  const times = (annotations[HISTORY] ?? '').split(' ').map((word) => Number(word) * 1000);
  return times.filter((time) => time > 0 && time > wallMs - DAY_MS).map((time) => Math.min(time, wallMs));
}

export function encodeHistory(timesMs: readonly number[]): string {
  return timesMs.map((time) => Math.round(time / 1000)).join(' ');
}

/** The step under way; undefined when all are done. */
export function stepOf({ steps, step }: Pick<RemedyRecord, 'steps' | 'step'>): HealStep | undefined {
  return steps[step];
}

/** After its step is done. */
export function progressed(record: RemedyRecord, wallMs: number): RemedyRecord {
  const step = record.step + 1;
  const isLast = step === record.steps.length;
  return { ...record, step, stepAtMs: wallMs, failures: 0, problem: '', state: isLast ? 'waiting' : 'working' };
}
