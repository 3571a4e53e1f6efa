/** Keys that servers and agents share. */
import { hostPort } from '../../../base/address.ts';
import { endpointHost } from '../../cluster/names.ts';
import type { Cluster } from '../../cluster/schema.ts';
import type { Flag } from '../flags.ts';
import { kubeProxySettings } from '../kube-proxy.ts';
import type { HostInput } from '../part.ts';
import { because } from '../yaml.ts';
import type { Flavour } from './flavour.ts';

export function tokenKey({ secrets }: HostInput): Record<string, unknown> {
  return { token: because('Also encrypts what a restore needs: keep a copy with the backups.', secrets.joinToken) };
}

export function serverKey(cluster: Cluster, flavour: Flavour): Record<string, unknown> {
  const url = `https://${hostPort(endpointHost(cluster), flavour.joinPort(cluster))}`;
  return { server: because('The endpoint, not the first server, which may be gone for good one day.', url) };
}

export function nodeKeys({ cluster, node: { host, role } }: HostInput): Record<string, unknown> {
  const dedicated = role === 'control-plane' && cluster.workers.hosts.length > 0;
  return {
    'node-name': host.name,
    'node-ip': because(
      "Without it the address of the default route, and once the endpoint's address is on the interface perhaps that.",
      host.addresses.map(({ address }) => address),
    ),
    'node-label':
      host.zone === undefined ? undefined : because('Pods and volumes are spread by it.', [`topology.kubernetes.io/zone=${host.zone}`]),
    'node-taint': dedicated
      ? because('There are workers: a Pod that eats memory must not take etcd with it.', ['CriticalAddonsOnly=true:NoExecute'])
      : undefined,
  };
}

/** kube-proxy runs on every node, and is told there. */
export function kubeProxyKeys(cluster: Cluster): Record<string, unknown> {
  const settings = kubeProxySettings(cluster);
  // iptables is the default.
  if (settings === undefined || settings.mode === 'iptables') return {};
  const flags: Flag[] = [
    { name: 'proxy-mode', value: settings.mode },
    ...(settings.strictArp
      ? [{ name: 'ipvs-strict-arp', value: 'true', why: "Otherwise every node would answer ARP for the endpoint's address." }]
      : []),
    ...(settings.excludeCidrs.length > 0
      ? [
          {
            name: 'ipvs-exclude-cidrs',
            value: settings.excludeCidrs.join(','),
            why: "kube-proxy removes virtual servers that it does not know; this one is the endpoint's.",
          },
        ]
      : []),
  ];
  return { 'kube-proxy-arg': flagItems(flags) };
}

/** `name=value`, as lists of arguments have them. */
export function flagItems(flags: readonly Flag[]): unknown[] {
  return flags.map(({ name, value, why }) => (why === undefined ? `${name}=${value}` : because(why, `${name}=${value}`)));
}
