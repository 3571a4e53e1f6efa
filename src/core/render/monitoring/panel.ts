/* Grafana's dashboards as JSON (grafana.com/docs, "Dashboard JSON model"). */

export interface Query {
  expr: string;
  legend: string;
}

/** What a panel shows, without its place. */
export interface Panel {
  title: string;
  description: string;
  kind: 'timeseries' | 'stat';
  /** Grafana's name of the unit. */
  unit: string;
  queries: Query[];
  /** From this value on it is bad; `below` when it is bad under it. */
  limit?: { value: number; warning?: number; below?: true };
}

export interface Row {
  title: string;
  panels: Panel[];
}

const COLUMNS = 24;
const WIDTH = 8;
const HEIGHT = 8;

/** Rows one below the other, their panels three side by side; ids from 1. */
export function layOut(rows: readonly Row[]): object[] {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
      panels: [],
    });
    y += 1;
    for (const [i, panel] of row.panels.entries()) {
      const place = { x: (i * WIDTH) % COLUMNS, y: y + Math.floor((i * WIDTH) / COLUMNS) * HEIGHT, w: WIDTH, h: HEIGHT };
      panels.push(panelJson(panel, { id: panels.length + 1, gridPos: place }));
    }
    y += Math.ceil((row.panels.length * WIDTH) / COLUMNS) * HEIGHT;
  }
  return panels;
}

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

function panelJson({ title, description, kind, unit, queries, limit }: Panel, place: { id: number; gridPos: object }): object {
  const custom = {
    drawStyle: 'line',
    lineWidth: 1,
    fillOpacity: 0,
    showPoints: 'never',
    thresholdsStyle: { mode: limit === undefined ? 'off' : 'dashed' },
  };
  return {
    ...place,
    type: kind,
    title,
    description,
    datasource: DATASOURCE,
    targets: queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + i),
      datasource: DATASOURCE,
      editorMode: 'code',
      expr,
      legendFormat: legend,
      range: kind === 'timeseries',
      instant: kind === 'stat',
    })),
    fieldConfig: {
      defaults: { unit, thresholds: { mode: 'absolute', steps: steps(limit) }, ...(kind === 'timeseries' ? { min: 0, custom } : {}) },
      overrides: [],
    },
    options: kind === 'timeseries' ? TIMESERIES : STAT,
  };
}

const TIMESERIES = {
  legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
  tooltip: { mode: 'multi', sort: 'desc' },
};
const STAT = {
  reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
  colorMode: 'background',
  graphMode: 'none',
  justifyMode: 'auto',
  orientation: 'auto',
  textMode: 'value_and_name',
};

function steps(limit: Panel['limit']): object[] {
  if (limit === undefined) return [{ color: 'green', value: null }];
  const { value, warning, below } = limit;
  if (below)
    return [
      { color: 'red', value: null },
      { color: 'green', value },
    ];
  return [
    { color: 'green', value: null },
    ...(warning === undefined ? [] : [{ color: 'orange', value: warning }]),
    { color: 'red', value },
  ];
}
