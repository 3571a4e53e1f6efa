import type { Flag, Program } from '../../doctor/read/program.ts';
import type { Span } from '../../doctor/text-file.ts';
import { textAt, valueAt } from '../../doctor/read/yaml.ts';
import { listed } from '../values.ts';

/** A flag's value and where it stands. */
export interface Said {
  text: string;
  at: Span;
}

function saidBy({ value, span, valueSpan }: Flag): Said {
  return { text: value ?? 'true', at: valueSpan ?? span };
}

/** The last of several, as programs take it; undefined where it is not given. A switch is `true`. */
export function flagOf({ flags }: Program, name: string): Said | undefined {
  const flag = flags.findLast((candidate) => candidate.name === name);
  return flag === undefined ? undefined : saidBy(flag);
}

/** Every value of a flag that may be repeated, or hold several with commas. */
export function flagsOf({ flags }: Program, name: string): Said[] {
  return flags
    .filter((candidate) => candidate.name === name)
    .map(saidBy)
    .flatMap(({ text, at }) => listed(text).map((one) => ({ text: one, at })));
}

/** A variable of the environment that has a value. */
export function variableOf({ env }: Program, name: string): Said | undefined {
  const variable = env.findLast((candidate) => candidate.name === name && candidate.value !== undefined);
  return variable === undefined ? undefined : saidBy(variable);
}

/** The host that a program runs on, where that is known: of a Pod in a live cluster, or by the host's folder. */
export function hostOf({ document, file }: Program): string | undefined {
  return textAt(document?.value, ['spec', 'nodeName']) ?? file.host;
}

/** Whether it runs in a Pod. */
export function isPod({ origin }: Program): boolean {
  return origin === 'pod';
}

/** Whether it is one of many that a Deployment or DaemonSet makes. */
export function isDaemonSet({ document }: Program): boolean {
  return document?.kind === 'DaemonSet' || valueAt(document?.value, ['metadata', 'ownerReferences', 0, 'kind']) === 'DaemonSet';
}
