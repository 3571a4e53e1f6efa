import { randomBytes, randomInt } from 'node:crypto';
import type { DatapathName } from '../core/balancer/choice.ts';
import { HaleError } from '../base/error.ts';
import type { SystemdSecrets } from '../core/render/systemd/host.ts';
import type { Kubernetes } from './kubernetes/programs.ts';
import type { Kwok } from './nodes/kwok.ts';
import { type NodesPlan, type NodesWish, planNodes } from './nodes/plan.ts';

export type LabFamilies = '4' | '6' | '46';

export interface HostPlan {
  name: string;
  /** Without prefix length; IPv4 first. */
  addresses: readonly string[];
  mac: string;
  /** Failure domain, for control-plane hosts. */
  zone?: string;
}

/** What cluster.yaml of a lab may say. */
export const LAB_DATAPATHS = ['auto', 'dsr', 'nat', 'proxy'] as const;
export type LabDatapath = (typeof LAB_DATAPATHS)[number];

/** Keys of cluster.yaml beside those that a lab writes by itself, such as `election` and `advertise`. */
export type LabSettings = Readonly<Record<string, unknown>>;

/** What a lab is made of, kept in lab.json; the datapath alone may be changed later. */
export interface LabPlan {
  name: string;
  families: LabFamilies;
  /** Timing profile of the agents. */
  profile: string;
  datapath: LabDatapath;
  settings?: LabSettings;
  controlPlane: readonly HostPlan[];
  client: HostPlan;
  endpoint: { addresses: readonly string[]; port: number; dnsName: string };
  /** Addresses that nobody has, one of each family, for a drill to ask from. */
  observerAddresses: readonly string[];
  /** What runs the control plane; where there is nothing, stand-ins for kube-apiserver serve. */
  kubernetes: Kubernetes | { missing: string };
  etcd: { path: string; version: string };
  /** Absent: the lab has no Node objects. */
  nodes?: NodesPlan;
  /** What all hosts share; its etcd token keeps the members of one lab from ever joining those of an earlier one with the same addresses. */
  secrets: SystemdSecrets;
  createdAt: string;
}

export const APISERVER_PORT = 6443;
/** Where the API servers hold 6443 on their hosts' own addresses only, and something else listens for clients. */
const SEPARATE_PORT = 8443;
const ZONES = ['a', 'b', 'c'];

export function planLab(options: {
  name: string;
  hosts: number;
  families: LabFamilies;
  profile: string;
  datapath: LabDatapath;
  settings?: LabSettings;
  kubernetes: LabPlan['kubernetes'];
  etcd: LabPlan['etcd'];
  nodes?: NodesWish & { kwok: Kwok };
}): LabPlan {
  if (![3, 5, 7].includes(options.hosts)) {
    throw new HaleError({
      code: 'lab_hosts_invalid',
      kind: 'usage',
      message: `a lab of ${options.hosts} control-plane hosts has no useful majority`,
      remedy: 'choose 3, 5 or 7',
    });
  }
  const { hosts, families, nodes, ...rest } = options;
  const controlPlane = Array.from({ length: hosts }, (_, i) => ({
    name: `cp${i + 1}`,
    addresses: addressesOf(families, { v4: 11 + i, v6: `${11 + i}` }),
    mac: macOf(1 + i),
    zone: ZONES[i % ZONES.length] as string,
  }));
  return {
    ...rest,
    families,
    controlPlane,
    client: { name: 'client', addresses: addressesOf(families, { v4: 200, v6: '200' }), mac: macOf(200) },
    ...(nodes && { nodes: planNodes(nodes, { kwok: nodes.kwok, host: workersHost(families) }) }),
    endpoint: {
      addresses: addressesOf(families, { v4: 100, v6: '100' }),
      port: endpointPort(options.datapath),
      dnsName: `api.${options.name}.hale.test`,
    },
    observerAddresses: addressesOf(families, { v4: 250, v6: '250' }),
    secrets: {
      encryptionKeys: [{ name: 'lab', secret: randomBytes(32).toString('base64') }],
      etcdToken: `${options.name}-${randomInt(2 ** 47).toString(36)}`,
    },
    createdAt: new Date().toISOString(),
  };
}

/** What `auto` comes out as in a lab: its hosts share a link, and with `auto` its API servers listen as those of kubeadm do. */
export function datapathOf({ datapath }: Pick<LabPlan, 'datapath'>): DatapathName {
  return datapath === 'auto' ? 'dsr' : datapath;
}

/** `nat`, or `dsr (chosen by auto)`, as reports say it. */
export function describeDatapath(plan: Pick<LabPlan, 'datapath'>): string {
  return plan.datapath === 'auto' ? `${datapathOf(plan)} (chosen by auto)` : plan.datapath;
}

/** With `dsr` an API server gets clients' packets as they are, so it listens on the shared address too, at the very port of the endpoint. */
export function bindOf(plan: Pick<LabPlan, 'datapath'>): 'all' | 'host' {
  return datapathOf(plan) === 'dsr' ? 'all' : 'host';
}

function endpointPort(datapath: LabDatapath): number {
  return bindOf({ datapath }) === 'all' ? APISERVER_PORT : SEPARATE_PORT;
}

/** The same lab with another datapath. */
export function withDatapath(plan: LabPlan, datapath: LabDatapath): LabPlan {
  return { ...plan, datapath, endpoint: { ...plan.endpoint, port: endpointPort(datapath) } };
}

export function hostPlans(plan: LabPlan): HostPlan[] {
  return [...plan.controlPlane, ...bystanders(plan)];
}

/** The hosts beside the control plane: clients of it. */
export function bystanders(plan: LabPlan): HostPlan[] {
  return [plan.client, ...(plan.nodes === undefined ? [] : [plan.nodes.host])];
}

function workersHost(families: LabFamilies): HostPlan {
  return { name: 'workers', addresses: addressesOf(families, { v4: 210, v6: '210' }), mac: macOf(210) };
}

/** The address with the length of its subnet, as `ip addr add` and cluster.yaml write it. */
export function withPrefixLength(address: string): string {
  return address.includes(':') ? `${address}/64` : `${address}/24`;
}

/** The IPv6 interface identifier repeats the decimal digits of the IPv4 host part, so that both read alike. */
function addressesOf(families: LabFamilies, host: { v4: number; v6: string }): string[] {
  const addresses: string[] = [];
  if (families.includes('4')) addresses.push(`10.66.0.${host.v4}`);
  if (families.includes('6')) addresses.push(`fd66::${host.v6}`);
  return addresses;
}

/** Locally administered, "hale" in ASCII, then the index. */
function macOf(index: number): string {
  return `02:68:61:6c:65:${index.toString(16).padStart(2, '0')}`;
}
