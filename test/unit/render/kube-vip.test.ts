import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { DUAL_STACK, IPV6, renderAll, textOf } from '../../support/rendered.ts';

const endpoint = (keys: object = {}) => ({ provider: 'kube-vip', address: '10.0.0.100', interface: 'eth0', ...keys });
const POD = '/etc/kubernetes/manifests/kube-vip.yaml';
const pod = (host: string, keys: Record<string, unknown> = {}) => parse(textOf(renderAll({ endpoint: endpoint(), ...keys }), host, POD));
type Variable = { name: string; value?: string; valueFrom?: { fieldRef: { fieldPath: string } } };
const variables = (container: { env: Variable[] }) =>
  Object.fromEntries(container.env.map(({ name, value, valueFrom }) => [name, value ?? valueFrom?.fieldRef.fieldPath]));
const PEERS = {
  peers: [
    { address: '10.0.0.1', as: 65_001 },
    { address: 'fd00::1', as: 65_002, multihop: true },
  ],
};

describe('the static Pod', () => {
  test.each([
    ['v1.28.9', 'admin.conf'],
    ['v1.29.0', 'super-admin.conf'],
    ['v1.36.4', 'super-admin.conf'],
    ['v1.37.0', 'admin.conf'],
  ])('of the host that starts the cluster, kubeadm %s, reads %s', (version, file) => {
    const kubeconfig = (host: string) => pod(host, { kubernetes: { version } }).spec.volumes[0].hostPath.path;
    expect([kubeconfig('cp1'), kubeconfig('cp2')]).toEqual([`/etc/kubernetes/${file}`, '/etc/kubernetes/admin.conf']);
  });

  test('the way back from super-admin.conf does what it says', () => {
    const rendered = renderAll({ endpoint: endpoint() });
    const [, from, to] = /sed 's#(.*?)\$#(.*?)#'/.exec(textOf(rendered, '_cluster', 'STEPS.md')) as unknown as [string, string, string];
    const switched = textOf(rendered, 'cp1', POD).replace(new RegExp(`${from}$`, 'm'), to);
    expect(parse(switched).spec).toEqual(parse(textOf(rendered, 'cp2', POD)).spec);
    expect(textOf(renderAll({ endpoint: endpoint(), kubernetes: { version: 'v1.37.0' } }), '_cluster', 'STEPS.md')).not.toContain(
      'take super-admin.conf from kube-vip',
    );
  });

  test('asks the API server of its own host', () => {
    const { hostAliases, hostNetwork } = pod('cp1').spec;
    expect([hostAliases, hostNetwork]).toEqual([[{ ip: '127.0.0.1', hostnames: ['kubernetes'] }], true]);
  });

  test('its settings, in the order of kube-vip itself', () => {
    expect(
      Object.entries(
        variables(pod('cp1', { kubeVip: { leaseDurationSeconds: 5, renewDeadlineSeconds: 3, retryPeriodSeconds: 1 } }).spec.containers[0]),
      ),
    ).toEqual([
      ['vip_arp', 'true'],
      ['port', '6443'],
      ['vip_nodename', 'spec.nodeName'],
      ['vip_interface', 'eth0'],
      ['vip_subnet', '32'],
      ['dns_mode', 'first'],
      ['cp_enable', 'true'],
      ['cp_namespace', 'kube-system'],
      ['vip_leaderelection', 'true'],
      ['vip_leasename', 'plndr-cp-lock'],
      ['vip_leaseduration', '5'],
      ['vip_renewdeadline', '3'],
      ['vip_retryperiod', '1'],
      ['address', '10.0.0.100'],
      ['prometheus_server', ':2112'],
    ]);
  });

  test('Services are left to others', () => {
    expect(Object.keys(variables(pod('cp1').spec.containers[0])).filter((name) => name.startsWith('svc'))).toEqual([]);
  });

  test.each([
    ['both families', DUAL_STACK, '10.0.0.100,fd00::100', '32,128'],
    ['IPv6', IPV6, 'fd00::100', '128'],
  ])('%s', (_, keys, address, subnet) => {
    const env = variables(pod('cp1', { ...keys, endpoint: endpoint(keys.endpoint) }).spec.containers[0]);
    expect([env['address'], env['vip_subnet']]).toEqual([address, subnet]);
  });
});

describe('BGP', () => {
  const keys = { kubeVip: { mode: 'bgp', bgp: PEERS } };

  test('each host is a router of its own, and announces only while its API server is ready', () => {
    const { containers, volumes } = pod('cp2', keys).spec;
    expect(variables(containers[0])).toMatchObject({
      vip_arp: 'false',
      vip_interface: 'lo',
      bgp_routerid: '10.0.0.12',
      bgp_peers: '10.0.0.1:65001::false,[fd00::1]:65002::true',
      control_plane_health_check_address: 'https://kubernetes:6443/readyz',
      control_plane_health_check_ca_path: '/etc/kubernetes/pki/ca.crt',
    });
    expect(volumes.map(({ hostPath }: { hostPath: { path: string } }) => hostPath.path)).toContain('/etc/kubernetes/pki/ca.crt');
    expect(Object.keys(variables(containers[0]))).not.toContain('vip_leaderelection');
  });

  test('without an IPv4 address a router still has a number of its own', () => {
    const id = (host: string) =>
      variables(pod(host, { ...IPV6, endpoint: endpoint(IPV6.endpoint), ...keys }).spec.containers[0])['bgp_routerid'];
    expect([id('cp1'), id('cp3')]).toEqual(['0.0.0.1', '0.0.0.3']);
  });
});

describe('the DaemonSet', () => {
  const rendered = renderAll({ endpoint: endpoint(), distribution: 'k3s', kubeVip: { runAs: 'daemonset' } });

  test('is applied by the first server, with the rights that it needs', () => {
    const text = textOf(rendered, 'cp1', '/var/lib/rancher/k3s/server/manifests/kube-vip.yaml');
    const documents = parseAllDocuments(text).map((document) => document.toJS());
    expect(documents.map(({ kind }) => kind)).toEqual(['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'DaemonSet']);
    const { spec } = documents[3].spec.template;
    expect([spec.serviceAccountName, spec.volumes]).toEqual(['kube-vip', undefined]);
    expect(spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms).toHaveLength(2);
    expect([...(rendered.get('cp2')?.keys() ?? [])].filter((path) => path.includes('kube-vip'))).toEqual([]);
  });
});
