import { hostPort } from '../../../base/address.ts';
import { parseHostPort } from '../../cluster/values.ts';
import type { Cluster, ClusterHost } from '../../cluster/schema.ts';
import { runsAgent } from '../hale/part.ts';

/** Names of the scrape jobs, which the rules and the dashboard select by. */
export const JOB = {
  address: 'kubernetes-address',
  apiserver: 'kube-apiserver',
  etcd: 'etcd',
  kubelet: 'kubelet',
  machine: 'machine',
  hale: 'hale',
  haproxy: 'haproxy',
  kubeVip: 'kube-vip',
  controllerManager: 'kube-controller-manager',
  scheduler: 'kube-scheduler',
} as const;

/** A target with the name that stands in its `instance` label. */
export interface Target {
  address: string;
  instance: string;
}

export function controlPlaneTargets({ controlPlane }: Cluster, port: number): Target[] {
  return hostTargets(controlPlane.hosts, port);
}

export function hostTargets(hosts: readonly ClusterHost[], port: number): Target[] {
  return hosts.map(({ name, addresses }) => ({ address: hostPort(addresses[0]?.address as string, port), instance: name }));
}

/** Whether clients that are no nodes find the API at the address. */
export function hasAddress({ endpoint, nodeLocal }: Cluster): boolean {
  return endpoint.provider !== 'node-local' || nodeLocal.balancer === 'hale';
}

export function usesHaproxy({ endpoint, nodeLocal }: Cluster): boolean {
  return endpoint.provider === 'haproxy-keepalived' || (endpoint.provider === 'node-local' && nodeLocal.balancer === 'haproxy');
}

/** Port of the agents' metrics, where another machine can ask for them. */
export function haleMetricsPort(cluster: Cluster): number | undefined {
  const listens = runsAgent(cluster) ? parseHostPort(cluster.agent.metricsAddress) : undefined;
  return listens === undefined || isLoopback(listens.host) ? undefined : listens.port;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** Port at which etcd serves metrics alone, without a certificate. k3s and RKE2 are told to have it listen on the host's addresses (etcd-expose-metrics). */
const ETCD_METRICS_PORT = 2381;

export function hasOpenEtcdMetrics({ distribution, etcd }: Cluster): boolean {
  return etcd.topology === 'stacked' && (distribution === 'k3s' || distribution === 'rke2');
}

export function etcdTargets(cluster: Cluster): Target[] {
  const { etcd } = cluster;
  if (etcd.topology === 'stacked') return controlPlaneTargets(cluster, hasOpenEtcdMetrics(cluster) ? ETCD_METRICS_PORT : etcd.clientPort);
  return etcd.endpoints.map((url) => ({ address: url.replace('https://', ''), instance: url.replace('https://', '') }));
}

/** Members of etcd. */
export function etcdMembers(cluster: Cluster): number {
  return etcdTargets(cluster).length;
}
