/** A drill of nodes as a picture: how many Pods are ready elsewhere, and below, on the same axis, what each node went through. */
import type { HealingRecord, NodeSample } from '../../core/drill/healing/measure.ts';
import { type CustomApi, markLine, renderCourse, SOFT_TEXT } from './course.ts';

const LINE_HEIGHT = 120;
const ROW_HEIGHT = 30;
/** Each kind of band has a third of its node's row. */
const BAND_HEIGHT = 6;

/** What can be seen of a node, each on a line of its own within its row, with the colour of the legend. */
export const BANDS = {
  'not-ready': { lane: 0, color: '--failed', text: 'not ready' },
  cordoned: { lane: 1, color: '--host-3', text: 'cordoned' },
  'out-of-service': { lane: 1, color: '--host-4', text: 'cordoned and out of service' },
  remedy: { lane: 2, color: '--host-1', text: 'under a remedy' },
} as const;

export interface Band {
  node: string;
  kind: keyof typeof BANDS;
  /** Since the fault. */
  fromMs: number;
  toMs: number;
}

/** What the nodes went through, in the order in which it ended. */
export function bandsOf({ nodes, faultAtMs, endAtMs }: HealingRecord): Band[] {
  const open = new Map<string, Band>();
  const bands: Band[] = [];
  const close = (key: string, toMs: number): void => {
    const band = open.get(key);
    if (band !== undefined) bands.push({ ...band, toMs });
    open.delete(key);
  };
  for (const sample of nodes) {
    const atMs = sample.atMs - faultAtMs;
    const holds = kindsOf(sample);
    for (const kind of Object.keys(BANDS) as Band['kind'][]) {
      const key = `${sample.node} ${kind}`;
      if (!holds.includes(kind)) close(key, atMs);
      else if (!open.has(key)) open.set(key, { node: sample.node, kind, fromMs: atMs, toMs: atMs });
    }
  }
  for (const key of open.keys()) close(key, endAtMs - faultAtMs);
  return bands;
}

function kindsOf({ isGone, isReady, isCordoned, isOutOfService, remedy }: NodeSample): Band['kind'][] {
  if (isGone) return [];
  return [
    ...(isReady ? [] : ['not-ready' as const]),
    ...(isOutOfService ? ['out-of-service' as const] : isCordoned ? ['cordoned' as const] : []),
    ...(remedy === null ? [] : ['remedy' as const]),
  ];
}

/** Pods that are ready on nodes that were not struck, as [ms since the fault, count] after each change. */
export function readyElsewhere({ pods, struck, replicas, faultAtMs }: HealingRecord): [number, number][] {
  const ready = new Set<string>();
  const steps: [number, number][] = [];
  for (const { atMs, uid, owner, node, isReady, isGone } of pods) {
    const before = ready.size;
    if (isReady && !isGone && owner in replicas && !struck.includes(node)) ready.add(uid);
    else ready.delete(uid);
    if (ready.size !== before) steps.push([atMs - faultAtMs, ready.size]);
  }
  return steps;
}

export interface NodesChartOptions {
  record: HealingRecord;
  bands: readonly Band[];
  /** Names of those that are shown, in this order. */
  rows: readonly string[];
  /** Text for those who do not see the picture. */
  label: string;
}

/** An `<svg>` element. */
export function renderNodesChart(options: NodesChartOptions): string {
  const { record, rows, label } = options;
  return renderCourse({
    label,
    time: { from: fromSeconds(record), to: untilSeconds(record), name: 's since the fault' },
    // What is missing shows better than what is there.
    amounts: { name: 'ready elsewhere', height: LINE_HEIGHT, bounds: { min: ({ min }: { min: number }) => Math.max(0, min - 2) } },
    rows: { names: rows, none: 'no node', height: ROW_HEIGHT, areDivided: true },
    series: [readyLine(options), nodeBands(options)],
  });
}

/** Some of the time before the fault, to see that it was quiet. */
function fromSeconds({ pods, faultAtMs }: HealingRecord): number {
  const first = pods.reduce((least, { atMs }) => Math.min(least, atMs), faultAtMs);
  return Math.max(-20, Math.floor((first - faultAtMs) / 1000));
}

function untilSeconds({ endAtMs, faultAtMs }: HealingRecord): number {
  return Math.ceil((endAtMs - faultAtMs) / 10_000) * 10;
}

function readyLine({ record }: NodesChartOptions): object {
  const wanted = Object.values(record.replicas).reduce((sum, count) => sum + count, 0);
  const steps = readyElsewhere(record);
  const start = fromSeconds(record) * 1000;
  const before = steps.findLast(([atMs]) => atMs <= start)?.[1] ?? 0;
  const after = steps.filter(([atMs]) => atMs > start);
  const end = record.endAtMs - record.faultAtMs;
  const points = [[start, before], ...after, [end, after.at(-1)?.[1] ?? before]];
  return {
    type: 'line',
    step: 'end',
    showSymbol: false,
    silent: true,
    data: points.map(([atMs, count]) => [(atMs as number) / 1000, count]),
    lineStyle: { color: 'var(--ok)', width: 2 },
    markLine: markLine(marksOf(record), {
      labelled: true,
      more: [
        {
          yAxis: wanted,
          lineStyle: { color: 'var(--soft)', type: 'dotted' },
          label: { formatter: `${wanted} wanted`, position: 'insideEndBottom', ...SOFT_TEXT },
        },
      ],
    }),
  };
}

function marksOf({ faultAtMs, undoneAtMs }: HealingRecord) {
  return [
    { at: 0, label: 'fault', isFault: true },
    { at: (undoneAtMs - faultAtMs) / 1000, label: 'undone', isFault: false },
  ];
}

function nodeBands({ record, bands, rows }: NodesChartOptions): object {
  const kinds = Object.keys(BANDS) as Band['kind'][];
  const from = fromSeconds(record);
  const shown = bands.filter(({ node, toMs }) => rows.includes(node) && toMs / 1000 >= from);
  return {
    type: 'custom',
    xAxisIndex: 1,
    yAxisIndex: 1,
    silent: true,
    data: shown.map(({ node, kind, fromMs, toMs }) => [
      Math.max(from, fromMs / 1000),
      toMs / 1000,
      rows.indexOf(node),
      kinds.indexOf(kind),
    ]),
    encode: { x: [0, 1], y: 2 },
    markLine: markLine(marksOf(record), { labelled: false }),
    renderItem: (_: unknown, api: CustomApi) => {
      const [left, middle] = api.coord([api.value(0), api.value(2)]);
      const [right] = api.coord([api.value(1), api.value(2)]);
      const { lane, color } = BANDS[kinds[api.value(3)] as Band['kind']];
      const y = middle + (lane - 1.5) * (BAND_HEIGHT + 2);
      return {
        type: 'rect',
        shape: { x: left, y, width: Math.max(2, right - left), height: BAND_HEIGHT, r: 1 },
        style: { fill: `var(${color})` },
      };
    },
  };
}
