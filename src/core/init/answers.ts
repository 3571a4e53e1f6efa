import type { Path } from '../cluster/problems.ts';

/** What is at `path`, or undefined. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, step) => (at as Record<string | number, unknown> | undefined)?.[step], value);
}

/** The same with `value` at `path`. */
export function withValue(answers: Readonly<Record<string, unknown>>, path: Path, value: unknown): Record<string, unknown> {
  const [step, ...rest] = path as readonly string[];
  if (step === undefined) return value as Record<string, unknown>;
  const inner = rest.length === 0 ? value : withValue((answers[step] ?? {}) as Record<string, unknown>, rest, value);
  return { ...answers, [step]: inner };
}
