import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { gather } from '../../../src/core/doctor/gather.ts';
import { timingChain } from '../../../src/core/doctor/timing/chain.ts';
import { durationText, type Link, type Stage } from '../../../src/core/doctor/timing/link.ts';
import { disorders } from '../../../src/core/doctor/timing/order.ts';
import { HALE } from '../../support/hale.ts';

const chain = (files: Record<string, string>): Link[] =>
  timingChain(gather(Object.entries(files).map(([path, text]) => ({ file: { path, text }, isNamed: true }))));
const range = (links: readonly Link[], stage: Stage) =>
  links.filter((link) => link.stage === stage).map(({ fromMs, toMs }) => [fromMs, toMs]);

const haproxy = (server: string, more = '') => ({
  'haproxy.cfg': `defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 50s\n  timeout server 50s\n${more}\nbackend api\n  server m1 10.0.0.1:6443 ${server}\n`,
});
const keepalived = (instance: string, more = '') => ({ 'keepalived.conf': `${more}\nvrrp_instance VI {\n${instance}\n}\n` });
const pod = (name: string, flags: readonly string[]) =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec:\n  containers:\n  - name: ${name}\n    image: registry.k8s.io/${name}:v1.36.4\n    command:\n    - ${name}\n${flags.map((flag) => `    - ${flag}\n`).join('')}`;

describe('links', () => {
  // The numbers are those of the manuals' own formulas, worked out by hand.
  test('HAProxy: one interval, then the rest of the failures at fastinter', () => {
    expect(range(chain(haproxy('check inter 10s fall 2')), 'backend-detected')).toEqual([[10_000, 20_000]]);
    expect(range(chain(haproxy('check inter 3s fastinter 1s fall 3', '  timeout check 5s')), 'backend-detected')).toEqual([[2000, 5000]]);
    expect(range(chain(haproxy('check')), 'backend-detected')).toEqual([[4000, 6000]]);
    expect(range(chain(haproxy('')), 'backend-detected')).toEqual([]);
  });

  test("hale: the second host's Active_Down_Interval with VRRP; BFD, or the hold time, with BGP; nothing where a routing daemon notices", () => {
    const description = (...lines: string[]) => {
      const hosts = [11, 12, 13].map((last) => `{name: cp${last}, address: 10.0.0.${last}/24}`);
      const head = 'apiVersion: hale.dev/v1alpha1\nkind: Cluster\nname: a\nendpoint: {address: 10.0.0.100}';
      const text = `${head}\ncontrolPlane: {hosts: [${hosts.join(', ')}]}\n${lines.join('\n')}\n`;
      return range(chain({ 'cluster.yaml': text }), 'address-by-crash');
    };
    const peer = (more: string) =>
      `bgp: {holdTimeSeconds: 9, bfd: {intervalMs: 50, multiplier: 3}, peers: [{address: 10.0.0.1, as: 65001${more}}]}`;
    const skewMs = ((256 - 215) / 256) * 100;
    expect(description('election: vrrp', 'vrrp: {advertisementIntervalMs: 100}')).toEqual([[200 + skewMs, 300 + skewMs]]);
    expect(description('advertise: bgp', peer(', bfd: true'))).toEqual([[100, 150]]);
    expect(description('advertise: bgp', peer(''))).toEqual([[6000, 9000]]);
    expect(description('advertise: frr')).toEqual([]);
  });

  test('keepalived: version 2 counts whole seconds, version 3 hundredths', () => {
    expect(range(chain(keepalived('  priority 146\n  advert_int 3')), 'address-by-crash')).toEqual([
      [6000 + (110 / 256) * 1000, 9000 + (110 / 256) * 1000],
    ]);
    const three = chain(keepalived('  priority 102\n  advert_int 0.5', 'global_defs {\n  vrrp_version 3\n}'));
    expect(range(three, 'address-by-crash')).toEqual([[1000 + (154 / 256) * 500, 1500 + (154 / 256) * 500]]);
  });

  test('keepalived: a script that is tracked moves the address, one that is not does not', () => {
    const script = 'vrrp_script chk {\n  script "/c.sh"\n  interval 3\n  timeout 2\n  fall 10\n}';
    expect(range(chain(keepalived('  track_script {\n    chk\n  }', script)), 'address-by-check')).toEqual([[27_000, 31_000]]);
    expect(range(chain(keepalived('  priority 100', script)), 'address-by-check')).toEqual([]);
  });

  test('kube-vip: the Lease, or BGP', () => {
    const vip = (env: string) => ({
      'kube-vip.yaml': `apiVersion: v1\nkind: Pod\nmetadata: {name: kube-vip}\nspec:\n  containers:\n  - name: kube-vip\n    image: ghcr.io/kube-vip/kube-vip:v1.2.3\n    args: [manager]\n    env:\n${env}`,
    });
    const variable = (name: string, value: string) => `    - {name: ${name}, value: "${value}"}\n`;
    expect(range(chain(vip(variable('vip_arp', 'true'))), 'address-by-crash')).toEqual([[13_000, 17_000]]);
    expect(range(chain(vip(variable('vip_leaseduration', '5') + variable('vip_retryperiod', '1'))), 'address-by-crash')).toEqual([
      [4000, 6000],
    ]);
    expect(range(chain(vip(variable('bgp_enable', 'true'))), 'address-by-crash')).toEqual([[20_000, 30_000]]);
  });

  test('Kubernetes: as found, or its defaults, which changed with 1.32', () => {
    const version = (text: string) => ({
      'k.yaml': `apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: ${text}\n`,
    });
    expect(range(chain(version('v1.36.4')), 'node-not-ready')).toEqual([[40_000, 55_000]]);
    expect(range(chain(version('v1.31.1')), 'node-not-ready')).toEqual([[30_000, 45_000]]);
    const manager = { 'kcm.yaml': pod('kube-controller-manager', ['--node-monitor-grace-period=20s']) };
    expect(range(chain(manager), 'node-not-ready')).toEqual([[10_000, 25_000]]);
  });

  test('are told in the unit that reads best', () => {
    expect([300, 3600, 300_000, 14_400_000].map(durationText)).toEqual(['300 ms', '3.6 s', '5 min', '4 h']);
  });
});

describe('order', () => {
  const told = (files: Record<string, string>) => disorders(chain(files)).map(({ message }) => message);

  test('what is recommended today is in order', () => {
    const balancer = haproxy('check inter 3s fastinter 1s fall 3', '  timeout check 2s\n  timeout tunnel 4h');
    const instance = keepalived(
      '  priority 102\n  advert_int 0.5\n  track_script {\n    chk\n  }',
      'global_defs {\n  vrrp_version 3\n}\nvrrp_script chk {\n  interval 5\n  fall 3\n}',
    );
    expect(told({ ...balancer, ...instance })).toEqual([]);
  });

  test('an address that moves before the balancer noticed', () => {
    const instance = keepalived('  track_script {\n    chk\n  }', 'vrrp_script chk {\n  interval 1\n  fall 2\n}');
    expect(told({ ...haproxy('check inter 10s fall 2', '  timeout tunnel 4h'), ...instance }).join()).toMatch(
      /takes a dead API server out after up to 20 s .*check fails after 1 s/,
    );
  });

  test('an API server that is gone before the balancer noticed', () => {
    expect(
      told({ ...haproxy('check', '  timeout tunnel 4h'), 'api.yaml': pod('kube-apiserver', ['--secure-port=6443']) }).join(),
    ).toContain('answers no more after 0 ms');
  });

  test('nodes that are NotReady while their kubelets still wait', () => {
    expect(told({ 'kcm.yaml': pod('kube-controller-manager', ['--node-monitor-grace-period=40s']) }).join()).toContain(
      'gives up a connection that went silent after up to 45 s',
    );
  });

  test('watches that the balancer cuts', () => {
    expect(told(haproxy('check')).join()).toContain('an idle connection through the balancer is cut after 50 s');
  });
});

describe('hale doctor timing', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hale-timing-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const run = (...words: string[]) =>
    spawnSync(HALE, ['doctor', 'timing', ...words], {
      encoding: 'utf8',
    });

  test('prints table, plot and what is out of order with its place, and writes a picture', () => {
    const file = join(dir, 'haproxy.cfg');
    writeFileSync(file, haproxy('check inter 10s')['haproxy.cfg']);
    const { status, stdout } = run(file, '--svg', join(dir, 'chain.svg'));
    expect(status).toBe(1);
    expect(stdout).toMatch(new RegExp(`^  ${file}:5:\\d+: an idle connection`, 'm'));
    const svg = readFileSync(join(dir, 'chain.svg'), 'utf8');
    expect(svg).toMatch(/^<svg .*the balancer takes a dead API server out/s);
  });

  test("a description brings hale's own times", () => {
    const example = join(import.meta.dirname, '../../../docs/examples/cluster.yaml');
    const { links } = JSON.parse(run('--cluster', example, '--json').stdout) as { links: { stage: string; toMs: number; who: string }[] };
    expect(links.find(({ who, stage }) => who === 'hale' && stage === 'address-by-crash')?.toMs).toBeLessThan(500);
  });
});
