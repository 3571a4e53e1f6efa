import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import type { Cluster } from '../../../src/core/cluster/schema.ts';
import { monitoringPart } from '../../../src/core/render/monitoring/part.ts';
import { promtool, promtoolProblem } from '../../support/promtool.ts';
import { matrix } from '../../support/render-matrix.ts';
import { clusterFrom, SECRETS } from '../../support/rendered.ts';
import { ALERT_CASES } from './alert-cases.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hale-monitoring-'));
});

afterEach(() => rmSync(dir, { recursive: true }));

function textOf(cluster: Cluster, name: string): string {
  const files = monitoringPart.clusterFiles?.({ cluster, secrets: SECRETS }) ?? [];
  return files.find(({ path }) => path === `monitoring/${name}`)?.text as string;
}

/** The files as an administrator has them, with empty credentials. */
function write(cluster: Cluster): void {
  for (const name of ['prometheus.yml', 'rules.yml']) writeFileSync(join(dir, name), textOf(cluster, name));
  mkdirSync(join(dir, 'credentials'), { recursive: true });
  for (const name of ['token', 'ca.crt', 'etcd-ca.crt', 'etcd-client.crt', 'etcd-client.key'])
    writeFileSync(join(dir, 'credentials', name), '');
}

interface Rules {
  groups: { name: string; rules: { alert: string; expr: string; labels: Record<string, string>; annotations: Record<string, string> }[] }[];
}

const rulesOf = (cluster: Cluster): Rules['groups'][number]['rules'] =>
  (parse(textOf(cluster, 'rules.yml')) as Rules).groups.flatMap(({ rules }) => rules);

interface ScrapeConfig {
  job_name: string;
  static_configs?: { targets: string[]; labels: Record<string, string> }[];
}

const jobsOf = (cluster: Cluster): ScrapeConfig[] =>
  (parse(textOf(cluster, 'prometheus.yml')) as { scrape_configs: ScrapeConfig[] }).scrape_configs;

const targetsOf = (cluster: Cluster, job: string) =>
  jobsOf(cluster)
    .find(({ job_name }) => job_name === job)
    ?.static_configs?.map(({ targets, labels }) => [...targets, labels['instance']]);

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { refId: string; expr: string }[];
  fieldConfig?: { defaults: { thresholds: { steps: { color: string; value: number | null }[] } } };
}

interface Dashboard {
  uid: string;
  schemaVersion: number;
  panels: Panel[];
  templating: { list: { name: string }[] };
}

const dashboardOf = (cluster: Cluster) => JSON.parse(textOf(cluster, 'dashboard.json')) as Dashboard;

/** Two that between them have every alert and every panel, and others with thresholds of their own. */
const EVERYTHING = {
  everything: {
    agent: { metricsAddress: '0.0.0.0:7701' },
    election: 'etcd',
    etcd: { snapshots: { everyMinutes: 30 } },
  },
  'other thresholds': {
    thresholds: {
      requestRateSpreadPercent: 40,
      requestP99Ms: 300,
      etcdRequestP99Ms: 40,
      memoryPercent: 35,
      inFlightPercent: 50,
      certificateDays: 7,
    },
  },
  'kube-vip by BGP': {
    endpoint: { provider: 'kube-vip', address: '10.99.0.1' },
    kubeVip: { mode: 'bgp', bgp: { peers: [{ address: '10.0.0.1', as: 65_001 }] } },
  },
  'HAProxy, systemd': {
    distribution: 'systemd',
    endpoint: { provider: 'haproxy-keepalived', address: '10.0.0.100', port: 8443, interface: 'eth0' },
  },
};

describe('what Prometheus scrapes', () => {
  test('every API server and member of etcd by its own address, under the name of its host', () => {
    const cluster = clusterFrom({ apiserver: { port: 7443 }, datapath: 'proxy' });
    expect(targetsOf(cluster, 'kube-apiserver')).toEqual([
      ['10.0.0.11:7443', 'cp1'],
      ['10.0.0.12:7443', 'cp2'],
      ['10.0.0.13:7443', 'cp3'],
    ]);
    expect(targetsOf(cluster, 'etcd')?.[0]).toEqual(['10.0.0.11:2379', 'cp1']);
    expect(targetsOf(cluster, 'kubernetes-address')).toEqual([['10.0.0.100:6443', '10.0.0.100']]);
  });

  test.each(['k3s', 'rke2'])('etcd of %s at the port that its configuration opens, without a certificate', (distribution) => {
    const cluster = clusterFrom({ distribution });
    expect(targetsOf(cluster, 'etcd')?.[0]).toEqual(['10.0.0.11:2381', 'cp1']);
    expect(textOf(cluster, 'prometheus.yml')).not.toContain('etcd-client');
  });

  test('external etcd where it is', () => {
    const cluster = clusterFrom({ etcd: { topology: 'external', endpoints: ['https://etcd1:2379', 'https://[fd00::1]:2379'] } });
    expect(targetsOf(cluster, 'etcd')?.map(([target]) => target)).toEqual(['etcd1:2379', '[fd00::1]:2379']);
  });

  test('no agent that listens on loopback, and what must change for it', () => {
    expect(targetsOf(clusterFrom(), 'hale')).toBeUndefined();
    expect(textOf(clusterFrom(), 'prometheus.yml')).toMatch(
      /^# Not scraped\. The agents of hale listen on 127\.0\.0\.1:7701 only\. Set agent\.metricsAddress/m,
    );
    const open = clusterFrom({ agent: { metricsAddress: '0.0.0.0:7801' } });
    expect(targetsOf(open, 'hale')?.[1]).toEqual(['10.0.0.12:7801', 'cp2']);
    expect(textOf(open, 'prometheus.yml')).not.toContain('agents of hale listen on');
  });

  test.each([
    [
      'haproxy-keepalived',
      { endpoint: { provider: 'haproxy-keepalived', address: '10.0.0.100', port: 8443, interface: 'eth0' } },
      /HAProxy serves its metrics on 127\.0\.0\.1:8404/,
    ],
    ['kubeadm', {}, /kube-scheduler listens on 127\.0\.0\.1:10259 only/],
    ['systemd', { distribution: 'systemd' }, /prometheus-node-exporter/],
    ['k3s', { distribution: 'k3s' }, /k3s is one program/],
  ])('%s: what is elsewhere is said', (_, keys, says) => {
    expect(textOf(clusterFrom(keys), 'prometheus.yml')).toMatch(says);
  });
});

const problem = promtoolProblem();

describe.skipIf(problem !== undefined)(`as promtool reads it${problem === undefined ? '' : ` (${problem})`}`, () => {
  test.each([...matrix(), ...Object.entries(EVERYTHING).map(([name, keys]) => ({ name, keys }))])(
    '$name: configuration and rules',
    ({ keys }) => {
      write(clusterFrom(keys));
      const { ok, says } = promtool('check', 'config', join(dir, 'prometheus.yml'));
      expect([ok, says]).toEqual([true, expect.stringMatching(/SUCCESS: \d+ rules found/)]);
    },
  );

  test('a mistake is found', () => {
    write(clusterFrom());
    writeFileSync(join(dir, 'rules.yml'), textOf(clusterFrom(), 'rules.yml').replace('sum(up', 'sun(up'));
    expect(promtool('check', 'config', join(dir, 'prometheus.yml'))).toMatchObject({ ok: false });
  });

  test.each(Object.entries(EVERYTHING))('%s: every alert fires when it should, and not a little earlier', (_, keys) => {
    const cluster = clusterFrom(keys);
    // Each by itself: promtool evaluates every rule of a file in every test.
    const files = rulesOf(cluster).map((rule) => {
      const [rules, tests] = [`${rule.alert}.rules.yml`, join(dir, `${rule.alert}.test.yml`)];
      writeFileSync(join(dir, rules), stringify({ groups: [{ name: rule.alert, rules: [rule] }] }));
      const found = ALERT_CASES[rule.alert]?.(cluster);
      if (found === undefined) throw new Error(`no case for ${rule.alert}`);
      const cases = [ruleTest(rule.alert, { series: found.bad, fires: true }), ruleTest(rule.alert, { series: found.good, fires: false })];
      writeFileSync(tests, stringify({ rule_files: [rules], evaluation_interval: '1m', tests: cases }));
      return tests;
    });
    const { ok, says } = promtool('test', 'rules', ...files);
    expect([ok, says]).toEqual([true, expect.stringContaining('SUCCESS')]);
  });

  test.each(Object.entries(EVERYTHING))('%s: every query of the dashboard is PromQL', (_, keys) => {
    const queries = dashboardOf(clusterFrom(keys)).panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(queries.length).toBeGreaterThan(20);
    const rules = queries.map((expr, i) => ({ record: `query:${i}`, expr }));
    writeFileSync(join(dir, 'queries.yml'), stringify({ groups: [{ name: 'queries', rules }] }));
    expect(promtool('check', 'rules', join(dir, 'queries.yml'))).toMatchObject({ ok: true });
  });
});

/** Looks at the end of the series, when `for` of every alert has passed. */
const END = '3h';

function ruleTest(alert: string, { series, fires }: { series: Record<string, string>; fires: boolean }): object {
  const firing = `count(ALERTS{alertname="${alert}",alertstate="firing"})`;
  return {
    interval: '1m',
    name: `${alert} ${fires ? 'fires' : 'is silent'}`,
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      { expr: `(${firing} > bool 0) or vector(0)`, eval_time: END, exp_samples: [{ labels: '{}', value: fires ? 1 : 0 }] },
    ],
  };
}

describe('rules', () => {
  test('every alert says how bad, what, what to do, and where hale explains it', () => {
    for (const keys of Object.values(EVERYTHING))
      for (const { alert, labels, annotations } of rulesOf(clusterFrom(keys))) {
        expect(labels['severity'], alert).toMatch(/^(critical|warning)$/);
        expect(annotations['summary'], alert).not.toMatch(/undefined|\n/);
        expect(annotations['description'], alert).toMatch(/\.$/);
        expect(annotations['docs'], alert).toMatch(/^docs\/guide\/[a-z-]+\.md$/);
      }
  });

  test('names are there once, and every case belongs to an alert', () => {
    const all = Object.values(EVERYTHING).map((keys) => rulesOf(clusterFrom(keys)).map(({ alert }) => alert));
    for (const names of all) expect(new Set(names).size).toBe(names.length);
    expect(new Set(all.flat())).toEqual(new Set(Object.keys(ALERT_CASES)));
  });

  test.each([
    ['external', { endpoint: { provider: 'external', address: '192.0.2.10' } }],
    [
      'node-local nginx',
      { endpoint: { provider: 'node-local', address: '10.0.0.100', dnsName: 'a.example.com' }, nodeLocal: { balancer: 'nginx' } },
    ],
  ])('%s: none of what is not there', (_, keys) => {
    const names = rulesOf(clusterFrom(keys)).map(({ alert }) => alert);
    expect(names.filter((name) => /^(Hale|Haproxy|KubeVip)/.test(name))).toEqual([]);
  });
});

describe('dashboard', () => {
  test.each(matrix())('$name: panels have ids of their own and do not overlap', ({ keys }) => {
    const { panels, templating } = dashboardOf(clusterFrom(keys));
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.get(`${x},${y}`), `${title} at ${x},${y}`).toBeUndefined();
          taken.set(`${x},${y}`, title);
        }
    }
    for (const { targets = [] } of panels) expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    expect(templating.list.map(({ name }) => name)).toEqual(['datasource']);
  });

  test('red lines are the thresholds of cluster.yaml', () => {
    const { panels } = dashboardOf(clusterFrom(EVERYTHING['other thresholds']));
    const red = (wanted: string) =>
      panels.find(({ title }) => title === wanted)?.fieldConfig?.defaults.thresholds.steps.find(({ color }) => color === 'red')?.value;
    expect(['p99 of requests', 'p99 of requests to etcd', 'Seats taken'].map(red)).toEqual([0.3, 0.04, 50]);
    expect(
      panels.filter(({ title }) => title === 'Memory').map(({ fieldConfig }) => fieldConfig?.defaults.thresholds.steps.at(-1)?.value),
    ).toEqual([35]);
  });

  test('a name that is too long for Grafana is cut', () => {
    expect(dashboardOf(clusterFrom({ name: 'a'.repeat(63) })).uid).toMatch(/^hale-a{35}$/);
  });
});
