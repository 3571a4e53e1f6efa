import { EXIT_FINDING } from '../../base/error.ts';
import { type Finding, SEVERITIES, type Severity } from '../../core/doctor/finding.ts';
import type { Edit } from '../../core/doctor/text-file.ts';

/** What hale doctor found, as every format of output shows it. */
export interface Report {
  findings: readonly Finding[];
  /** How many were looked at. */
  files: number;
  /** How many files of folders hale does not know. */
  passedOver: number;
  /** In the files: edits that hold one are carried out, but not shown. */
  secrets: readonly string[];
}

/** The edits of a finding that can be shown: all or none. */
export function shownEdits({ edits }: Finding, { secrets }: Report): readonly Edit[] {
  return edits.some(({ text }) => secrets.some((secret) => text.includes(secret))) ? [] : edits;
}

/** How many findings there are of each severity. */
export function countsOf({ findings }: Report): Record<Severity, number> {
  const counts: Record<Severity, number> = { error: 0, warning: 0, info: 0 };
  for (const { severity } of findings) counts[severity]++;
  return counts;
}

/** Those at least as serious as `least`, without the rules in `ignored`. */
export function chosenFindings(
  findings: readonly Finding[],
  { least, ignored }: { least: Severity; ignored: ReadonlySet<string> },
): Finding[] {
  return findings.filter(({ id, severity }) => SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(least) && !ignored.has(id));
}

export function exitCodeOf(report: Report): number {
  const { error, warning } = countsOf(report);
  return error + warning > 0 ? EXIT_FINDING : 0;
}

/** Two reports as one. */
export function joined(a: Report, b: Report): Report {
  return {
    findings: [...a.findings, ...b.findings],
    files: a.files + b.files,
    passedOver: a.passedOver,
    secrets: [...a.secrets, ...b.secrets],
  };
}
