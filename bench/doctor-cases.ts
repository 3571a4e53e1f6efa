import { SEVERITIES, type Severity } from '../src/core/doctor/finding.ts';
import { type DoctorCase, isFound, isOf, kindOf, readDoctorCases } from '../test/support/doctor-cases.ts';
import { markdownTable } from './machine.ts';

/** Counts of one kind of file, or of all. */
interface Tally {
  /** Problems judged before any rule was looked at, and those of them that rules found. */
  judged: number;
  found: number;
  /** Problems that only a rule made the judge see. */
  later: number;
  /** Errors and warnings of the doctor that are of a problem judged before, of a later one, and of none. */
  right: number;
  rightLater: number;
  wrong: number;
}

export interface DoctorCasesResult {
  cases: number;
  knownGood: number;
  files: number;
  findings: Record<Severity, number>;
  /** Errors and warnings in known-good cases. */
  alarms: number;
  kinds: Record<string, Tally>;
  all: Tally;
  /** Of errors and warnings only. */
  serious: Tally;
  /** Of cases that were collected and judged when the rules stood. */
  heldOut: Tally;
  missed: { case: string; file: string; line: number; severity: Severity; what: string; reason: string }[];
  wrong: { case: string; file: string; line: number; id: string; message: string }[];
}

/** The judgements under `folder` beside what the doctor finds. */
export function doctorCases(folder: string): DoctorCasesResult {
  const cases = readDoctorCases(folder);
  const kinds: Record<string, Tally> = {};
  const all = none();
  const serious = none();
  const heldOut = none();
  for (const one of cases) {
    tally(one, { kinds, all, serious });
    if (one.heldOut) tally(one, { kinds: {}, all: heldOut, serious: none() });
  }
  const found = cases.flatMap((one) => one.found);
  return {
    cases: cases.length,
    knownGood: cases.filter(({ kind }) => kind === 'known-good').length,
    files: cases.reduce((sum, { texts }) => sum + texts.size, 0),
    findings: Object.fromEntries(
      SEVERITIES.map((severity) => [severity, found.filter((finding) => finding.severity === severity).length]),
    ) as Record<Severity, number>,
    alarms: cases.filter(({ kind }) => kind === 'known-good').flatMap((one) => one.found.filter(isSerious)).length,
    kinds,
    all,
    serious,
    heldOut,
    missed: cases.flatMap((one) =>
      one.findings
        .filter((problem) => !isFound(problem, one.found))
        .map(({ file, line, severity, what, reason = '' }) => ({ case: one.name, file, line, severity, what, reason })),
    ),
    wrong: cases.flatMap((one) =>
      one.unexpected.filter(isSerious).map(({ file, line, id, message }) => ({ case: one.name, file, line, id, message })),
    ),
  };
}

const none = (): Tally => ({ judged: 0, found: 0, later: 0, right: 0, rightLater: 0, wrong: 0 });

const isSerious = ({ severity }: { severity: Severity }): boolean => severity !== 'info';

function tally(one: DoctorCase, { kinds, all, serious }: Pick<DoctorCasesResult, 'kinds' | 'all' | 'serious'>): void {
  const of = (file: string): Tally => (kinds[kindOf(one, file)] ??= none());
  for (const problem of one.findings) {
    for (const counts of [of(problem.file), all, ...(isSerious(problem) ? [serious] : [])]) {
      if (problem.judgedAfter) counts.later++;
      else counts.judged++;
      if (!problem.judgedAfter && isFound(problem, one.found)) counts.found++;
    }
  }
  for (const finding of one.found.filter(isSerious)) {
    const problems = one.findings.filter((problem) => isOf(finding, problem));
    const key = problems.length === 0 ? 'wrong' : problems.some(({ judgedAfter }) => !judgedAfter) ? 'right' : 'rightLater';
    for (const counts of [of(finding.file), all, serious]) counts[key]++;
  }
}

const share = (part: number, whole: number): string => (whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`);

function row(name: string, { judged, found, later, right, rightLater, wrong }: Tally): (string | number)[] {
  const alarms = right + rightLater + wrong;
  return [
    name,
    judged,
    found,
    share(found, judged),
    later,
    share(found + later, judged + later),
    alarms,
    wrong,
    share(right + rightLater, alarms),
    share(right, alarms),
  ];
}

const HEAD = [
  'files',
  'judged',
  'found',
  'recall',
  'seen later',
  'recall with these',
  'alarms',
  'wrong',
  'precision',
  'precision, judged before only',
];

export function renderDoctorCases(result: DoctorCasesResult): string {
  const { cases, knownGood, files, findings, alarms, kinds, all, serious, heldOut, missed, wrong } = result;
  const rows = Object.entries(kinds)
    .sort(([, a], [, b]) => b.judged - a.judged)
    .map(([kind, counts]) => row(kind, counts));
  return [
    `## Doctor: ${cases} configurations of others, ${files} files`,
    '',
    markdownTable(HEAD, [
      ...rows,
      row('all', all),
      row('all, errors and warnings only', serious),
      row('of these: judged when the rules stood', heldOut),
    ]),
    `- From public guides and repositories, rewritten as facts; each problem judged by hand, with its line, before any rule was looked at (test/doctor-cases/*/case.yaml), and before the doctor saw it where the rules stood already. "Seen later": a rule pointed to it, and it is right. Alarms are findings of severity error or warning; those of severity info (${findings.info}) are not counted as wrong.`,
    `- Known-good: ${knownGood} configurations, alarms in them: ${alarms}.`,
    `- Findings: ${findings.error} errors, ${findings.warning} warnings, ${findings.info} infos.`,
    '',
    ...(missed.length > 0 ? ['Missed:', '', ...missed.map(missLine), ''] : []),
    ...(wrong.length > 0
      ? ['Wrong:', '', ...wrong.map((one) => `- ${one.case} ${one.file}:${one.line} ${one.id}: ${one.message}`), '']
      : []),
  ].join('\n');
}

function missLine({ case: name, file, line, severity, what, reason }: DoctorCasesResult['missed'][number]): string {
  return `- ${name} ${file}:${line} (${severity}): ${what}${reason === '' ? '' : `. ${reason}`}`;
}
