/** The report of a drill of nodes: one HTML file that needs nothing else. */
import type { EventSample, HealingMeasurement, HealingRecord } from '../../core/drill/healing/measure.ts';
import { healingScenarioByName } from '../../core/drill/healing/scenario.ts';
import type { Verdict } from '../../core/drill/verdict.ts';
import { escapeHtml, formatCount } from './html.ts';
import { BANDS, type Band, bandsOf, renderNodesChart } from './nodes-chart.ts';
import { badge, renderPage } from './page.ts';

export interface HealingReport {
  title: string;
  /** What the drill ran on, as name and value. */
  facts: readonly (readonly [string, string])[];
  result: Verdict & { scenario: string; nodes: string; startedAt: string; measurement: HealingMeasurement };
  record: HealingRecord;
}

const ROWS_MAX = 16;
const EVENTS_MAX = 60;

export function renderHealingReport({ title, facts, result, record }: HealingReport): string {
  const description = healingScenarioByName(result.scenario)?.description ?? '';
  const reasons = result.reasons.map((reason) => `<li>${escapeHtml(reason)}</li>`).join('');
  const body = `<section>
<header><h2>${escapeHtml(result.scenario)}</h2>${badge(result)}</header>
<p>${escapeHtml(description)}</p>
${reasons === '' ? '' : `<ul class="reasons ${result.verdict}">${reasons}</ul>`}
${tiles(record, result.measurement)}
<h3>Pods and nodes</h3>
${figure(record, result)}
${replacedTable(result.measurement)}
${eventTable(record)}
<p class="soft">Fault at ${escapeHtml(result.startedAt)}.</p>
</section>`;
  return renderPage({ title, facts, summary: `${escapeHtml(result.nodes)}.`, body, method: METHOD });
}

function tiles({ struck }: HealingRecord, measurement: HealingMeasurement): string {
  const { touched, remedies, atOnce, replacedMs, recoveredMs, brakes, violations } = measurement;
  const times = Object.values(replacedMs);
  const latest = times.includes(null) ? 'not at the end' : times.length === 0 ? '–' : seconds(Math.max(...(times as number[])));
  const list: [string, string, string][] = [
    ['Struck', formatCount(struck.length), namesOf(struck)],
    ['Touched', formatCount(touched.length), namesOf(touched)],
    ['Remedies', formatCount(remedies), `at most ${atOnce} at once`],
    ['Pods whole elsewhere', latest, 'after the fault, all that were on struck nodes'],
    ['All nodes well', recoveredMs === null ? 'not at the end' : seconds(recoveredMs), 'after the fault'],
    ['Budgets violated', formatCount(violations.length), 'by an eviction or a deletion, watched by a program of its own'],
    ['Brakes told', escapeHtml(brakes.join(', ') || 'none'), 'in Events of the nodes'],
  ];
  const items = list.map(([term, value, note]) => `<div><dt>${term}</dt><dd>${value}<small>${note}</small></dd></div>`);
  return `<dl class="numbers">${items.join('')}</dl>`;
}

function figure(record: HealingRecord, { scenario }: HealingReport['result']): string {
  const bands = bandsOf(record);
  const noted = [...new Set([...record.struck, ...bands.filter(({ toMs }) => toMs > 0).map(({ node }) => node)])];
  const rows = noted.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const label = `Course of drill ${scenario}: Pods ready on nodes that were not struck, and what ${namesOf(rows)} went through`;
  const chart = renderNodesChart({ record, bands, rows: rows.slice(0, ROWS_MAX), label });
  const more = rows.length > ROWS_MAX ? `<p class="soft">Not shown: ${escapeHtml(rows.slice(ROWS_MAX).join(', '))}.</p>` : '';
  return `<figure><figcaption>${legend()}</figcaption><div class="scroll">${chart}</div></figure>${more}`;
}

function legend(): string {
  const key = (color: string, text: string) => `<span><span class="key" style="background: var(${color})"></span>${text}</span>`;
  const bands = Object.values(BANDS satisfies Record<Band['kind'], { color: string; text: string }>);
  return [key('--ok', 'Pods ready on nodes that were not struck'), ...bands.map(({ color, text }) => key(color, text))].join('');
}

function replacedTable({ replacedMs }: HealingMeasurement): string {
  const rows = Object.entries(replacedMs).map(
    ([owner, ms]) =>
      `<tr><th scope="row">${escapeHtml(owner)}</th><td class="number">${ms === null ? 'not at the end' : seconds(ms)}</td></tr>`,
  );
  if (rows.length === 0) return '';
  const head = '<thead><tr><th scope="col">Owner</th><th scope="col" class="number">Whole elsewhere after</th></tr></thead>';
  return `<div class="scroll"><table><caption>Owners that had Pods on struck nodes; data is a StatefulSet</caption>${head}<tbody>${rows.join('')}</tbody></table></div>`;
}

/** What comes again in the same words is told once. */
function eventTable({ events, faultAtMs }: HealingRecord): string {
  const said = [...new Map(events.toReversed().map((event) => [`${event.node} ${event.reason} ${event.note}`, event])).values()];
  const told = said.toSorted((a, b) => a.atMs - b.atMs);
  if (told.length === 0) return '';
  const row = ({ atMs, node, reason, note }: EventSample) =>
    `<tr><td class="number">${seconds(atMs - faultAtMs)}</td><th scope="row" class="name">${escapeHtml(node)}</th><td>${escapeHtml(reason)}</td><td>${escapeHtml(note)}</td></tr>`;
  const head =
    '<thead><tr><th scope="col" class="number">Since the fault</th><th scope="col">Node</th><th scope="col">Reason</th><th scope="col">Note</th></tr></thead>';
  const more = told.length > EVENTS_MAX ? `<p class="soft">And ${told.length - EVENTS_MAX} more.</p>` : '';
  return `<div class="scroll"><table><caption>Events of the controllers</caption>${head}<tbody>${told.slice(0, EVENTS_MAX).map(row).join('')}</tbody></table></div>${more}`;
}

const NAMES_MAX = 4;

function namesOf(names: readonly string[]): string {
  if (names.length === 0) return 'none';
  const text = names.slice(0, NAMES_MAX).join(', ');
  return escapeHtml(names.length > NAMES_MAX ? `${text} and ${names.length - NAMES_MAX} more` : text);
}

function seconds(ms: number): string {
  return `${formatCount(Math.round(ms / 100) / 10)} s`;
}

const METHOD: HealingReport['facts'] = [
  [
    'Who watches',
    'Programs of their own in the client’s host list and watch Nodes, Pods, disruption budgets and Events over connections of their own; none of them has a part in healing. When one lost what came between two looks, a drill that would have passed is void.',
  ],
  [
    'Nodes',
    'kwok stands in for kubelets: Pods have a life in the API, and run nothing. A node that is dead renews no Lease and confirms nothing. API servers, etcd, controller manager and scheduler are real.',
  ],
  [
    'Pods whole elsewhere',
    'From the fault until each owner that had Pods on struck nodes has as many ready as it wants on nodes that were not struck.',
  ],
  ['All nodes well', 'From the fault until every node is ready, takes Pods and bears no mark, and stays so until the end.'],
  [
    'Budgets violated',
    'A Pod ended by an eviction or a deletion while its budget had no more healthy Pods than it demands. Pods of a host that was dead or switched off do not count: they were lost before anybody said so.',
  ],
];
