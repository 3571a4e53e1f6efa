/** The course of a drill as a picture: amounts above, a row for each name below, on one axis of time since the fault. */
import { BarChart, CustomChart, LineChart } from 'echarts/charts';
import { GridComponent, MarkAreaComponent, MarkLineComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { escapeHtml, formatCount } from './html.ts';

echarts.use([BarChart, CustomChart, LineChart, GridComponent, MarkAreaComponent, MarkLineComponent, SVGRenderer]);

const WIDTH = 1016;
const LEFT = 74;
const RIGHT = 24;
const TOP = 30;
const AXIS_HEIGHT = 46;
const GAP = 16;
/** Between the axes, in pixels. */
export const COURSE_WIDTH = WIDTH - LEFT - RIGHT;
export const SOFT_TEXT = { color: 'var(--soft)', fontSize: 12 };

export interface Course {
  /** Text for those who do not see the picture. */
  label: string;
  time: { from: number; to: number; name: string };
  /** `bounds`: `min` and `max` of ECharts. */
  amounts: { name: string; height: number; bounds: object };
  rows: { names: readonly string[]; none: string; height: number; areDivided: boolean };
  /** Those of the rows have `xAxisIndex` and `yAxisIndex` 1. */
  series: readonly object[];
}

/** What the renderer of a custom series is given by ECharts. */
export interface CustomApi {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
}

/** An `<svg>` element. */
export function renderCourse(course: Course): string {
  const { amounts, rows, series, label } = course;
  const rowsHeight = Math.max(1, rows.names.length) * rows.height;
  const height = TOP + amounts.height + GAP + rowsHeight + AXIS_HEIGHT;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: 'inherit', color: 'var(--ink)' },
    grid: [
      { left: LEFT, right: RIGHT, top: TOP, height: amounts.height },
      { left: LEFT, right: RIGHT, top: TOP + amounts.height + GAP, height: rowsHeight },
    ],
    xAxis: [timeAxis(course, 0), timeAxis(course, 1)],
    yAxis: [amountAxis(course), rowAxis(course)],
    series,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return embed(svg, label);
}

function timeAxis({ time: { from, to, name } }: Course, gridIndex: 0 | 1): object {
  const last = gridIndex === 1;
  return {
    type: 'value',
    gridIndex,
    min: from,
    max: to,
    name: last ? name : '',
    nameLocation: 'middle',
    nameGap: 28,
    nameTextStyle: SOFT_TEXT,
    axisLine: { show: last, onZero: false, lineStyle: { color: 'var(--soft)' } },
    axisTick: { show: last, lineStyle: { color: 'var(--soft)' } },
    axisLabel: { show: last, ...SOFT_TEXT, hideOverlap: true, formatter: formatCount },
    // Otherwise the axis of bars is stretched by half a bar, and the two axes disagree.
    containShape: false,
    splitLine: { lineStyle: { color: 'var(--grid)' } },
  };
}

function amountAxis({ amounts: { name, bounds } }: Course): object {
  return {
    type: 'value',
    gridIndex: 0,
    minInterval: 1,
    ...bounds,
    name,
    nameLocation: 'middle',
    nameGap: 38,
    nameTextStyle: SOFT_TEXT,
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: SOFT_TEXT,
    splitLine: { lineStyle: { color: 'var(--grid)' } },
  };
}

function rowAxis({ rows: { names, none, areDivided } }: Course): object {
  return {
    type: 'category',
    gridIndex: 1,
    inverse: true,
    data: names.length === 0 ? [none] : [...names],
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: { color: 'var(--ink)', fontSize: 12, width: LEFT - 14, overflow: 'truncate' },
    splitLine: { show: areDivided, lineStyle: { color: 'var(--grid)' } },
  };
}

export interface CourseMark {
  at: number;
  label: string;
  isFault: boolean;
}

/** Upright lines; `more` are lines besides. */
export function markLine(marks: readonly CourseMark[], { labelled, more = [] }: { labelled: boolean; more?: readonly object[] }): object {
  const lines = marks.map(({ at, label, isFault }) => ({
    xAxis: at,
    lineStyle: { color: 'var(--ink)', width: 1.5, type: isFault ? 'solid' : 'dashed' },
    label: { show: labelled, formatter: () => label, position: 'end', color: 'var(--ink)', fontSize: 12, fontWeight: 600, distance: 6 },
  }));
  return { silent: true, symbol: 'none', data: [...lines, ...more] };
}

/** Scales with the page, has a name for screen readers, and carries nothing that only a live chart needs. */
function embed(svg: string, label: string): string {
  const body = svg
    .replace(/^<svg[^>]*>/, '')
    .replaceAll(/<style[^]*?<\/style>/g, '')
    .replaceAll(/ (?:ecmeta_[a-z_]+|class|pointer-events|xml:space)="[^"]*"/g, '');
  const height = /viewBox="0 0 [\d.]+ ([\d.]+)"/.exec(svg)?.[1] ?? '0';
  const text = escapeHtml(label);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${text}"><title>${text}</title>${body}`;
}
