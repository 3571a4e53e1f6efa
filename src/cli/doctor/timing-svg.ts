/** The timing chain as a picture that needs nothing else: bars on a logarithmic time axis. */
import { CustomChart } from 'echarts/charts';
import { GridComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { durationText, type Link, STAGES } from '../../core/doctor/timing/link.ts';
import type { Disorder } from '../../core/doctor/timing/order.ts';

echarts.use([CustomChart, GridComponent, SVGRenderer]);

const WIDTH = 1100;
const LEFT = 440;
const RIGHT = 90;
const ROW_HEIGHT = 30;
const AXIS_HEIGHT = 40;
const AXIS = { fromMs: 10, toMs: 36_000_000 };
const INK = '#1f2933';
const SOFT = '#616e7c';
const GOOD = '#2f6f9f';
const WRONG = '#c4432b';

export function timingSvg(links: readonly Link[], disorders: readonly Disorder[]): string {
  const wrong = new Set(disorders.flatMap(({ earlier, later }) => [earlier, later]));
  const height = links.length * ROW_HEIGHT + AXIS_HEIGHT;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'sans-serif' },
    grid: { left: LEFT, right: RIGHT, top: 8, height: links.length * ROW_HEIGHT },
    xAxis: {
      type: 'log',
      logBase: 10,
      min: AXIS.fromMs,
      max: AXIS.toMs,
      axisLabel: { color: SOFT, fontSize: 12, formatter: durationText },
      splitLine: { lineStyle: { color: '#e4e7eb' } },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: links.map(({ stage, who }) => `${STAGES[stage]} (${who})`),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { color: INK, fontSize: 12, width: LEFT - 16, overflow: 'truncate' },
    },
    series: [bars(links, wrong)],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

interface CustomApi {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
}

function bars(links: readonly Link[], wrong: ReadonlySet<Link>): object {
  return {
    type: 'custom',
    silent: true,
    data: links.map(({ fromMs, toMs }, row) => [Math.max(fromMs, AXIS.fromMs), Math.max(toMs, AXIS.fromMs), row]),
    encode: { x: [0, 1], y: 2 },
    renderItem: (_: unknown, api: CustomApi) => {
      const link = links[api.value(2)] as Link;
      const [left, middle] = api.coord([api.value(0), api.value(2)]);
      const [right] = api.coord([api.value(1), api.value(2)]);
      const fill = wrong.has(link) ? WRONG : GOOD;
      // A single moment has no length, and must still be seen.
      const shape = { x: Math.min(left, right - 3), y: middle - 8, width: Math.max(3, right - left), height: 16, r: 2 };
      const style = { text: durationText(link.toMs), x: right + 6, y: middle, fill, fontSize: 12, verticalAlign: 'middle' };
      return {
        type: 'group',
        children: [
          { type: 'rect', shape, style: { fill } },
          { type: 'text', style },
        ],
      };
    },
  };
}
