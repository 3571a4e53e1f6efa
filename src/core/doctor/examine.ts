import type { Facts } from './facts.ts';
import { type Finding, SEVERITIES } from './finding.ts';
import type { Hit, Rule } from './rule.ts';
import { placeOf } from './text-file.ts';

/** Runs every rule over the facts. Findings come by file, line and column; at one place the most serious first. */
export function examine(facts: Facts, rules: readonly Rule[]): Finding[] {
  const findings = rules.flatMap((rule) => [...rule.check(facts)].map((hit) => findingOf(rule, hit)));
  return findings.sort(
    (a, b) =>
      compare(a.file, b.file) ||
      a.line - b.line ||
      a.column - b.column ||
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
      compare(a.id, b.id),
  );
}

function findingOf({ id, severity, why, fix }: Rule, { at, message, edits }: Hit): Finding {
  // A text inside another file stands there with an indentation, or with quotes: it is not replaced.
  const isInside = edits?.some(({ span }) => span.file.inside !== undefined) === true;
  return {
    id,
    severity,
    file: at.file.path,
    ...placeOf(at),
    message,
    why,
    fix,
    edits: isInside ? [] : (edits ?? []),
    url: `docs/reference/rules.md#${id}`,
  };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
