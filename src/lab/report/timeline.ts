/** A drill as a picture: requests by the moment they were sent, and below, on the same axis, which host answered for the address. */
import type { Measurement } from '../../core/drill/measure.ts';
import type { DrillRecord, RequestRecord } from '../../core/drill/record.ts';
import { COURSE_WIDTH, type CustomApi, markLine, renderCourse } from './course.ts';
import { formatMs } from './html.ts';

export interface TimelineOptions {
  record: DrillRecord;
  measurement: Measurement;
  /** Both relative to the fault. */
  fromMs: number;
  toMs: number;
  binMs: number;
  /** Name of a CSS custom property for each host, in the order of the rows. */
  hostColors: ReadonlyMap<string, string>;
  /** Text for those who do not see the picture. */
  label: string;
  barsHeight: number;
}

const ROW_HEIGHT = 24;
/** A narrower outage goes without its label; the number stands above the picture anyway. */
const OUTAGE_LABEL_WIDTH = 100;

/** An `<svg>` element. */
export function renderTimeline(options: TimelineOptions): string {
  const { fromMs, toMs, binMs, hostColors, label, barsHeight } = options;
  // Room above the bars for the length of the outage.
  const bounds = { max: ({ max }: { max: number }) => Math.ceil(max * 1.25) };
  return renderCourse({
    label,
    time: { from: fromMs, to: toMs, name: 'ms since the fault' },
    amounts: { name: `requests per ${binMs} ms`, height: barsHeight, bounds },
    rows: { names: [...hostColors.keys()], none: 'nobody', height: ROW_HEIGHT, areDivided: false },
    series: [...requestBars(options), holderBands(options)],
  });
}

/** Counts of succeeded and failed requests by the moment they were sent, as [middle of the bin, count]; empty bins are left out. */
export function binRequests(requests: readonly RequestRecord[], window: { originMs: number; fromMs: number; toMs: number; binMs: number }) {
  const bins = new Map<number, { ok: number; failed: number }>();
  for (const request of requests) {
    const timeMs = request.startMs - window.originMs;
    if (timeMs < window.fromMs || timeMs >= window.toMs) continue;
    const middleMs = (Math.floor(timeMs / window.binMs) + 0.5) * window.binMs;
    const bin = bins.get(middleMs) ?? { ok: 0, failed: 0 };
    bins.set(middleMs, bin);
    if (request.ok) bin.ok++;
    else bin.failed++;
  }
  return [...bins].sort(([a], [b]) => a - b);
}

function requestBars(options: TimelineOptions): object[] {
  const { record, measurement, fromMs, toMs, binMs } = options;
  const bins = binRequests(record.requests, { originMs: measurement.faultMs, fromMs, toMs, binMs });
  const barWidth = Math.max(1, (COURSE_WIDTH / ((toMs - fromMs) / binMs)) * 0.82);
  const common = { type: 'bar', stack: 'requests', xAxisIndex: 0, yAxisIndex: 0, barWidth, silent: true, large: false };
  return [
    { ...common, data: bins.map(([x, { ok }]) => [x, ok]), itemStyle: { color: 'var(--ok)' }, markLine: markLines(options, true) },
    { ...common, data: bins.map(([x, { failed }]) => [x, failed]), itemStyle: { color: 'var(--failed)' }, markArea: outageArea(options) },
  ];
}

function markLines({ record, measurement, fromMs, toMs }: TimelineOptions, labelled: boolean): object {
  const marks = record.marks.map(({ timeMs, label, kind }) => ({ at: timeMs - measurement.faultMs, label, isFault: kind === 'fault' }));
  const shown = marks.filter(({ at }) => at >= fromMs && at <= toMs);
  return markLine(shown, { labelled });
}

/** The gap that counts as the outage, shaded, with its length. */
function outageArea({ measurement: { outage, faultMs }, fromMs, toMs }: TimelineOptions): object {
  const from = Math.max(fromMs, outage.startMs - faultMs);
  const to = Math.min(toMs, outage.startMs + outage.outageMs - faultMs);
  const show = ((to - from) / (toMs - fromMs)) * COURSE_WIDTH > OUTAGE_LABEL_WIDTH;
  const label = {
    show,
    formatter: () => `outage ${formatMs(outage.outageMs)}`,
    position: 'insideTop',
    color: 'var(--ink)',
    fontSize: 12,
    fontWeight: 600,
  };
  return {
    silent: true,
    itemStyle: { color: 'var(--outage)', opacity: 0.14 },
    label,
    data: to > from ? [[{ xAxis: from }, { xAxis: to }]] : [],
  };
}

function holderBands(options: TimelineOptions): object {
  const { measurement, hostColors, fromMs, toMs } = options;
  const rows = [...hostColors.keys()];
  const bands = measurement.holders.intervals
    .map(({ host, startMs, endMs }) => ({ host, from: startMs - measurement.faultMs, to: endMs - measurement.faultMs }))
    .filter(({ from, to }) => to >= fromMs && from <= toMs);
  return {
    type: 'custom',
    xAxisIndex: 1,
    yAxisIndex: 1,
    silent: true,
    data: bands.map(({ host, from, to }) => [Math.max(from, fromMs), Math.min(to, toMs), rows.indexOf(host)]),
    encode: { x: [0, 1], y: 2 },
    markLine: markLines(options, false),
    renderItem: (_: unknown, api: CustomApi) => {
      const [left, middle] = api.coord([api.value(0), api.value(2)]);
      const [right] = api.coord([api.value(1), api.value(2)]);
      // A single sighting has no length, and must still be seen.
      const shape = { x: left, y: middle - 8, width: Math.max(2, right - left), height: 16, r: 2 };
      return { type: 'rect', shape, style: { fill: `var(${hostColors.get(rows[api.value(2)] as string)})` } };
    },
  };
}
