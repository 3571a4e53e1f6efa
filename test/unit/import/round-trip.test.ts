/** hale render, then hale import: what files carry comes back. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { importJson, importRemarks } from '../../../src/core/import/report.ts';
import { clusterOf } from '../../support/rendered.ts';
import { importRendered, SECRETS } from './rendered.ts';

/** What no rendered file says, and why. Everything else has to come back. */
const NOT_IN_FILES: readonly RegExp[] = [
  // Of hale's own agents, or of its own judgement.
  /^(agent|datapath|nat|proxy|election|lease|thresholds|storageClasses)\b/,
  /^etcd\.snapshots\b/,
  // They stand nowhere.
  /\.(rack|switch)$/,
];

type Leaves = Record<string, unknown>;

function leavesOf(value: unknown, path = ''): Leaves {
  if (value === null || typeof value !== 'object') return { [path]: value };
  const parts = Object.entries(value).map(([key, part]) => leavesOf(part, path === '' ? key : `${path}.${key}`));
  return Object.assign({}, ...parts) as Leaves;
}

/** The description that was rendered, and the one that came back, without what cannot. */
function bothWays(description: string, lost: readonly RegExp[] = []): { before: Leaves; after: Leaves } {
  const { before, imported } = importRendered(description);
  expect(imported.problems, imported.text).toEqual([]);
  expect(imported.description.missing, imported.text).toEqual([]);
  expect(imported.description.conflicts).toEqual([]);
  const keep = (leaves: Leaves) =>
    Object.fromEntries(Object.entries(leaves).filter(([key]) => ![...NOT_IN_FILES, ...lost].some((pattern) => pattern.test(key))));
  return { before: keep(leavesOf(before)), after: keep(leavesOf(clusterOf(imported.text))) };
}

interface Case {
  distribution: 'kubeadm' | 'k3s' | 'rke2' | 'systemd';
  provider: string;
  port?: number;
  section?: string;
  more?: string;
  address?: string;
  cni?: string;
}

const description = ({ distribution, provider, port = 6443, section = '', more = '', cni = 'none', address = '10.0.0.100' }: Case) => `
apiVersion: hale.dev/v1alpha1
kind: Cluster
name: prod
distribution: ${distribution}
endpoint:
  provider: ${provider}
  address: ${address}
  port: ${port}
  interface: eth0
  dnsName: api.prod.example.com
controlPlane:
  hosts:
    - {name: cp1, address: 10.0.0.11/24, zone: a}
    - {name: cp2, address: 10.0.0.12/24, zone: b}
    - {name: cp3, address: 10.0.0.13/24, zone: c}
workers:
  hosts:
    - {name: w1, address: 10.0.0.31/24}
    - {name: w2, address: 10.0.0.32/24}
kubernetes:
  version: v1.34.2
  serviceSubnet: 10.97.0.0/16
  podSubnet: 10.245.0.0/16
  dnsDomain: prod.local
  kubeProxy: ipvs
  cni: ${cni}
${section}
${more}
`;

/** A label of nodes, which stands in the API. */
const ZONE = /\.zone$/;

/** Chosen by k3s and RKE2: releases, the socket, and folders, which come back as what they are. The clusters have no name, and it is given. */
const RANCHER = [
  /^kubernetes\.(version|criSocket|cgroupDriver|kubeconfig)$/,
  /^etcd\.(version|caFile|certFile|keyFile|dataDir)$/,
  /^apiserver\.caFile$/,
];

/** Which keys of the matrix no file of a distribution has. */
const LOST_BY_DISTRIBUTION: Record<Case['distribution'], readonly RegExp[]> = {
  // Chosen by kubeadm, by the release it is of.
  kubeadm: [/^etcd\.version$/, ZONE],
  // Binaries have no version in their names, kube-proxy and workers are the user's own, and clients of the API get no file.
  systemd: [/^kubernetes\.(version|kubeProxy|cgroupDriver|criSocket)$/, /^workers\./, /^endpoint\.dnsName$/, /^etcd\.version$/, ZONE],
  k3s: RANCHER,
  rke2: RANCHER,
};

/** Without a number hale chooses one, which then comes back as one that was named. */
const PACKAGES = 'haproxyKeepalived: {virtualRouterId: 99}';
const BALANCERS = `haproxyKeepalived:
  virtualRouterId: 98
  placement: balancers
  balancers:
    - {name: lb1, address: 10.0.0.21/24}
    - {name: lb2, address: 10.0.0.22/24}
`;
const BGP = `kubeVip:
  mode: bgp
  runAs: daemonset
  bgp: {localAs: 64600, peers: [{address: 10.0.0.1, as: 64512}, {address: 10.9.0.1, as: 64513, multihop: true}]}
`;

const EXTERNAL_ETCD = `etcd:
  topology: external
  endpoints: ['https://10.0.0.51:2379', 'https://10.0.0.52:2379', 'https://10.0.0.53:2379']
  caFile: /etc/etcd/ca.pem
  certFile: /etc/etcd/client.pem
  keyFile: /etc/etcd/client-key.pem
`;

/** API servers read copies of etcd's client certificate, in places of their own. */
const COPIES = [/^etcd\.(certFile|keyFile)$/];

/** BGP announces from no interface. */
const NO_INTERFACE = [/^endpoint\.interface$/];

const CASES: readonly (Case & { lost?: readonly RegExp[] })[] = [
  { distribution: 'kubeadm', provider: 'haproxy-keepalived', port: 8443, section: PACKAGES },
  {
    distribution: 'kubeadm',
    provider: 'haproxy-keepalived',
    port: 8443,
    section: 'haproxyKeepalived: {placement: static-pods, virtualRouterId: 77, advertisementIntervalMs: 300, healthPort: 8505}',
  },
  { distribution: 'kubeadm', provider: 'haproxy-keepalived', section: BALANCERS },
  {
    distribution: 'kubeadm',
    provider: 'kube-vip',
    section: 'kubeVip: {leaseDurationSeconds: 20, renewDeadlineSeconds: 12, retryPeriodSeconds: 3}',
  },
  { distribution: 'kubeadm', provider: 'kube-vip', section: BGP.replace('daemonset', 'static-pod'), lost: NO_INTERFACE },
  // A balancer on every node needs no interface, and none is written.
  {
    distribution: 'kubeadm',
    provider: 'node-local',
    section: 'nodeLocal: {balancer: lvscare, lvscareInterface: ipvs0}',
    address: '10.0.9.100',
    lost: NO_INTERFACE,
  },
  { distribution: 'kubeadm', provider: 'node-local', section: 'nodeLocal: {balancer: nginx}', lost: NO_INTERFACE },
  { distribution: 'kubeadm', provider: 'node-local', section: 'nodeLocal: {balancer: haproxy}', lost: NO_INTERFACE },
  { distribution: 'systemd', provider: 'haproxy-keepalived', port: 8443, section: PACKAGES },
  { distribution: 'kubeadm', provider: 'hale', lost: NO_INTERFACE },
  { distribution: 'kubeadm', provider: 'node-local', section: 'nodeLocal: {balancer: hale}', lost: NO_INTERFACE },
  { distribution: 'kubeadm', provider: 'external', lost: NO_INTERFACE },
  { distribution: 'k3s', provider: 'external', lost: NO_INTERFACE, cni: 'flannel' },
  { distribution: 'kubeadm', provider: 'haproxy-keepalived', port: 8443, section: PACKAGES, more: EXTERNAL_ETCD, lost: COPIES },
  {
    distribution: 'systemd',
    provider: 'haproxy-keepalived',
    port: 8443,
    section: PACKAGES,
    more: EXTERNAL_ETCD,
    lost: [...COPIES, /^etcd\.caFile$/],
  },
  { distribution: 'kubeadm', provider: 'haproxy-keepalived', section: PACKAGES, more: 'apiserver: {bind: host}' },
  { distribution: 'systemd', provider: 'haproxy-keepalived', section: PACKAGES, more: 'apiserver: {bind: host}' },
  { distribution: 'k3s', provider: 'haproxy-keepalived', port: 8443, section: PACKAGES, cni: 'flannel' },
  { distribution: 'k3s', provider: 'kube-vip', cni: 'flannel' },
  { distribution: 'k3s', provider: 'kube-vip', section: BGP, lost: NO_INTERFACE, cni: 'flannel' },
  { distribution: 'rke2', provider: 'kube-vip', cni: 'calico' },
  { distribution: 'rke2', provider: 'haproxy-keepalived', section: BALANCERS, cni: 'cilium' },
  { distribution: 'systemd', provider: 'haproxy-keepalived', section: BALANCERS, more: 'etcd: {latency: region, dataDir: /srv/etcd}' },
];

/** An image that hale chose comes back as one that was named. */
const IMAGE = [/^nodeLocal\.image$/];

describe('what is rendered comes back', () => {
  test.each(CASES.map((one) => [`${one.distribution}, ${one.provider} ${one.section?.replaceAll(/\s+/g, ' ') ?? ''}`, one] as const))(
    '%s',
    (_, one) => {
      const { before, after } = bothWays(description(one), [...LOST_BY_DISTRIBUTION[one.distribution], ...IMAGE, ...(one.lost ?? [])]);
      expect(after).toEqual(before);
    },
  );
});

const dualStack = (rest: string) => `
apiVersion: hale.dev/v1alpha1
kind: Cluster
name: dual
controlPlane:
  hosts:
    - {name: cp1, address: [10.0.0.11/24, fd00::11/64]}
    - {name: cp2, address: [10.0.0.12/24, fd00::12/64]}
    - {name: cp3, address: [10.0.0.13/24, fd00::13/64]}
workers: {hosts: [{name: w1, address: [10.0.0.31/24, "fd00::31/64"]}]}
kubernetes:
  serviceSubnet: [10.97.0.0/16, fd00:97::/112]
  podSubnet: [10.245.0.0/16, fd00:245::/56]
${rest}
`;

/** lvscare carries one address, and none of an interface; that a certificate has another is no more than a hint. */
const ONE_FAMILY = [...NO_INTERFACE, /^endpoint\.addresses\.1$/];

describe('both families come back', () => {
  const endpoint = (more: string, addresses = '10.0.0.100, "fd00::100"') =>
    `endpoint: {address: [${addresses}], interface: eth0, dnsName: api.example.com, ${more}}`;

  test.each([
    ['HAProxy and keepalived', `${endpoint('provider: haproxy-keepalived, port: 8443')}\n${PACKAGES}`],
    ['kube-vip', endpoint('provider: kube-vip')],
    ['lvscare', `${endpoint('provider: node-local', '10.0.9.100, "fd00:9::100"')}\nnodeLocal: {balancer: lvscare}`],
  ])('%s', (_, rest) => {
    const { before, after } = bothWays(dualStack(rest), [
      ...LOST_BY_DISTRIBUTION.kubeadm,
      ...IMAGE,
      ...(rest.includes('lvscare') ? ONE_FAMILY : []),
    ]);
    expect(after).toEqual(before);
  });
});

test('none of the secrets that a rendering holds is in what is written or told', () => {
  for (const one of CASES) {
    const { imported } = importRendered(description(one));
    const told = [imported.text, importJson(imported), importRemarks(imported, [])].join('\n');
    const secrets = [
      ...SECRETS.encryptionKeys.map(({ secret }) => secret),
      SECRETS.etcdToken,
      SECRETS.certificateKey,
      SECRETS.bootstrapToken,
    ];
    for (const secret of [...secrets, SECRETS.joinToken]) expect(told).not.toContain(secret);
  }
});

/** Label of a host; not two of a cluster alike. */
const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/);
const octet = fc.integer({ min: 1, max: 254 });
const anyPort = fc.integer({ min: 1024, max: 65_535 });
const DISTRIBUTIONS = ['kubeadm', 'systemd', 'k3s', 'rke2'] as const;
const PLACEMENTS = ['packages', 'static-pods', 'balancers'] as const;

const anyCluster = fc
  .record({
    distribution: fc.constantFrom(...DISTRIBUTIONS),
    placement: fc.constantFrom(...PLACEMENTS),
    names: fc.uniqueArray(label, { minLength: 7, maxLength: 7 }),
    octets: fc.uniqueArray(octet, { minLength: 8, maxLength: 8 }),
    network: fc.tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 0, max: 255 })),
    ports: fc.uniqueArray(anyPort, { minLength: 3, maxLength: 3 }).filter((ports) => !ports.some((port) => PORTS_OF_OTHERS.has(port))),
    virtualRouterId: fc.integer({ min: 1, max: 255 }),
    advertisement: fc.integer({ min: 10, max: 4000 }),
    hosts: fc.constantFrom(1, 3, 5),
    kubeProxy: fc.constantFrom('iptables', 'ipvs'),
    minor: fc.integer({ min: 29, max: 36 }),
  })
  .filter(({ distribution, placement }) => placement !== 'static-pods' || distribution === 'kubeadm' || distribution === 'rke2');

/** RKE2 takes no other. */
const RKE2_PORT = 6443;
const PORTS_OF_OTHERS = new Set([2379, 2380, 2381, RKE2_PORT, 7701, 10_250, 10_257, 10_259]);

function describeAny(any: Parameters<Parameters<typeof anyCluster.map>[0]>[0]): string {
  const address = (i: number) => `10.${any.network[0]}.${any.network[1]}.${any.octets[i]}`;
  const host = (i: number) => `{name: "${any.names[i]}", address: ${address(i)}/24}`;
  const [endpoint, apiserver, health] = any.ports;
  const balancers = any.placement === 'balancers' ? `balancers: [${host(5)}, ${host(6)}], ` : '';
  return `
apiVersion: hale.dev/v1alpha1
kind: Cluster
name: "${any.names[0]}"
distribution: ${any.distribution}
endpoint: {provider: haproxy-keepalived, address: ${address(7)}, port: ${endpoint}, interface: bond0.7, dnsName: api.example.com}
controlPlane: {hosts: [${Array.from({ length: any.hosts }, (_, i) => host(i)).join(', ')}]}
apiserver: {port: ${any.distribution === 'rke2' ? RKE2_PORT : apiserver}}
kubernetes: {version: v1.${any.minor}.1, cni: ${any.distribution === 'k3s' ? 'flannel' : 'none'}, kubeProxy: ${any.kubeProxy}, serviceSubnet: 10.200.0.0/16, podSubnet: 10.201.0.0/16}
haproxyKeepalived: {${balancers}placement: ${any.placement}, virtualRouterId: ${any.virtualRouterId}, advertisementIntervalMs: ${any.advertisement * 10}, healthPort: ${health}}
`;
}

test('whatever the names, addresses, ports and numbers are', () => {
  fc.assert(
    fc.property(anyCluster, (any) => {
      const { before, after } = bothWays(describeAny(any), LOST_BY_DISTRIBUTION[any.distribution]);
      expect(after).toEqual(before);
    }),
    { numRuns: 40 },
  );
});
