/** Configuration as people have it from guides and other tools: what is taken from it, and what is told. */
import { describe, expect, test } from 'vitest';
import { importJson, importRemarks } from '../../../src/core/import/report.ts';
import { importFiles } from './rendered.ts';
import { GUIDE, HAPROXY, keepalived, KUBEADM, kubeVip } from './samples.ts';

interface Told {
  cluster: Record<string, unknown>;
  missing: { key: string; fill: string }[];
  conflicts: { key: string; taken: unknown }[];
  guesses: { key: string }[];
  notes: { message: string }[];
  origins: Record<string, { file: string; line: number }[]>;
}

const told = (...args: Parameters<typeof importFiles>): Told => JSON.parse(importJson(importFiles(...args))) as Told;
const keysOf = (list: readonly { key: string }[]) => list.map(({ key }) => key);

describe('HAProxy and keepalived on kubeadm hosts', () => {
  test('every fact is there, and validate agrees', () => {
    const imported = importFiles(GUIDE);
    expect(imported.problems).toEqual([]);
    const { cluster, missing, conflicts, guesses } = told(GUIDE);
    expect(cluster).toEqual({
      apiVersion: 'hale.dev/v1alpha1',
      kind: 'Cluster',
      name: 'homelab',
      distribution: 'kubeadm',
      endpoint: { provider: 'haproxy-keepalived', address: '192.168.1.100', port: 8443, interface: 'ens18', dnsName: 'k8s.lab.example' },
      controlPlane: {
        hosts: [
          { name: 'node-a', address: '192.168.1.101/24' },
          { name: 'm2', address: '192.168.1.102/24' },
          { name: 'm3', address: '192.168.1.103/24' },
        ],
      },
      kubernetes: {
        version: 'v1.31.4',
        serviceSubnet: '10.96.0.0/12',
        podSubnet: '10.244.0.0/16',
        kubeProxy: 'ipvs',
        cgroupDriver: 'systemd',
        criSocket: 'unix:///run/containerd/containerd.sock',
      },
      haproxyKeepalived: { placement: 'packages', virtualRouterId: 51, advertisementIntervalMs: 1000 },
      apiserver: { port: 6443 },
    });
    expect([missing, conflicts]).toEqual([[], []]);
    // The prefix length is that of the shared address, and said to be a guess.
    expect(keysOf(guesses)).toEqual(['prefix lengths of controlPlane.hosts']);
    expect(imported.text).toMatch(/address: 192\.168\.1\.103\/24 {2}# .*guess: \/24, as the shared address has it \(m1\/etc/);
  });

  test('each value says where it was found', () => {
    const { origins } = told(GUIDE);
    const first = (key: string) => `${origins[key]?.[0]?.file}:${origins[key]?.[0]?.line}`;
    expect(first('endpoint.address')).toBe('m1/etc/keepalived/keepalived.conf:18');
    expect(first('haproxyKeepalived.virtualRouterId')).toBe('m1/etc/keepalived/keepalived.conf:5');
    expect(first('controlPlane.hosts[0].name')).toBe('kubeadm.yaml:11');
    expect(first('kubernetes.podSubnet')).toBe('kubeadm.yaml:20');
    expect(importFiles(GUIDE).text).toContain('virtualRouterId: 51  # from m1/etc/keepalived/keepalived.conf:5 and 2 more\n');
  });

  test('no secret of the files is written or told', () => {
    const imported = importFiles(GUIDE);
    const all = imported.text + importJson(imported) + importRemarks(imported, []);
    for (const secret of ['hunter42', 'abcdef', '0123456789', '4a4a4a']) expect(all).not.toContain(secret);
  });

  test('hale takes over: the rest stays, and what that means is said', () => {
    const { cluster, notes } = told(GUIDE, { provider: 'hale' });
    expect(cluster['endpoint']).toMatchObject({ provider: 'hale', address: '192.168.1.100', port: 8443 });
    expect(cluster).not.toHaveProperty('haproxyKeepalived');
    expect(importFiles(GUIDE, { provider: 'hale' }).problems).toEqual([]);
    const messages = notes.map(({ message }) => message).join('\n');
    expect(messages).toMatch(/haproxy-keepalived answers for the address now: stop it/);
    expect(messages).toMatch(/port 8443, but the API servers listen on port 6443: datapath auto becomes nat/);
  });
});

describe('what is missing or contradicts itself', () => {
  test('two shared addresses: both places are told, and what more files say is taken', () => {
    const files = { ...GUIDE, 'm3/etc/keepalived/keepalived.conf': keepalived(3).replace('192.168.1.100/24', '192.168.1.99/24') };
    const { cluster, conflicts } = told(files);
    expect(conflicts).toMatchObject([{ key: 'endpoint.address', taken: '192.168.1.100' }]);
    expect(cluster['endpoint']).toMatchObject({ address: '192.168.1.100' });
    const remarks = importRemarks(importFiles(files), []);
    expect(remarks).toContain('"192.168.1.99" (m3/etc/keepalived/keepalived.conf:18:9); "192.168.1.100" was taken');
  });

  test('of two that are equally supported none is taken', () => {
    const files = {
      'a.conf': keepalived(1),
      'b.conf': keepalived(2).replace('192.168.1.100/24', '192.168.1.99/24'),
      'haproxy.cfg': HAPROXY,
    };
    const { cluster, conflicts, missing } = told(files);
    expect(cluster['endpoint']).not.toHaveProperty('address');
    expect(conflicts).toMatchObject([{ key: 'endpoint.address', taken: null }]);
    expect(keysOf(missing)).toEqual(['name', 'endpoint.address']);
  });

  test('two that answer for the address: none is taken, unless the user says who will', () => {
    const files = {
      'keepalived.conf': keepalived(1),
      'haproxy.cfg': HAPROXY,
      'kube-vip.yaml': kubeVip('Pod').replace('10.0.0.5', '192.168.1.100'),
    };
    const { cluster, missing, conflicts } = told(files);
    expect(cluster['endpoint']).toMatchObject({ address: '192.168.1.100' });
    expect(cluster['endpoint']).not.toHaveProperty('provider');
    expect(keysOf(conflicts)).toEqual(['endpoint.interface', 'endpoint.port', 'endpoint.provider']);
    expect(keysOf(missing)).toEqual(['name', 'endpoint.provider', 'endpoint.port']);
    expect(importFiles(files).text).toContain('# port: TODO perhaps one of 8443 (haproxy.cfg:2), 6443 (kube-vip.yaml:');
    expect(keysOf(told(files, { provider: 'hale', name: 'x' }).missing)).toEqual(['endpoint.port']);
  });

  test('an endpoint that is one host is not taken for a shared one', () => {
    const files = { 'kubeadm.yaml': KUBEADM.replace('k8s.lab.example:8443', '192.168.1.101:6443') };
    const { cluster, missing } = told(files);
    expect(cluster).not.toHaveProperty('endpoint');
    expect(missing.find(({ key }) => key === 'endpoint.address')?.fill).toContain('192.168.1.101 (kubeadm.yaml:18) is that of one host');
  });

  test('what is missing stands as TODO where it belongs', () => {
    const { text, problems } = importFiles({ 'haproxy.cfg': HAPROXY });
    expect(text).toContain('# name: TODO a name for the cluster');
    expect(text).toMatch(/^ {2}# address: TODO the shared address/m);
    expect(problems).not.toEqual([]);
  });

  test('a release that is only a channel is not taken, and told', () => {
    const { cluster, notes } = told({ ...GUIDE, 'kubeadm.yaml': KUBEADM.replace('1.31.4', 'stable-1.31') });
    expect(cluster['kubernetes']).not.toHaveProperty('version');
    expect(notes.map(({ message }) => message)).toEqual(['kubernetes.version cannot be what stands here, so it was not taken']);
  });

  test('nothing at all is a description of TODOs', () => {
    const { missing, cluster } = told({});
    expect(keysOf(missing)).toEqual(['name', 'endpoint.provider', 'endpoint.address', 'controlPlane.hosts']);
    expect(cluster).toEqual({ apiVersion: 'hale.dev/v1alpha1', kind: 'Cluster' });
  });

  test('interfaces that differ between hosts are left to the hosts', () => {
    const files = { ...GUIDE, 'm3/etc/keepalived/keepalived.conf': keepalived(3).replace('ens18', 'eth0') };
    const { missing, conflicts } = told(files);
    expect(conflicts).toMatchObject([{ key: 'endpoint.interface', taken: null }]);
    expect(keysOf(missing)).toEqual(['endpoint.interface']);
    expect(told(files, { provider: 'hale' }).missing).toEqual([]);
  });
});

describe('k3s with kube-vip', () => {
  const files = {
    'k1/etc/rancher/k3s/config.yaml':
      'cluster-init: true\ntoken: SECRET-TOKEN\ntls-san: [10.0.0.5, api.k3s.example]\nnode-ip: 10.0.0.11\nnode-label: [topology.kubernetes.io/zone=z1]\n',
    'k2/etc/rancher/k3s/config.yaml': 'server: https://10.0.0.11:6443\ntoken: SECRET-TOKEN\ntls-san: [10.0.0.5]\nnode-ip: 10.0.0.12\n',
    'k3/etc/rancher/k3s/config.yaml': 'server: https://10.0.0.11:6443\ntoken: SECRET-TOKEN\ntls-san: [10.0.0.5]\nnode-ip: 10.0.0.13\n',
    'w1/etc/rancher/k3s/config.yaml': 'server: https://10.0.0.5:6443\ntoken: SECRET-TOKEN\nnode-ip: 10.0.0.21\n',
    'kube-vip.yaml': kubeVip('DaemonSet'),
  };

  test('servers, agents, defaults of k3s and the DaemonSet are found', () => {
    const { cluster, missing, conflicts } = told(files, { name: 'edge' });
    expect([missing, conflicts]).toEqual([[], []]);
    expect(importFiles(files, { name: 'edge' }).problems).toEqual([]);
    expect(cluster).toMatchObject({
      name: 'edge',
      distribution: 'k3s',
      endpoint: { provider: 'kube-vip', address: '10.0.0.5', port: 6443, interface: 'ens3', dnsName: 'api.k3s.example' },
      controlPlane: {
        hosts: [
          { name: 'k1', address: '10.0.0.11/24', zone: 'z1' },
          { name: 'k2', address: '10.0.0.12/24' },
          { name: 'k3', address: '10.0.0.13/24' },
        ],
      },
      workers: { hosts: [{ name: 'w1', address: '10.0.0.21/24' }] },
      kubernetes: { podSubnet: '10.42.0.0/16', serviceSubnet: '10.43.0.0/16', kubeconfig: '/etc/rancher/k3s/k3s.yaml' },
      kubeVip: { mode: 'arp', runAs: 'daemonset', leaseDurationSeconds: 5, renewDeadlineSeconds: 3, retryPeriodSeconds: 1 },
      etcd: { caFile: '/var/lib/rancher/k3s/server/tls/etcd/server-ca.crt' },
    });
  });

  test('the token is nowhere', () => {
    const imported = importFiles(files);
    expect(imported.text + importJson(imported) + importRemarks(imported, [])).not.toContain('SECRET-TOKEN');
  });

  test('a data source name of a database is not repeated', () => {
    const imported = importFiles({
      'config.yaml':
        'tls-san: [10.0.0.5]\nwrite-kubeconfig-mode: "0600"\ndatastore-endpoint: mysql://k3s:hunter42@tcp(10.0.0.50:3306)/k3s\n',
    });
    const remarks = importRemarks(imported, []);
    expect(imported.text + importJson(imported) + remarks).not.toContain('hunter42');
    expect(remarks).toContain('the datastore is no etcd');
  });
});

test('a live cluster: Node objects with roles, zones and the prefix lengths that Calico knows', () => {
  const node = (name: string, i: number, label: string) => `- apiVersion: v1
  kind: Node
  metadata:
    name: ${name}
    labels: {topology.kubernetes.io/zone: eu-${i}${label}}
    annotations: {projectcalico.org/IPv4Address: 10.1.0.${i}/20}
  status:
    addresses: [{type: InternalIP, address: 10.1.0.${i}}, {type: Hostname, address: ${name}}]
    nodeInfo: {kubeletVersion: v1.33.5}
`;
  const control = ', node-role.kubernetes.io/control-plane: ""';
  const nodes = `apiVersion: v1\nkind: List\nitems:\n${node('a', 1, control)}${node('b', 2, control)}${node('c', 3, control)}${node('w', 9, '')}`;
  const { cluster, guesses } = told(
    { 'nodes.yaml': nodes, 'kube-vip.yaml': kubeVip('Pod').replace('10.0.0.5', '10.1.0.100') },
    { name: 'live' },
  );
  expect(cluster).toMatchObject({
    controlPlane: { hosts: [{ name: 'a', address: '10.1.0.1/20', zone: 'eu-1' }, { name: 'b' }, { name: 'c', address: '10.1.0.3/20' }] },
    workers: { hosts: [{ name: 'w', address: '10.1.0.9/20', zone: 'eu-9' }] },
    kubernetes: { version: 'v1.33.5' },
  });
  expect(guesses).toEqual([]);
});

test('kubespray: nginx on every node, external etcd on the control-plane hosts', () => {
  const { cluster, missing } = told({
    'n4/etc/nginx/nginx.conf':
      'stream {\n  upstream kube_apiserver {\n    least_conn;\n    server 10.2.0.1:6443;\n    server 10.2.0.2:6443;\n    server 10.2.0.3:6443;\n  }\n  server {\n    listen 127.0.0.1:6443;\n    proxy_pass kube_apiserver;\n  }\n}\n',
    'etcd.yml':
      'name: etcd1\ndata-dir: /var/lib/etcd\ninitial-cluster: etcd1=https://10.2.0.1:2380,etcd2=https://10.2.0.2:2380,etcd3=https://10.2.0.3:2380\ninitial-advertise-peer-urls: https://10.2.0.1:2380\n',
    'kubeadm.yaml': `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: cluster.local
controlPlaneEndpoint: lb-apiserver.kubernetes.local:6443
certificatesDir: /etc/kubernetes/ssl
etcd:
  external:
    endpoints: ["https://10.2.0.1:2379", "https://10.2.0.2:2379", "https://10.2.0.3:2379"]
    caFile: /etc/ssl/etcd/ssl/ca.pem
    certFile: /etc/ssl/etcd/ssl/node-n1.pem
    keyFile: /etc/ssl/etcd/ssl/node-n1-key.pem
apiServer:
  certSANs: [10.2.0.1, localhost, 127.0.0.1, lb-apiserver.kubernetes.local, kubernetes.default.svc, 10.96.0.1]
`,
  });
  expect(cluster).toMatchObject({
    endpoint: { provider: 'node-local', port: 6443, dnsName: 'lb-apiserver.kubernetes.local' },
    nodeLocal: { balancer: 'nginx' },
    controlPlane: { hosts: [{ name: 'etcd1' }, { name: 'etcd2' }, { name: 'etcd3' }] },
    apiserver: { caFile: '/etc/kubernetes/ssl/ca.crt' },
    etcd: {
      topology: 'external',
      endpoints: ['https://10.2.0.1:2379', 'https://10.2.0.2:2379', 'https://10.2.0.3:2379'],
      caFile: '/etc/ssl/etcd/ssl/ca.pem',
    },
  });
  // The cluster's name is no label of DNS, and no address is shared.
  expect(keysOf(missing)).toEqual(['name', 'endpoint.address']);
});

test('sealos: lvscare on every node', () => {
  const { cluster } = told({
    'lvscare.yaml': `apiVersion: v1
kind: Pod
metadata: {name: kube-sealos-lvscare}
spec:
  hostNetwork: true
  containers:
  - name: kube-sealos-lvscare
    image: ghcr.io/labring/lvscare:v5.0.1
    command: [/usr/bin/lvscare]
    args: [care, --vs, "10.103.97.2:6443", --health-path, /healthz, --health-schem, https, --rs, "10.3.0.1:6443", --rs, "10.3.0.2:6443"]
`,
  });
  expect(cluster).toMatchObject({
    endpoint: { provider: 'node-local', address: '10.103.97.2', port: 6443 },
    nodeLocal: { balancer: 'lvscare', image: 'ghcr.io/labring/lvscare:v5.0.1' },
  });
});

test('kube-vip with BGP: peers come, their password does not', () => {
  const pod = kubeVip('Pod')
    .replace('{name: vip_arp, value: "true"}', '{name: bgp_enable, value: "true"}\n    - {name: bgp_as, value: "64600"}')
    .replace('{name: vip_cidr, value: "32"}', '{name: bgp_peers, value: "10.9.0.1:64512:hunter42:true,10.9.0.2:64513::false"}')
    .replace('value: ens3', 'value: lo');
  const imported = importFiles({ 'kube-vip.yaml': pod });
  expect(imported.text + importJson(imported) + importRemarks(imported, [])).not.toContain('hunter42');
  expect(importRemarks(imported, [])).toContain('the password of a BGP peer is not imported');
  expect(told({ 'kube-vip.yaml': pod }).cluster['kubeVip']).toMatchObject({
    mode: 'bgp',
    bgp: {
      localAs: 64_600,
      peers: [
        { address: '10.9.0.1', as: 64_512, multihop: true },
        { address: '10.9.0.2', as: 64_513 },
      ],
    },
  });
});

test('one folder around /etc may be called anything; members of stacked etcd are hosts without a file', () => {
  const unit = `[Service]
ExecStart=/opt/kube/bin/kube-apiserver --advertise-address=10.4.0.1 --etcd-servers=https://10.4.0.1:2379,https://10.4.0.2:2379,https://10.4.0.3:2379
`;
  const backup = { 'backup/etc/systemd/system/kube-apiserver.service': unit };
  const { cluster, missing, guesses } = told(backup);
  expect(cluster['controlPlane']).toMatchObject({ hosts: [{ name: 'backup' }, { address: '10.4.0.2/24' }, { address: '10.4.0.3/24' }] });
  expect(cluster['etcd']).toMatchObject({ topology: 'stacked' });
  expect(keysOf(missing)).toEqual(expect.arrayContaining(['controlPlane.hosts[1].name', 'controlPlane.hosts[2].name']));
  expect(guesses).toContainEqual({ key: 'controlPlane.hosts[0].name', because: 'the name of its folder' });

  const members = 'backup/etc/etcd.yml';
  const etcd =
    'name: n1\ndata-dir: /var/lib/etcd\ninitial-cluster: n1=https://10.4.0.1:2380,n2=https://10.4.0.2:2380,n3=https://10.4.0.3:2380\n';
  expect(told({ ...backup, [members]: etcd }).cluster['controlPlane']).toMatchObject({
    hosts: [{ name: 'n1' }, { name: 'n2' }, { name: 'n3' }],
  });
});

test('file names and values cannot break the YAML, nor add keys to it', () => {
  const { cluster } = told({
    'a\nname: evil.yaml': KUBEADM.replace('homelab', '"x\\nname: evil"'),
    'haproxy.cfg': HAPROXY.replace('master2', '"a: b # c"'),
  });
  expect(cluster).not.toHaveProperty('name');
  expect(cluster['controlPlane']).toMatchObject({ hosts: [{ name: 'node-a' }, { address: '192.168.1.102/24' }, { name: 'master3' }] });
});
