import { stringify } from 'yaml';
import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import { readCluster } from '../core/cluster/read.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { writePlain } from './folder.ts';
import { areMany } from './nodes/plan.ts';
import { APISERVER_PORT, bindOf, hostPlans, withPrefixLength, type LabPlan } from './plan.ts';

const SERVICE_SUBNETS = { '4': '10.96.0.0/16', '6': 'fd67::/112' };
const POD_SUBNETS = { '4': '10.244.0.0/16', '6': 'fd68::/56' };
/** For more nodes than those have room for. */
const LARGE_POD_SUBNETS = { '4': '10.128.0.0/12', '6': 'fd68::/48' };

/** Writes /etc/hale/cluster.yaml of the control-plane hosts and /etc/hosts of all. */
export function writeConfiguration(plan: LabPlan, folderOf: (host: string) => string): void {
  const cluster = clusterYaml(plan);
  const names = hostsFile(plan);
  for (const host of hostPlans(plan)) {
    writePlain(join(folderOf(host.name), 'etc/hosts'), { text: names, mode: 0o644 });
    writePlain(join(folderOf(host.name), 'etc/hale/cluster.yaml'), { text: cluster, mode: 0o644 });
  }
}

/** What cluster.yaml of the lab says, with every default. */
export function clusterOf(plan: LabPlan): Cluster {
  const read = readCluster(clusterYaml(plan), 'cluster.yaml');
  assert(read.ok, 'a lab writes a cluster.yaml that is right');
  return read.cluster;
}

function clusterYaml(plan: LabPlan): string {
  const cluster = {
    apiVersion: 'hale.dev/v1alpha1',
    kind: 'Cluster',
    name: plan.name,
    distribution: 'systemd',
    endpoint: {
      address: oneOrList(plan.endpoint.addresses),
      port: plan.endpoint.port,
      interface: 'eth0',
      dnsName: plan.endpoint.dnsName,
    },
    controlPlane: {
      hosts: plan.controlPlane.map(({ name, addresses, zone }) => ({ name, address: oneOrList(addresses.map(withPrefixLength)), zone })),
    },
    kubernetes: { serviceSubnet: oneOrList(subnets(plan, SERVICE_SUBNETS)), podSubnet: oneOrList(podSubnetsOf(plan)) },
    apiserver: { port: APISERVER_PORT, bind: bindOf(plan) },
    agent: { profile: plan.profile },
    ...plan.settings,
    datapath: plan.datapath,
    etcd: { version: /^\d+\.\d+/.exec(plan.etcd.version)?.[0] },
  };
  return stringify(cluster, { lineWidth: 0, indentSeq: false, compat: 'yaml-1.1' });
}

export function podSubnetsOf(plan: LabPlan): string[] {
  const isLarge = plan.nodes !== undefined && areMany(plan.nodes, plan.controlPlane.length);
  return subnets(plan, isLarge ? LARGE_POD_SUBNETS : POD_SUBNETS);
}

/** kube-apiserver wants Services of the family that its own address has. */
function subnets(plan: LabPlan, of: Record<'4' | '6', string>): string[] {
  return [...plan.families].map((family) => of[family as '4' | '6']);
}

function hostsFile(plan: LabPlan): string {
  const entries = [
    ...['127.0.0.1', '::1'].map((address) => `${address} localhost`),
    ...plan.endpoint.addresses.map((address) => `${address} ${plan.endpoint.dnsName}`),
    ...hostPlans(plan).flatMap(({ name, addresses }) => addresses.map((address) => `${address} ${name}`)),
  ];
  return `${entries.join('\n')}\n`;
}

function oneOrList(values: readonly string[]): string | readonly string[] | undefined {
  return values.length === 1 ? values[0] : values;
}
