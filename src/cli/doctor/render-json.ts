import type { Finding } from '../../core/doctor/finding.ts';
import { placeOf } from '../../core/doctor/text-file.ts';
import { countsOf, type Report, shownEdits } from './report.ts';

/** The report as one JSON document. */
export function renderJson(report: Report): string {
  const { files, passedOver } = report;
  const document = {
    findings: report.findings.map((finding) => plainFinding({ ...finding, edits: shownEdits(finding, report) })),
    counts: countsOf(report),
    files,
    passedOver,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** Places of edits as the finding's own is: lines and columns from 1, the end behind the last character. */
function plainFinding({ edits, ...finding }: Finding) {
  if (edits.length === 0) return finding;
  const replaced = edits.map(({ span, text }) => {
    const end = placeOf({ ...span, start: span.end });
    return { file: span.file.path, ...placeOf(span), endLine: end.line, endColumn: end.column, text };
  });
  return { ...finding, edits: replaced };
}
