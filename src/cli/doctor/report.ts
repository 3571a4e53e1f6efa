import { EXIT_FINDING } from '../../base/error.ts';
import { type Finding, SEVERITIES, type Severity } from '../../core/doctor/finding.ts';

/** What hale doctor found, as every format of output shows it. */
export interface Report {
  findings: readonly Finding[];
  /** How many were looked at. */
  files: number;
  /** How many files of folders hale does not know. */
  passedOver: number;
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
  return { findings: [...a.findings, ...b.findings], files: a.files + b.files, passedOver: a.passedOver };
}
