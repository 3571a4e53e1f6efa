/** SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), as code scanning services read it. */
import { isAbsolute, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ruleMarkdown } from '../../core/doctor/describe.ts';
import type { Finding, Severity } from '../../core/doctor/finding.ts';
import type { Rule } from '../../core/doctor/rule.ts';
import { rules } from '../../core/doctor/rules/index.ts';
import { type Edit, placeOf } from '../../core/doctor/text-file.ts';
import { readVersion } from '../version.ts';
import { type Report, shownEdits } from './report.ts';

const LEVELS: Record<Severity, 'error' | 'warning' | 'note'> = { error: 'error', warning: 'warning', info: 'note' };

export function renderSarif(report: Report): string {
  const run = {
    tool: { driver: { name: 'hale', semanticVersion: readVersion(), rules: rules.map(ruleDescriptor) } },
    columnKind: 'utf16CodeUnits',
    results: report.findings.map((finding) => resultOf({ ...finding, edits: shownEdits(finding, report) })),
  };
  return `${JSON.stringify({ $schema: 'https://json.schemastore.org/sarif-2.1.0.json', version: '2.1.0', runs: [run] }, null, 2)}\n`;
}

function ruleDescriptor(rule: Rule) {
  const { id, severity, title, why, fix, sources } = rule;
  return {
    id,
    shortDescription: { text: title },
    fullDescription: { text: why },
    help: { text: `${why} ${fix}`, markdown: ruleMarkdown(rule) },
    defaultConfiguration: { level: LEVELS[severity] },
    properties: {
      tags: [id.split('-')[0]],
      sources,
      // What GitHub shows for a rule that is no security problem.
      'problem.severity': severity === 'info' ? 'recommendation' : severity,
    },
  };
}

function resultOf({ id, severity, file, line, column, message, fix, edits }: Finding) {
  return {
    ruleId: id,
    ruleIndex: rules.findIndex((rule) => rule.id === id),
    level: LEVELS[severity],
    message: { text: message },
    locations: [{ physicalLocation: { artifactLocation: locationOf(file), region: { startLine: line, startColumn: column } } }],
    ...(edits.length === 0 ? {} : { fixes: [{ description: { text: fix }, artifactChanges: changesOf(edits) }] }),
  };
}

function changesOf(edits: readonly Edit[]) {
  return [...new Set(edits.map(({ span }) => span.file))].map((file) => ({
    artifactLocation: locationOf(file.path),
    replacements: edits.filter(({ span }) => span.file === file).map(replacementOf),
  }));
}

function replacementOf({ span, text }: Edit) {
  const start = placeOf(span);
  const end = placeOf({ ...span, start: span.end });
  return {
    deletedRegion: { startLine: start.line, startColumn: start.column, endLine: end.line, endColumn: end.column },
    insertedContent: { text },
  };
}

/** Relative to the folder that hale runs in, which is to be the root of the repository; `HOST:/path` as ssh://HOST/path. */
function locationOf(path: string): { uri: string } {
  const remote = /^([^/:]+):(\/.*)$/.exec(path);
  if (remote !== null) return { uri: `ssh://${encodeURI(remote[1] as string)}${encoded(remote[2] as string)}` };
  const near = isAbsolute(path) ? relative(process.cwd(), path) : path;
  return { uri: near.startsWith('../') || near === '..' ? pathToFileURL(path).href : encoded(near) };
}

/** Also what has a meaning of its own in a URI; a colon in the first part would end a scheme. */
const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/');
