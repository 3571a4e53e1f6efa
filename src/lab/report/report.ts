/** The report of a run of drills: one HTML file that needs nothing else, made to be read, printed and handed on. */
import { type Measurement, measure } from '../../core/drill/measure.ts';
import type { DrillRecord } from '../../core/drill/record.ts';
import type { DrillResult } from '../../core/drill/result.ts';
import { scenarioByName } from '../../core/drill/scenario.ts';
import { escapeHtml, formatCount, formatMs } from './html.ts';
import { renderFleet } from './fleet.ts';
import { METHOD } from './method.ts';
import { renderConnections } from './connections.ts';
import { badge, renderPage } from './page.ts';
import { HOST_COLORS } from './style.ts';
import { renderTimeline } from './timeline.ts';

export interface ReportDrill {
  result: DrillResult;
  record: DrillRecord;
}

export interface Report {
  title: string;
  /** What the drills ran on, as name and value: hosts, versions, timing profile, date. */
  facts: readonly (readonly [string, string])[];
  drills: readonly ReportDrill[];
}

export function renderReport({ title, facts, drills }: Report): string {
  const sections = drills.map((drill, index) => renderDrill(drill, index + 1));
  return renderPage({
    title,
    facts,
    summary: summaryLine(drills),
    body: `${summaryTable(drills)}\n${sections.join('\n')}`,
    method: METHOD,
  });
}

function summaryLine(drills: readonly ReportDrill[]): string {
  const passed = drills.filter(({ result }) => result.verdict === 'pass').length;
  const empty = drills.filter(({ result }) => result.verdict === 'void').length;
  const unjudged = empty === 0 ? '' : `, ${empty} could not be judged`;
  const standIn = drills.some(({ result }) => result.apiserver === 'stand-in');
  const note = standIn ? ' The API servers were stand-ins: they speak HTTPS and keep their data in etcd, but are not kube-apiserver.' : '';
  return `${passed} of ${drills.length} drills passed${unjudged}.${note}`;
}

function summaryTable(drills: readonly ReportDrill[]): string {
  const head = [
    'Drill',
    'Verdict',
    'Outage',
    'Failed requests',
    'Kept',
    'Reset',
    'Hung',
    'Lost on other hosts',
    'Answering at once',
    'Overlap',
    'Holder before → after',
  ];
  const rows = drills.map(({ result }, index) => {
    const { connections, requests } = result;
    const counts = [formatMs(result.outageMs), `${formatCount(requests.failed)} of ${formatCount(requests.total)}`];
    const numbers = [
      ...counts,
      ...[connections.kept, connections.reset, connections.hung].map(formatCount),
      survivorsLost(result),
      formatCount(result.holders.maxSimultaneous),
      formatMs(result.holders.overlapMs),
    ];
    const cells = numbers.map((number) => `<td class="number">${number}</td>`).join('');
    const name = `<th scope="row"><a href="#drill-${index + 1}">${escapeHtml(result.scenario)}</a></th>`;
    return `<tr>${name}<td>${badge(result)}</td>${cells}<td>${holderChange(result)}</td></tr>`;
  });
  const headCells = head.map((name, i) => `<th scope="col"${i >= 2 && i <= 9 ? ' class="number"' : ''}>${name}</th>`).join('');
  return `<div class="scroll"><table><caption>Numbers of all drills, as seen by a client</caption><thead><tr>${headCells}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

/** A real API server does not say which host it is on. */
function survivorsLost({ connections: { survivorsLost: lost } }: DrillResult): string {
  return lost === null ? 'not known' : formatCount(lost);
}

function holderChange({ holderBefore, holderAfter }: DrillResult): string {
  return `${escapeHtml(holderBefore ?? 'nobody')} → ${escapeHtml(holderAfter ?? 'nobody')}`;
}

function renderDrill({ result, record }: ReportDrill, number: number): string {
  const measurement = measure(record);
  const description = scenarioByName(result.scenario)?.description ?? '';
  const reasons = result.reasons.map((reason) => `<li>${escapeHtml(reason)}</li>`).join('');
  return `<section id="drill-${number}">
<header><h2>${number}. ${escapeHtml(result.scenario)}</h2>${badge(result)}</header>
<p>${escapeHtml(description)}</p>
${reasons === '' ? '' : `<ul class="reasons ${result.verdict}">${reasons}</ul>`}
${numberTiles(result)}
${figures({ result, record, measurement })}
<p class="soft">Fault at ${escapeHtml(result.startedAt)}. Endpoint ${escapeHtml(result.endpoint)}, datapath ${result.datapath}, timing profile ${escapeHtml(result.profile)}, API server: ${apiserverName(result)}. ${instruments(result, measurement)}</p>
${renderConnections(result)}
${renderFleet(result)}
${serverTable(result)}
</section>`;
}

function instruments({ holders: { watchedEveryMs }, quiet }: DrillResult, { probeLagMs }: Measurement): string {
  const { median, p99, max } = watchedEveryMs;
  const watched = [median, p99, max].map((valueMs) => (valueMs === null ? 'never' : formatMs(valueMs)));
  return `All hosts were asked every ${watched[0]} (99 %: ${watched[1]}, at worst ${watched[2]}); the probe sent its requests at most ${formatMs(probeLagMs)} late. Without a fault, in the ${formatMs(quiet.forMs)} before it, the longest time between two successes was ${formatMs(quiet.gapMs)}.`;
}

function apiserverName({ apiserver }: DrillResult): string {
  return apiserver === 'stand-in' ? 'stand-in (not kube-apiserver)' : escapeHtml(apiserver);
}

function numberTiles(result: DrillResult): string {
  const { connections, holders, requests } = result;
  const overlap = `overlap ${formatMs(holders.overlapMs)}${holders.maxSimultaneous > 1 ? ' or more' : ''}`;
  const tiles: [string, string, string][] = [
    ['Outage', formatMs(result.outageMs), allowedText(result)],
    ['Failed requests', formatCount(requests.failed), `of ${formatCount(requests.total)} sent, one every ${requests.everyMs} ms`],
    ['Connections kept', formatCount(connections.kept), `of ${formatCount(connections.total)} long-lived`],
    ['Connections reset', formatCount(connections.reset), 'the client knew'],
    ['Connections hung', formatCount(connections.hung), 'the client did not know'],
    ['Lost on other hosts', survivorsLost(result), 'whose API server was not struck'],
    ['Answering at once', formatCount(holders.maxSimultaneous), overlap],
    ['Holder', holderChange(result), 'before → after'],
  ];
  const items = tiles.map(([term, value, note]) => `<div><dt>${term}</dt><dd>${value}<small>${note}</small></dd></div>`);
  return `<dl class="numbers">${items.join('')}</dl>`;
}

function allowedText({ outageBoundMs, rigAllowanceMs }: DrillResult): string {
  const allowed = `${formatMs(outageBoundMs)} allowed`;
  return rigAllowanceMs === 0 ? allowed : `${allowed}, and ${formatMs(rigAllowanceMs)} as without a fault`;
}

interface FigureInput extends ReportDrill {
  measurement: Measurement;
}

function figures({ result, record, measurement }: FigureInput): string {
  const hostColors = colorsOf(measurement);
  const whole = wholeWindow(record, measurement);
  const around = faultWindow(record, measurement);
  const common = { record, measurement, hostColors };
  const numbers = `outage ${formatMs(result.outageMs)}, ${requestsText(result)}, holder ${result.holderBefore ?? 'nobody'} then ${result.holderAfter ?? 'nobody'}`;
  const label = (what: string): string => `${what} of drill ${result.scenario}: requests and holder of the address over time; ${numbers}`;
  const near = renderTimeline({ ...common, ...around, binMs: 10, label: label('Moments around the fault'), barsHeight: 170 });
  const all = renderTimeline({ ...common, ...whole, binMs: 50, label: label('Whole course'), barsHeight: 120 });
  return `<h3>Around the fault</h3>
<figure><figcaption>${legend(hostColors)}</figcaption><div class="scroll">${near}</div></figure>
<h3>The whole drill</h3>
<figure><div class="scroll">${all}</div></figure>`;
}

function requestsText({ requests }: DrillResult): string {
  return `${requests.failed} of ${requests.total} requests failed`;
}

/** The host before the fault first, then by order of appearance. */
function colorsOf({ holders }: Measurement): Map<string, string> {
  const hosts = [...new Set(holders.intervals.map(({ host }) => host))].sort();
  return new Map(hosts.map((host, i) => [host, HOST_COLORS[i % HOST_COLORS.length] as string]));
}

function key(color: string, text: string): string {
  return `<span><span class="key" style="background: var(${color})"></span>${text}</span>`;
}

function legend(hostColors: ReadonlyMap<string, string>): string {
  const hosts = [...hostColors].map(([host, color]) => key(color, `${escapeHtml(host)} answers for the address`));
  return [key('--ok', 'succeeded'), key('--failed', 'failed'), ...hosts].join('');
}

/** Half a second before the fault to a second after recovery, at least 2 s and at most 8 s wide, on whole 100 ms. */
export function faultWindow(record: DrillRecord, { faultMs, outage, failingForMs }: Measurement): { fromMs: number; toMs: number } {
  const undoMs = (record.marks.find((mark) => mark.kind === 'undo')?.timeMs ?? Number.POSITIVE_INFINITY) - faultMs;
  const recoveredMs = Math.max(outage.startMs + outage.outageMs - faultMs, failingForMs > undoMs ? 0 : failingForMs);
  return { fromMs: -500, toMs: Math.min(7500, Math.max(1500, Math.ceil((recoveredMs + 1000) / 100) * 100)) };
}

function wholeWindow({ requests }: DrillRecord, { faultMs }: Measurement): { fromMs: number; toMs: number } {
  const starts = requests.map((request) => request.startMs - faultMs);
  const fromMs = starts.reduce((a, b) => Math.min(a, b), -500);
  const toMs = starts.reduce((a, b) => Math.max(a, b), 1500);
  return { fromMs: Math.floor(fromMs / 100) * 100, toMs: Math.ceil(toMs / 100) * 100 };
}

function serverTable({ servers }: DrillResult): string {
  const rows = Object.entries(servers).map(
    ([name, { before, after }]) =>
      `<tr><th scope="row">${escapeHtml(name)}</th><td class="number">${formatCount(before)}</td><td class="number">${formatCount(after)}</td></tr>`,
  );
  if (rows.length === 0) return '';
  const head =
    '<thead><tr><th scope="col">API server</th><th scope="col" class="number">Before the fault</th><th scope="col" class="number">After</th></tr></thead>';
  return `<div class="scroll"><table><caption>Requests answered by each API server</caption>${head}<tbody>${rows.join('')}</tbody></table></div>`;
}
