import { styleText } from 'node:util';
import { printable } from '../../base/printable.ts';
import type { Finding, Severity } from '../../core/doctor/finding.ts';
import { countsOf, type Report } from './report.ts';

const COLOURS: Record<Severity, 'red' | 'yellow' | 'cyan'> = { error: 'red', warning: 'yellow', info: 'cyan' };

/** The findings as people read them: file by file, what is found again and again explained once a file. */
export function renderText(report: Report): string {
  let file: string | undefined;
  let told = new Set<string>();
  const lines: string[] = [];
  for (const finding of report.findings) {
    if (finding.file !== file) {
      if (file !== undefined) lines.push('');
      file = finding.file;
      told = new Set();
    }
    lines.push(headOf(finding));
    if (!told.has(finding.id)) lines.push(`    why: ${finding.why}`, `    fix: ${finding.fix}`);
    told.add(finding.id);
  }
  if (lines.length > 0) lines.push('');
  return `${[...lines, closingLine(report)].join('\n')}\n`;
}

function headOf({ file, line, column, severity, id, message }: Finding): string {
  // What was found may hold anything, as may a file's name.
  const place = styleText('bold', `${printable(file)}:${line}:${column}`);
  return `${place}: ${styleText(COLOURS[severity], severity)} ${id}: ${printable(message)}`;
}

function closingLine(report: Report): string {
  const { error, warning, info } = countsOf(report);
  const counts = [counted(error, 'error'), counted(warning, 'warning'), counted(info, 'info')].join(', ');
  const others = report.passedOver === 0 ? '' : `; ${counted(report.passedOver, 'file')} not recognised`;
  return `${counts} in ${counted(report.files, 'file')}${others}`;
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
