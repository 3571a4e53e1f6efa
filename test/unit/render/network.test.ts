import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { renderedHosts } from '../../../src/core/render/cluster.ts';
import { toDescription } from '../../../src/core/render/description.ts';
import { networkPart } from '../../../src/core/render/network/part.ts';
import { DISTRIBUTIONS } from '../../support/render-matrix.ts';
import { clusterFrom, description, SECRETS } from '../../support/rendered.ts';

const DUAL = {
  endpoint: { address: ['10.0.0.100', 'fd00::100'] },
  controlPlane: { hosts: [1, 2, 3].map((i) => ({ name: `cp${i}`, address: [`10.0.0.1${i}/24`, `fd00::1${i}/64`] })) },
  workers: { hosts: [] },
};
const DUAL_SUBNETS = { serviceSubnet: ['10.96.0.0/16', 'fd00:96::/112'], podSubnet: ['10.244.0.0/16', 'fd00:244::/56'] };

const filesOf = (keys: Record<string, unknown>) => networkPart.clusterFiles?.({ cluster: clusterFrom(keys), secrets: SECRETS }) ?? [];

function textOf(keys: Record<string, unknown>, name: string): string {
  return filesOf(keys).find(({ path }) => path === `network/${name}`)?.text as string;
}

const valuesOf = (keys: Record<string, unknown>, name: string) => parse(textOf(keys, name)) as Record<string, unknown>;

/** The files of the first host. */
function hostFilesOf(keys: Record<string, unknown>) {
  const cluster = clusterFrom(keys);
  const [node] = renderedHosts(cluster);
  if (node === undefined) throw new Error('no host');
  return networkPart.hostFiles?.({ cluster, description: toDescription(description(keys)), node, secrets: SECRETS }) ?? [];
}

const cni = (name: string, more: Record<string, unknown> = {}) => ({ kubernetes: { cni: name, ...more } });
const NODE_LOCAL = (balancer: string) => ({
  endpoint: { provider: 'node-local', address: balancer === 'lvscare' ? '10.103.97.2' : '10.0.0.100', dnsName: 'api.prod.example.com' },
  nodeLocal: { balancer },
});
const HAPROXY = { endpoint: { provider: 'haproxy-keepalived', address: '10.0.0.100', port: 8443, interface: 'eth0' } };

describe('values of Flannel', () => {
  test('the podSubnet of each family, and none of a family that there is not', () => {
    expect(valuesOf(cni('flannel', { podSubnet: '10.32.0.0/16' }), 'flannel-values.yaml')).toEqual({
      podCidr: '10.32.0.0/16',
      podCidrv6: '',
      flannel: { backend: 'vxlan', enableNFTables: false },
    });
    const dual = valuesOf({ ...DUAL, ...cni('flannel', { ...DUAL_SUBNETS, kubeProxy: 'nftables' }) }, 'flannel-values.yaml');
    expect(dual).toMatchObject({ podCidr: '10.244.0.0/16', podCidrv6: 'fd00:244::/56', flannel: { enableNFTables: true } });
  });

  test('k3s brings it itself', () => {
    expect(filesOf({ distribution: 'k3s', ...cni('flannel') })).toEqual([]);
    expect(networkPart.steps?.(clusterFrom({ distribution: 'k3s', ...cni('flannel') }))).toEqual([]);
  });
});

describe('what Calico is to install', () => {
  const installation = (keys: Record<string, unknown>) => parseAllDocuments(textOf(keys, 'calico-installation.yaml'))[0]?.toJS();

  test.each([
    ['iptables', 'Iptables'],
    ['ipvs', 'Iptables'],
    ['nftables', 'Nftables'],
    ['none', 'BPF'],
  ])('kube-proxy in mode %s goes with the data plane %s', (kubeProxy, linuxDataplane) => {
    expect(installation(cni('calico', { kubeProxy }))).toMatchObject({
      kind: 'Installation',
      spec: { calicoNetwork: { linuxDataplane, ipPools: [{ cidr: '10.244.0.0/16', blockSize: 26 }] } },
    });
  });

  test('a pool for each family', () => {
    const { ipPools } = installation({ ...DUAL, ...cni('calico', DUAL_SUBNETS) }).spec.calicoNetwork;
    expect(ipPools.map(({ name, cidr, blockSize }: Record<string, unknown>) => [name, cidr, blockSize])).toEqual([
      ['default-ipv4-ippool', '10.244.0.0/16', 26],
      ['default-ipv6-ippool', 'fd00:244::/56', 122],
    ]);
  });

  test('where the API is, only without kube-proxy', () => {
    expect(filesOf(cni('calico')).map(({ path }) => path)).toEqual(['network/calico-installation.yaml']);
    expect(valuesOf({ ...HAPROXY, ...cni('calico', { kubeProxy: 'none' }) }, 'calico-endpoint.yaml')).toMatchObject({
      metadata: { name: 'kubernetes-services-endpoint', namespace: 'tigera-operator' },
      data: { KUBERNETES_SERVICE_HOST: '10.0.0.100', KUBERNETES_SERVICE_PORT: '8443' },
    });
  });
});

describe('values of Cilium', () => {
  const without = cni('cilium', { kubeProxy: 'none' });

  test.each([
    ['hale', {}, '10.0.0.100', 6443],
    ['HAProxy on a port of its own', HAPROXY, '10.0.0.100', 8443],
    ['hale on every node', NODE_LOCAL('hale'), '10.0.0.100', 6443],
    ['lvscare on every node', NODE_LOCAL('lvscare'), 'api.prod.example.com', 6443],
    ['nginx on every node', NODE_LOCAL('nginx'), 'api.prod.example.com', 6443],
  ])('%s: without kube-proxy, an address that outlives each API server', (_, keys, host, port) => {
    expect(valuesOf({ ...keys, ...without }, 'cilium-values.yaml')).toMatchObject({
      kubeProxyReplacement: true,
      k8sServiceHost: host,
      k8sServicePort: port,
    });
    const own = clusterFrom({ ...keys, ...without }).controlPlane.hosts.map(({ addresses }) => addresses[0]?.address);
    expect(own).not.toContain(host);
  });

  test('beside kube-proxy no address', () => {
    const values = valuesOf(cni('cilium'), 'cilium-values.yaml');
    expect(values['kubeProxyReplacement']).toBe(false);
    expect(Object.keys(values).filter((key) => key.startsWith('k8sService'))).toEqual([]);
  });

  test('the families of the Pods', () => {
    expect(valuesOf({ ...DUAL, ...cni('cilium', DUAL_SUBNETS) }, 'cilium-values.yaml')).toMatchObject({
      ipv4: { enabled: true },
      ipv6: { enabled: true },
      ipam: { mode: 'kubernetes' },
      k8s: { requireIPv4PodCIDR: true, requireIPv6PodCIDR: true },
    });
    expect(valuesOf(cni('cilium'), 'cilium-values.yaml')).toMatchObject({ ipv6: { enabled: false }, k8s: { requireIPv6PodCIDR: false } });
  });

  test('two operators, or one where there is one host', () => {
    expect(valuesOf(without, 'cilium-values.yaml')).toMatchObject({ operator: { replicas: 2, podDisruptionBudget: { enabled: true } } });
    const one = { controlPlane: { hosts: [{ name: 'cp1', address: '10.0.0.11/24' }] }, workers: { hosts: [] } };
    expect(valuesOf({ ...one, ...without }, 'cilium-values.yaml')).toMatchObject({ operator: { replicas: 1 } });
  });
});

describe('RKE2, which installs the charts itself', () => {
  test.each(['flannel', 'calico', 'cilium'])('%s: values in its manifests, on servers alone', (plugin) => {
    const keys = { distribution: 'rke2', ...cni(plugin) };
    expect(filesOf(keys)).toEqual([]);
    expect(networkPart.steps?.(clusterFrom(keys))).toEqual([]);
    const [file] = hostFilesOf(keys);
    expect(file?.path).toBe(`/var/lib/rancher/rke2/server/manifests/rke2-${plugin}-config.yaml`);
    const config = parse(file?.text as string);
    expect(config).toMatchObject({ kind: 'HelmChartConfig', metadata: { name: `rke2-${plugin}`, namespace: 'kube-system' } });
    expect(JSON.stringify(parse(config.spec.valuesContent))).toContain(plugin === 'cilium' ? '"mode":"kubernetes"' : '10.244.0.0/16');
    const cluster = clusterFrom(keys);
    const worker = renderedHosts(cluster).find(({ role }) => role === 'worker');
    if (worker === undefined) throw new Error('no worker');
    expect(networkPart.hostFiles?.({ cluster, description: toDescription(''), node: worker, secrets: SECRETS })).toEqual([]);
  });

  test("Calico without kube-proxy is given the API's address by the chart", () => {
    const [file] = hostFilesOf({ distribution: 'rke2', ...cni('calico', { kubeProxy: 'none' }) });
    const values = parse(parse(file?.text as string).spec.valuesContent);
    expect(values).toMatchObject({
      installation: { calicoNetwork: { linuxDataplane: 'BPF' } },
      kubernetesServiceEndpoint: { host: '10.0.0.100', port: '6443' },
    });
  });
});

test.each(DISTRIBUTIONS)('%s without a plugin: nothing', (distribution) => {
  expect(filesOf({ distribution })).toEqual([]);
  expect(hostFilesOf({ distribution })).toEqual([]);
});

test('every file says who made it, and every step names files that are there', () => {
  for (const plugin of ['flannel', 'calico', 'cilium']) {
    const keys = cni(plugin, plugin === 'flannel' ? {} : { kubeProxy: 'none' });
    const files = filesOf(keys);
    for (const { text } of files) expect(text).toMatch(/^# Made by hale from cluster\.yaml\. /);
    const commands = networkPart.steps?.(clusterFrom(keys)).flatMap((step) => step.commands) ?? [];
    const named = commands.flatMap((command) => [...command.matchAll(/ _cluster\/(network\/\S+)/g)].map(([, path]) => path));
    expect(new Set(named)).toEqual(new Set(files.map(({ path }) => path)));
  }
});
