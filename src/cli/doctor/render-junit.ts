/** JUnit XML as CI servers read it: a suite for each file, a test case that failed for each finding. Findings of `info` do not fail. */
import type { Finding } from '../../core/doctor/finding.ts';
import type { Report } from './report.ts';

export function renderJunit({ findings, files }: Report): string {
  const suites = [...new Set(findings.map(({ file }) => file))].map((file) =>
    suiteOf(
      file,
      findings.filter((finding) => finding.file === file),
    ),
  );
  // A run that found nothing is a success, and not a run of nothing.
  if (suites.length === 0) suites.push(suiteOf('hale doctor', [], `${files} files`));
  const failures = findings.filter(isFailure).length;
  const tests = Math.max(findings.length, 1);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="hale doctor" tests="${tests}" failures="${failures}">\n${suites.join('')}</testsuites>\n`;
}

const isFailure = ({ severity }: Finding): boolean => severity !== 'info';

function suiteOf(name: string, findings: readonly Finding[], nothing = ''): string {
  const cases = findings.length === 0 ? [`    <testcase classname="hale doctor" name="${xml(nothing)}"/>\n`] : findings.map(caseOf);
  const failures = findings.filter(isFailure).length;
  return `  <testsuite name="${xml(name)}" tests="${cases.length}" failures="${failures}" errors="0" skipped="0">\n${cases.join('')}  </testsuite>\n`;
}

function caseOf(finding: Finding): string {
  const { id, severity, file, line, column, message, why, fix } = finding;
  const text = `${file}:${line}:${column}: ${severity} ${id}: ${message}\nwhy: ${why}\nfix: ${fix}`;
  const body = isFailure(finding)
    ? `<failure type="${severity}" message="${xml(message)}">${xml(text)}</failure>`
    : `<system-out>${xml(text)}</system-out>`;
  return `    <testcase classname="${xml(file)}" name="${xml(`${id} at ${line}:${column}`)}">${body}</testcase>\n`;
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\n': '&#10;', '\t': '&#9;' };

/** For text and attributes alike. What XML 1.0 cannot hold at all (section 2.2) is U+FFFD. */
function xml(text: string): string {
  return text.replaceAll(/(?![\n\t])[\p{Cc}\p{Cs}\ufffe\uffff]/gu, '\ufffd').replaceAll(/[&<>"\n\t]/g, (sign) => ESCAPES[sign] as string);
}
