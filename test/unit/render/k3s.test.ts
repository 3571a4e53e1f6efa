import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { schedule } from '../../../src/core/render/rancher/snapshots.ts';
import { DUAL_STACK, EXTERNAL_ETCD, IPV6, renderAll, SECRETS, textOf } from '../../support/rendered.ts';

type Distribution = 'k3s' | 'rke2';
type Config = Record<string, unknown>;

function config(distribution: Distribution, host: string, keys: Record<string, unknown> = {}): Config {
  return parse(textOf(renderAll({ ...keys, distribution }), host, `/etc/rancher/${distribution}/config.yaml`)) as Config;
}

/** What both take (docs.k3s.io and docs.rke2.io, "Server Configuration Reference" and "Agent Configuration Reference"). */
const NODE_KEYS = 'server token node-name node-ip node-label node-taint kube-proxy-arg kubelet-arg'.split(' ');
const SERVER_KEYS = `${NODE_KEYS.join(' ')}
  tls-san bind-address advertise-address write-kubeconfig-mode cluster-cidr service-cidr cluster-dns cluster-domain
  disable disable-kube-proxy kube-apiserver-arg kube-controller-manager-arg kube-scheduler-arg etcd-arg etcd-expose-metrics
  datastore-endpoint datastore-cafile datastore-certfile datastore-keyfile
  etcd-snapshot-schedule-cron etcd-snapshot-retention etcd-snapshot-dir etcd-s3 etcd-s3-endpoint etcd-s3-endpoint-ca
  etcd-s3-bucket etcd-s3-bucket-lookup-type etcd-s3-region etcd-s3-folder etcd-s3-insecure etcd-s3-retention`;
const KNOWN: Record<Distribution, readonly string[]> = {
  k3s: `${SERVER_KEYS} cluster-init https-listen-port flannel-backend flannel-ipv6-masq disable-network-policy secrets-encryption`.split(
    /\s+/,
  ),
  rke2: `${SERVER_KEYS} cni audit-policy-file`.split(/\s+/),
};

const S3 = {
  bucket: 'snaps',
  endpoint: 'https://s3.example.com:9000',
  region: 'eu-1',
  prefix: 'a/b/',
  credentialsFile: '/etc/hale/s3-credentials',
};
const VARIANTS: Record<string, Record<string, unknown>> = {
  'nothing said': {},
  'both families': DUAL_STACK,
  'IPv6 alone': IPV6,
  'external etcd': EXTERNAL_ETCD,
  'Cilium without kube-proxy': { kubernetes: { kubeProxy: 'none', cni: 'cilium' } },
  'Calico and IPVS': { kubernetes: { kubeProxy: 'ipvs', cni: 'calico' }, datapath: 'ipvs' },
  'Flannel and nftables': { kubernetes: { kubeProxy: 'nftables', cni: 'flannel' } },
  snapshots: { etcd: { snapshots: { everyMinutes: 30, s3: { ...S3, pathStyle: true, caFile: '/etc/ca.crt' } } } },
  'an older release, bound to the host': { kubernetes: { version: 'v1.31.5' }, apiserver: { bind: 'host' }, datapath: 'proxy' },
};

describe.each(['k3s', 'rke2'] as const)('%s', (distribution) => {
  test.each(Object.entries(VARIANTS))('%s: only keys that it knows, each with a value', (_name, keys) => {
    for (const host of ['cp1', 'cp2', 'w1']) {
      const found = config(distribution, host, keys);
      expect(Object.keys(found).filter((key) => !(host === 'w1' ? NODE_KEYS : KNOWN[distribution]).includes(key))).toEqual([]);
      expect(Object.entries(found).filter(([, value]) => value === null || value === '')).toEqual([]);
    }
  });

  test('the first server makes the cluster; all others join at the endpoint, not at the first server', () => {
    const keys = { endpoint: { address: '10.0.0.100', dnsName: 'api.example.com' } };
    const url = distribution === 'k3s' ? 'https://api.example.com:6443' : 'https://api.example.com:9345';
    expect(config(distribution, 'cp1', keys)).not.toHaveProperty('server');
    for (const host of ['cp2', 'cp3', 'w1', 'w2']) expect([host, config(distribution, host, keys)['server']]).toEqual([host, url]);
    expect(config(distribution, 'cp1')['cluster-init']).toBe(distribution === 'k3s' ? true : undefined);
    for (const host of ['cp2', 'w1']) expect(config(distribution, host)).not.toHaveProperty('cluster-init');
  });

  test('an IPv6 endpoint is in brackets', () => {
    expect(config(distribution, 'w1', IPV6)['server']).toMatch(/^https:\/\/\[fd00::100\]:(6443|9345)$/);
  });

  test('what must be equal on all servers is', () => {
    const common = (host: string) => {
      const {
        server: _server,
        'cluster-init': _init,
        'node-name': _name,
        'node-ip': _ip,
        'node-label': _label,
        ...rest
      } = config(distribution, host);
      return rest;
    };
    expect(common('cp1')['cluster-cidr']).toBe('10.244.0.0/16');
    for (const host of ['cp2', 'cp3']) expect(common(host)).toEqual(common('cp1'));
  });

  test('dual stack: networks and node addresses of both families', () => {
    expect(config(distribution, 'cp2', DUAL_STACK)).toMatchObject({
      'cluster-cidr': '10.244.0.0/16,fd00:244::/56',
      'service-cidr': '10.96.0.0/16,fd00:96::/112',
      'node-ip': ['10.0.0.12', 'fd00::12'],
    });
  });

  test('certificates name the endpoint and every server, nothing twice', () => {
    const names = config(distribution, 'cp3')['tls-san'] as string[];
    expect(names).toEqual([...new Set(names)]);
    expect(names).toEqual(expect.arrayContaining(['10.0.0.100', 'cp1', '10.0.0.11', '10.0.0.13', '127.0.0.1']));
  });

  test('balancers may ask for health without credentials, which both refuse by themselves', () => {
    const flag = (keys: object) => (config(distribution, 'cp1', { ...keys })['kube-apiserver-arg'] as string[])[0];
    const file = `/etc/rancher/${distribution}/authentication.yaml`;
    expect(flag({})).toBe(`authentication-config=${file}`);
    expect(renderAll({ distribution }).get('cp1')?.has(file)).toBe(true);
    const old = { kubernetes: { version: 'v1.33.9' } };
    expect(flag(old)).toBe('anonymous-auth=true');
    expect(
      renderAll({ ...old, distribution })
        .get('cp1')
        ?.has(file),
    ).toBe(false);
  });

  test('every file that its arguments name is rendered', () => {
    const found = config(distribution, 'cp1');
    const named = [...(found['kube-apiserver-arg'] as string[]), `x=${found['audit-policy-file'] as string}`]
      .map((argument) => argument.split('=')[1] as string)
      .filter((value) => value.startsWith('/etc/'));
    expect(named.length).toBe(2);
    for (const path of named) expect([path, renderAll({ distribution }).get('cp1')?.has(path)]).toEqual([path, true]);
  });

  test('external etcd: every server finds the cluster there, none joins another', () => {
    for (const host of ['cp1', 'cp2']) {
      const found = config(distribution, host, EXTERNAL_ETCD);
      expect(found['datastore-endpoint']).toBe(EXTERNAL_ETCD.etcd.endpoints.join(','));
      for (const key of ['cluster-init', 'server', 'etcd-arg']) expect(found).not.toHaveProperty(key);
    }
  });

  test('etcd is tuned as etcd.latency and etcd.disk say', () => {
    expect(config(distribution, 'cp1', { etcd: { latency: 'region' } })['etcd-arg']).toEqual([
      'heartbeat-interval=250',
      'election-timeout=2500',
      'quota-backend-bytes=8589934592',
    ]);
  });

  test.each([
    ['iptables', undefined],
    ['nftables', ['proxy-mode=nftables']],
    ['ipvs', ['proxy-mode=ipvs', 'ipvs-strict-arp=true', 'ipvs-exclude-cidrs=10.0.0.100/32']],
  ])('kube-proxy by %s, on servers and agents alike', (kubeProxy, expected) => {
    for (const host of ['cp1', 'w1'])
      expect(config(distribution, host, { datapath: 'ipvs', kubernetes: { kubeProxy } })['kube-proxy-arg']).toEqual(expected);
  });

  test('without kube-proxy the servers say so', () => {
    const keys = { kubernetes: { kubeProxy: 'none', cni: 'cilium' } };
    expect(config(distribution, 'cp2', keys)['disable-kube-proxy']).toBe(true);
    expect(config(distribution, 'w1', keys)).not.toHaveProperty('disable-kube-proxy');
  });

  test('servers are kept for the control plane where there are workers', () => {
    expect(config(distribution, 'cp1')['node-taint']).toEqual(['CriticalAddonsOnly=true:NoExecute']);
    expect(config(distribution, 'w1')).not.toHaveProperty('node-taint');
    expect(config(distribution, 'cp1', { workers: { hosts: [] } })).not.toHaveProperty('node-taint');
  });

  test('snapshots follow etcd.snapshots; the key of S3 is in no rendered file, and the steps say how it gets there', () => {
    const keys = { etcd: { snapshots: { everyMinutes: 30, keep: { last: 1, hourly: 2, daily: 3, weekly: 4 }, folder: '/snaps', s3: S3 } } };
    expect(config(distribution, 'cp3', keys)).toMatchObject({
      'etcd-snapshot-schedule-cron': '*/30 * * * *',
      'etcd-snapshot-retention': 10,
      'etcd-snapshot-dir': '/snaps',
      'etcd-s3': true,
      'etcd-s3-endpoint': 's3.example.com:9000',
      'etcd-s3-folder': 'a/b',
      'etcd-s3-retention': 10,
    });
    expect(textOf(renderAll({ ...keys, distribution }), '_cluster', 'STEPS.md')).toContain(
      `/etc/hale/s3-credentials >/etc/rancher/${distribution}/config.yaml.d/s3-credentials.yaml`,
    );
    const old = { ...keys, kubernetes: { version: 'v1.33.1' } };
    expect(config(distribution, 'cp1', old)).not.toHaveProperty('etcd-s3-retention');
    expect(Object.keys(config(distribution, 'cp1')).filter((key) => key.startsWith('etcd-s'))).toEqual([]);
  });

  test('no secret is in a file that others may read', () => {
    let holding = 0;
    for (const files of renderAll({ distribution }).values())
      for (const { path, text, mode } of files.values()) {
        if (!text.includes(SECRETS.joinToken)) continue;
        holding++;
        expect([path, mode.toString(8)]).toEqual([path, '600']);
      }
    expect(holding).toBe(5);
  });

  test('the same bytes in every run', () => {
    for (const keys of Object.values(VARIANTS)) expect(renderAll({ ...keys, distribution })).toEqual(renderAll({ ...keys, distribution }));
  });
});

describe('k3s alone', () => {
  test.each([
    ['none', { 'flannel-backend': 'vxlan' }],
    ['flannel', { 'flannel-backend': 'vxlan' }],
    ['calico', { 'flannel-backend': 'none', 'disable-network-policy': true }],
    ['cilium', { 'flannel-backend': 'none', 'disable-network-policy': true }],
  ])('CNI %s', (cni, expected) => {
    const found = config('k3s', 'cp1', { kubernetes: { cni } });
    expect(Object.fromEntries(Object.entries(found).filter(([key]) => /^(flannel|disable)/.test(key)))).toEqual(expected);
  });

  test('Pods with IPv6 leave with the address of their node', () => {
    expect(config('k3s', 'cp1', DUAL_STACK)['flannel-ipv6-masq']).toBe(true);
    expect(config('k3s', 'cp1')).not.toHaveProperty('flannel-ipv6-masq');
  });

  test('another port of the API server, and only its own address', () => {
    const keys = { apiserver: { port: 7443, bind: 'host' }, datapath: 'proxy' };
    expect(config('k3s', 'cp2', keys)).toMatchObject({ 'https-listen-port': 7443, 'bind-address': '10.0.0.12' });
  });
});

describe('RKE2 alone', () => {
  test.each([
    ['none', undefined],
    ['cilium', 'cilium'],
  ])('CNI %s', (cni, expected) => expect(config('rke2', 'cp1', { kubernetes: { cni } })['cni']).toBe(expected));

  test('its API server is a Pod, which drains within the 30 seconds of one', () => {
    const flags = config('rke2', 'cp1')['kube-apiserver-arg'] as string[];
    const seconds = flags.flatMap((flag) => /^shutdown-.*=(\d+)s$/.exec(flag)?.[1] ?? []).map(Number);
    expect(seconds.length).toBe(2);
    expect(seconds.reduce((a, b) => a + b)).toBeLessThan(30);
  });
});

test.each([
  [1, '* * * * *'],
  [15, '*/15 * * * *'],
  [60, '0 * * * *'],
  [360, '0 */6 * * *'],
  [1440, '0 0 * * *'],
  [90, '@every 90m'],
  [7, '@every 7m'],
  [2880, '@every 2880m'],
])('every %i minutes is %s', (minutes, expected) => expect(schedule(minutes)).toBe(expected));
