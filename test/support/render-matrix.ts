/** The clusters that every rendering is tried for. */
import { readCluster } from '../../src/core/cluster/read.ts';
import { description } from './rendered.ts';

const HA_PORT = 8443;

/** The keys that every provider of the endpoint needs, by a name for it. */
export const PROVIDERS: Record<string, Record<string, unknown>> = {
  hale: {},
  'haproxy-keepalived as packages': {
    endpoint: { provider: 'haproxy-keepalived', address: '10.0.0.100', port: HA_PORT, interface: 'eth0' },
  },
  'haproxy-keepalived as static pods': {
    endpoint: { provider: 'haproxy-keepalived', address: '10.0.0.100', port: HA_PORT, interface: 'eth0' },
    haproxyKeepalived: { placement: 'static-pods' },
  },
  'haproxy-keepalived on balancers': {
    endpoint: { provider: 'haproxy-keepalived', address: '10.0.0.100', interface: 'eth0' },
    haproxyKeepalived: {
      placement: 'balancers',
      balancers: [1, 2].map((i) => ({ name: `lb${i}`, address: `10.0.0.${30 + i}/24` })),
    },
  },
  'kube-vip by ARP': { endpoint: { provider: 'kube-vip', address: '10.0.0.100', interface: 'eth0' } },
  'kube-vip by BGP': {
    endpoint: { provider: 'kube-vip', address: '10.99.0.1' },
    kubeVip: { mode: 'bgp', bgp: { peers: [{ address: '10.0.0.1', as: 65_001 }] } },
  },
  'kube-vip as a DaemonSet': {
    endpoint: { provider: 'kube-vip', address: '10.0.0.100', interface: 'eth0' },
    kubeVip: { runAs: 'daemonset' },
  },
  ...Object.fromEntries(
    ['hale', 'lvscare', 'nginx', 'haproxy'].map((balancer) => [
      `node-local ${balancer}`,
      {
        // With lvscare it is on every node, so on no wire.
        endpoint: {
          provider: 'node-local',
          address: balancer === 'lvscare' ? '10.103.97.2' : '10.0.0.100',
          dnsName: 'api.prod.example.com',
        },
        nodeLocal: { balancer },
      },
    ]),
  ),
  external: { endpoint: { provider: 'external', address: '192.0.2.10', dnsName: 'api.prod.example.com' } },
};

export const DISTRIBUTIONS = ['kubeadm', 'k3s', 'rke2', 'systemd'] as const;

/** Every distribution with every provider that cluster.yaml lets it have. */
export function matrix(): { name: string; distribution: string; provider: string; keys: Record<string, unknown> }[] {
  return DISTRIBUTIONS.flatMap((distribution) =>
    Object.entries(PROVIDERS)
      .map(([provider, its]) => ({ name: `${distribution}, ${provider}`, distribution, provider, keys: { distribution, ...its } }))
      .filter(({ keys }) => readCluster(description(keys), 'cluster.yaml').ok),
  );
}
