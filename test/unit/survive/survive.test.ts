import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { createRandom } from '../../../src/base/random.ts';
import { readCluster } from '../../../src/core/cluster/read.ts';
import type { Cluster } from '../../../src/core/cluster/schema.ts';
import { ASSUMED_RATES, availability, unavailability } from '../../../src/core/survive/availability.ts';
import { choose, failureRows, fatalSets } from '../../../src/core/survive/combinations.ts';
import { count, type SurvivalModel, survivalModel, unitText } from '../../../src/core/survive/model.ts';
import { withMembers } from '../../../src/core/survive/variants.ts';
import { HALE } from '../../support/hale.ts';

const ZONES = ['a', 'b', 'c'];

function description(options: { size: number; zones?: readonly string[]; more?: object }): object {
  const hosts = Array.from({ length: options.size }, (_, i) => ({
    name: `cp${i + 1}`,
    address: `10.0.0.${i + 11}/24`,
    ...(options.zones && { zone: options.zones[i % options.zones.length] }),
  }));
  return {
    apiVersion: 'hale.dev/v1alpha1',
    kind: 'Cluster',
    name: 'prod',
    endpoint: { address: '10.0.0.100' },
    controlPlane: { hosts },
    ...options.more,
  };
}

function cluster(size: number, options: { zones?: readonly string[]; more?: object } = {}): Cluster {
  const read = readCluster(stringify(description({ size, ...options })), 'cluster.yaml');
  if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join());
  return read.cluster;
}

const random = () => createRandom(1);
const rows = (of: Cluster) => failureRows(survivalModel(of), { failuresMax: 3, random: random() });
const fatal = (of: Cluster) => fatalSets(survivalModel(of), 3).map((set) => set.map(unitText).join(' + '));
const downOf = (of: Cluster) => availability(survivalModel(of), { rates: ASSUMED_RATES, random: random() }).changeDown;
/** The state after the named units failed. */
const after = (of: Cluster, ...units: string[]) => {
  const model = survivalModel(of);
  const down = model.units.filter((unit) => units.includes(unitText(unit))).reduce((mask, { hosts }) => mask | hosts, 0);
  return model.judge(model.all & ~down);
};

describe('what is left', () => {
  test('three hosts lose one, and no two', () => {
    expect(rows(cluster(3)).map(({ combinations, change }) => [combinations, change])).toEqual([
      [3, 3],
      [3, 0],
      [1, 0],
    ]);
  });

  test('four tolerate no more than three', () => {
    expect(rows(cluster(4)).map(({ change }) => change)).toEqual([4, 0, 0]);
  });

  test('two zones: the one with two of three hosts is fatal alone', () => {
    expect(fatal(cluster(3, { zones: ['a', 'b'] }))).toContain('zone a');
    expect(fatal(cluster(3, { zones: ['a', 'b'] }))).not.toContain('zone b');
  });

  test('only the smallest fatal sets are told', () => {
    expect(fatal(cluster(3, { zones: ZONES })).every((set) => set.split(' + ').length === 2)).toBe(true);
  });

  test('without quorum hale still leads to an API server while a majority of agents is up; kube-vip and a balancer that asks for /readyz do not', () => {
    const external = { etcd: { topology: 'external', endpoints: ['https://10.0.0.21:2379'] } };
    const lost = (provider: string, more: object = {}) =>
      after(
        cluster(3, { more: { ...external, endpoint: { address: '10.0.0.100', interface: 'eth0', provider, ...more } } }),
        'host 10.0.0.21',
      );
    expect(lost('hale')).toEqual({ api: true, quorum: false, change: false });
    expect(lost('kube-vip')).toEqual({ api: false, quorum: false, change: false });
    expect(lost('haproxy-keepalived', { port: 8443 })).toEqual({ api: false, quorum: false, change: false });
  });

  test('two balancers of their own are a matter of life and death like the control plane', () => {
    const of = cluster(3, {
      more: {
        endpoint: { address: '10.0.0.100', interface: 'eth0', provider: 'haproxy-keepalived' },
        haproxyKeepalived: {
          placement: 'balancers',
          balancers: ['lb1', 'lb2'].map((name, i) => ({ name, address: `10.0.0.${i + 31}/24` })),
        },
      },
    });
    expect(fatal(of)).toContain('host lb1 + host lb2');
    expect(after(of, 'host lb1', 'host lb2')).toEqual({ api: false, quorum: true, change: false });
  });

  test('a member of external etcd that is a control-plane host fails with it', () => {
    const endpoints = ['11', '12', '13'].map((last) => `https://10.0.0.${last}:2379`);
    const of = cluster(3, { more: { etcd: { topology: 'external', endpoints } } });
    expect(survivalModel(of).units.map(({ name }) => name)).toEqual(['cp1', 'cp2', 'cp3']);
  });

  test('too many combinations are sampled, and the share lies within the error that is told', () => {
    const hosts = Array.from({ length: 30 }, (_, i) => ({ kind: 'host' as const, name: `h${i}`, hosts: 1 << i }));
    // It holds while host 0 is up: of 30 choose 15, half.
    const judge = (up: number) => ({ api: true, quorum: true, change: (up & 1) === 1 });
    const [row] = failureRows({ units: hosts, all: 2 ** 30 - 1, members: 30, judge }, { failuresMax: 15, random: random() }).slice(-1);
    expect(row?.combinations).toBe(choose(30, 15));
    expect(row?.api).toBe(row?.examined);
    expect(Math.abs((row?.change ?? 0) / (row?.examined ?? 1) - 0.5)).toBeLessThan(2 * (row?.margin ?? 0));
    expect(row?.margin).toBeGreaterThan(0);
  });
});

describe('availability', () => {
  const q = unavailability(ASSUMED_RATES.host);
  /** Of n equal hosts, of which a majority must be up. */
  const binomial = (n: number) => {
    let down = 0;
    for (let i = n - Math.floor(n / 2); i <= n; i++) if ((n - i) * 2 <= n) down += choose(n, i) * q ** i * (1 - q) ** (n - i);
    return down;
  };

  test.each([1, 2, 3, 4, 5, 7])('of %d equal hosts is the binomial formula that is printed', (n) => {
    expect(downOf(cluster(n)) / binomial(n)).toBeCloseTo(1, 9);
  });

  test('four members are down longer than three, five less', () => {
    expect(downOf(cluster(4))).toBeGreaterThan(downOf(cluster(3)));
    expect(downOf(cluster(5))).toBeLessThan(downOf(cluster(3)));
  });

  test('of more units than are added up is drawn, and the truth lies within three errors', () => {
    const units = Array.from({ length: 24 }, (_, i) => ({ kind: 'host' as const, name: `h${i}`, hosts: 1 << i }));
    const model: SurvivalModel = {
      units,
      all: 2 ** 24 - 1,
      members: 3,
      judge: (up) => ({ api: true, quorum: true, change: count(up & 7) >= 2 }),
    };
    const { changeDown, margin } = availability(model, { rates: ASSUMED_RATES, random: random() });
    expect(margin).toBeGreaterThan(0);
    expect(Math.abs(changeDown - binomial(3))).toBeLessThan(1.5 * margin);
  });
});

describe('one more and one fewer member', () => {
  const zonesOf = (of: Cluster | undefined) => of?.controlPlane.hosts.map(({ zone }) => zone).toSorted();

  test('comes where the fewest are, and leaves where the most are', () => {
    expect(zonesOf(withMembers(cluster(5, { zones: ZONES }), 6))).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
    expect(zonesOf(withMembers(cluster(4, { zones: ZONES }), 3))).toEqual(['a', 'b', 'c']);
  });

  test('not beyond what etcd takes', () => {
    expect([withMembers(cluster(1), 0), withMembers(cluster(7), 8)]).toEqual([undefined, undefined]);
  });
});

describe('hale sim survive', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hale-survive-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  function run(text: object, ...words: string[]) {
    const file = join(dir, 'cluster.yaml');
    writeFileSync(file, stringify(text));
    return spawnSync(HALE, ['sim', 'survive', file, ...words], { encoding: 'utf8' });
  }

  test('compares with one more, two more and one fewer, shows the formula, and the same twice', () => {
    const { status, stdout } = run(description({ size: 3, zones: ZONES }));
    expect(status).toBe(0);
    for (const size of ['2 ', '3 (now)', '4 ', '5 ']) expect(stdout).toMatch(new RegExp(`^${size.replace(/[()]/g, '\\$&')}.*%`, 'm'));
    expect(stdout).toContain('MTTR / (MTBF + MTTR)');
    expect(run(description({ size: 3, zones: ZONES })).stdout).toBe(stdout);
  });

  test('one failure that is enough is a finding', () => {
    const { status, stdout } = run(description({ size: 3, zones: ['a', 'b'] }));
    expect(status).toBe(1);
    expect(stdout).toContain('One failure is enough to stop every change: zone a.');
  });

  test('own rates count', () => {
    const downs = [[], ['--mttr', 'host=40h']].map((more) => {
      const { members } = JSON.parse(run(description({ size: 3 }), '--json', ...more).stdout) as { members: { changeDown: number }[] };
      return members[1]?.changeDown as number;
    });
    expect((downs[1] as number) / (downs[0] as number)).toBeGreaterThan(90);
  });

  test('a rate that is none is refused with what is wrong', () => {
    const { status, stderr } = run(description({ size: 3 }), '--mtbf', 'disk=3d');
    expect(status).toBe(2);
    expect(stderr).toContain('"disk=3d" is not such as host=365d: one of host, zone, rack, switch');
  });
});
