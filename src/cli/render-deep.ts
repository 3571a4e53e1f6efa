import { styleText } from 'node:util';
import type { Figures, Latency } from '../core/apiserver/figures.ts';
import type { Instance, Judgement } from '../core/apiserver/judgement.ts';
import { table } from './table.ts';

/** Figures and judgements as a person reads them; what needs attention last, where the eye is. */
export function renderDeep(instances: readonly Instance[], judgements: readonly Judgement[]): string {
  const of = (verdict: Judgement['verdict']) => judgements.filter((judgement) => judgement.verdict === verdict);
  const [findings, unknown, good] = [of('finding'), of('not-judged'), of('good')];
  const parts = [figuresTable(instances), latencyTable(instances), unknown.map(renderUnknown).join(''), renderFindings(findings)];
  const total = `${findings.length} findings, ${good.length} good, ${unknown.length} not judged\n`;
  return [...parts.filter((part) => part !== ''), findings.length > 0 ? styleText('red', total) : total].join('\n');
}

const HEAD = ['API SERVER', 'REQUESTS/S', '2XX', '4XX', '5XX', 'IN FLIGHT', 'SEATS', 'WATCHES', 'MEMORY', 'GOROUTINES', 'OPEN FILES'];

function figuresTable(instances: readonly Instance[]): string {
  return table(
    HEAD,
    instances.map(({ name, figures }) => (figures === null ? [name, 'no answer'] : [name, ...figuresRow(figures)])),
  );
}

function figuresRow({ requestsPerSecond, answersPerSecond, inFlight, seats, ...rest }: Figures): string[] {
  return [
    shown(requestsPerSecond, (rate) => rate.toFixed(1)),
    ...['2xx', '4xx', '5xx'].map((digit) => shown(answersPerSecond, (answers) => (answers[digit] ?? 0).toFixed(1))),
    shown(inFlight, ({ readOnly, mutating }) => `${readOnly} read, ${mutating} write`),
    shown(seats, ({ executing, limit }) => `${executing} of ${limit}`),
    shown(rest.watches, String),
    shown(rest.memoryBytes, (bytes) => `${Math.round(bytes / 1_048_576)} MiB`),
    shown(rest.goroutines, String),
    shown(rest.openFiles, String),
  ];
}

/** A figure that is not known is a hyphen; why stands below. */
function shown<T>(figure: T | null, show: (value: T) => string): string {
  return figure === null ? '-' : show(figure);
}

function latencyTable(instances: readonly Instance[]): string {
  const rows = instances.flatMap(({ name, figures }) => [
    ...(figures?.latency ?? []).map((verb) => latencyRow(name, verb)),
    ...(figures?.etcdLatency ?? []).map((operation) => latencyRow(name, { ...operation, of: `etcd ${operation.of}` })),
  ]);
  return rows.length === 0 ? '' : table(['API SERVER', 'WHAT', 'REQUESTS', 'P99', 'FOR CERTAIN'], rows);
}

function latencyRow(name: string, { of, requests, p99 }: Latency): string[] {
  const ms = (seconds: number): string => `${Math.round(seconds * 1000)} ms`;
  if (p99 === null) return [name, of, String(requests), '-', ''];
  if (p99.upper === Number.POSITIVE_INFINITY) return [name, of, String(requests), `> ${ms(p99.lower)}`, ''];
  return [name, of, String(requests), ms(p99.value), `${ms(p99.lower)} to ${ms(p99.upper)}`];
}

function renderUnknown({ instance, id, says }: Judgement): string {
  return `${styleText('yellow', 'not judged')}  ${instance} ${id}: ${says}\n`;
}

/** Those of one kind stand together: they matter for the same reason, and are mended the same way. */
function renderFindings(findings: readonly Judgement[]): string {
  const ids = [...new Set(findings.map(({ id }) => id))];
  return ids
    .map((wanted) => {
      const alike = findings.filter(({ id }) => id === wanted);
      return `${alike.map(renderFinding).join('')}${INDENT}${alike[0]?.why}\n${INDENT}${alike[0]?.remedy}\n`;
    })
    .join('');
}

const INDENT = ' '.repeat(12);

function renderFinding({ instance, id, says, threshold, unit }: Judgement): string {
  const limit = threshold === null || threshold === 0 ? '' : `, allowed are ${threshold} ${unit}`;
  return `${styleText('red', 'finding')}     ${instance} ${id}: ${says}${limit}\n`;
}
