/** A drill of nodes as a picture: how many Pods are ready elsewhere, and below, on the same axis, what each node went through. */
import { CustomChart, LineChart } from 'echarts/charts';
import { GridComponent, MarkLineComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { HealingRecord, NodeSample } from '../../core/drill/healing/measure.ts';
import { formatCount } from './html.ts';
import { type CustomApi, embedSvg } from './svg.ts';

echarts.use([CustomChart, LineChart, GridComponent, MarkLineComponent, SVGRenderer]);

const WIDTH = 1016;
const LEFT = 84;
const RIGHT = 24;
const TOP = 30;
const LINE_HEIGHT = 120;
const ROW_HEIGHT = 30;
const AXIS_HEIGHT = 46;
const GAP = 18;
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
  const rowsHeight = Math.max(1, options.rows.length) * ROW_HEIGHT;
  const height = TOP + LINE_HEIGHT + GAP + rowsHeight + AXIS_HEIGHT;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: 'inherit', color: 'var(--ink)' },
    grid: [
      { left: LEFT, right: RIGHT, top: TOP, height: LINE_HEIGHT },
      { left: LEFT, right: RIGHT, top: TOP + LINE_HEIGHT + GAP, height: rowsHeight },
    ],
    xAxis: [timeAxis(options, 0), timeAxis(options, 1)],
    yAxis: [podAxis(), nodeAxis(options)],
    series: [readyLine(options), nodeBands(options)],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return embedSvg(svg, { label: options.label, width: WIDTH });
}

function timeAxis({ record }: NodesChartOptions, gridIndex: 0 | 1): object {
  const last = gridIndex === 1;
  return {
    type: 'value',
    gridIndex,
    min: fromSeconds(record),
    max: Math.ceil((record.endAtMs - record.faultAtMs) / 1000),
    name: last ? 's since the fault' : '',
    nameLocation: 'middle',
    nameGap: 28,
    nameTextStyle: { color: 'var(--soft)', fontSize: 12 },
    axisLine: { show: last, onZero: false, lineStyle: { color: 'var(--soft)' } },
    axisTick: { show: last, lineStyle: { color: 'var(--soft)' } },
    axisLabel: { show: last, color: 'var(--soft)', fontSize: 12, hideOverlap: true, showMaxLabel: false, formatter: formatCount },
    splitLine: { lineStyle: { color: 'var(--grid)' } },
  };
}

/** Some of the time before the fault, to see that it was quiet. */
function fromSeconds({ pods, faultAtMs }: HealingRecord): number {
  const first = pods.reduce((least, { atMs }) => Math.min(least, atMs), faultAtMs);
  return Math.max(-20, Math.floor((first - faultAtMs) / 1000));
}

function podAxis(): object {
  return {
    type: 'value',
    gridIndex: 0,
    minInterval: 1,
    // What is missing shows better than what is there.
    min: ({ min }: { min: number }) => Math.max(0, min - 2),
    name: 'ready elsewhere',
    nameLocation: 'middle',
    nameGap: 38,
    nameTextStyle: { color: 'var(--soft)', fontSize: 12 },
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: { color: 'var(--soft)', fontSize: 12 },
    splitLine: { lineStyle: { color: 'var(--grid)' } },
  };
}

function nodeAxis({ rows }: NodesChartOptions): object {
  return {
    type: 'category',
    gridIndex: 1,
    inverse: true,
    data: rows.length === 0 ? ['no node'] : [...rows],
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: { color: 'var(--ink)', fontSize: 12, width: LEFT - 14, overflow: 'truncate' },
    splitLine: { show: true, lineStyle: { color: 'var(--grid)' } },
  };
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
    markLine: {
      silent: true,
      symbol: 'none',
      data: [
        ...marksOf(record, { labelled: true }),
        {
          yAxis: wanted,
          lineStyle: { color: 'var(--soft)', type: 'dotted' },
          label: { formatter: `${wanted} wanted`, position: 'insideEndBottom', color: 'var(--soft)', fontSize: 12 },
        },
      ],
    },
  };
}

function marksOf({ faultAtMs, undoneAtMs }: HealingRecord, { labelled }: { labelled: boolean }): object[] {
  const marks = [
    { at: 0, label: 'fault', type: 'solid' },
    { at: (undoneAtMs - faultAtMs) / 1000, label: 'undone', type: 'dashed' },
  ];
  return marks.map(({ at, label, type }) => ({
    xAxis: at,
    lineStyle: { color: 'var(--ink)', width: 1.5, type },
    label: { show: labelled, formatter: label, position: 'end', color: 'var(--ink)', fontSize: 12, fontWeight: 600, distance: 6 },
  }));
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
    markLine: { silent: true, symbol: 'none', data: marksOf(record, { labelled: false }) },
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
