import type { Conflict, Found } from './decide.ts';

/** A host of the description. */
export interface DescribedHost {
  name: Found<string> | undefined;
  addresses: readonly DescribedAddress[];
  zone: Found<string> | undefined;
}

export interface DescribedAddress extends Found<string> {
  /** Prefix length; undefined where there is not even a guess. */
  length: Found<number> | undefined;
  isGuess: boolean;
}

/** Where hosts are listed. */
export const HOST_LISTS = ['controlPlane.hosts', 'workers.hosts', 'haproxyKeepalived.balancers'] as const;
export type HostList = (typeof HOST_LISTS)[number];

/** What the user has to fill in. */
export interface Missing {
  /** As docs/reference/cluster.md writes it; of one host with its number: `controlPlane.hosts[0].name`. */
  key: string;
  /** What to write there. */
  fill: string;
}

/** What was found out about a cluster, by the keys of cluster.yaml. */
export interface Description {
  values: ReadonlyMap<string, Found>;
  hosts: Readonly<Record<HostList, readonly DescribedHost[]>>;
  missing: readonly Missing[];
  conflicts: readonly Conflict[];
  notes: readonly { message: string; at: Found['at'] }[];
}

/** Keys in the order of the file; lists of hosts among them. */
export const KEYS: readonly string[] = [
  'name',
  'distribution',
  ...['provider', 'address', 'port', 'interface', 'dnsName'].map((key) => `endpoint.${key}`),
  'controlPlane.hosts',
  'workers.hosts',
  ...['version', 'serviceSubnet', 'podSubnet', 'dnsDomain', 'kubeProxy', 'cni', 'cgroupDriver', 'criSocket', 'binDir', 'kubeconfig'].map(
    (key) => `kubernetes.${key}`,
  ),
  ...['placement', 'balancers', 'virtualRouterId', 'advertisementIntervalMs', 'healthPort', 'haproxyImage', 'keepalivedImage'].map(
    (key) => `haproxyKeepalived.${key}`,
  ),
  ...['mode', 'runAs', 'image', 'leaseDurationSeconds', 'renewDeadlineSeconds', 'retryPeriodSeconds', 'bgp.localAs', 'bgp.peers'].map(
    (key) => `kubeVip.${key}`,
  ),
  ...['balancer', 'image', 'lvscareInterface'].map((key) => `nodeLocal.${key}`),
  ...['port', 'bind', 'caFile'].map((key) => `apiserver.${key}`),
  ...['topology', 'clientPort', 'endpoints', 'caFile', 'certFile', 'keyFile', 'version', 'dataDir', 'disk', 'latency'].map(
    (key) => `etcd.${key}`,
  ),
];

/** Sections that only one provider has. */
const SECTION_OF: Readonly<Record<string, string>> = {
  haproxyKeepalived: 'haproxy-keepalived',
  kubeVip: 'kube-vip',
  nodeLocal: 'node-local',
};

/** Whether cluster.yaml may have the key with this provider. */
export function belongs(key: string, provider: unknown): boolean {
  const section = key.split('.')[0] as string;
  return SECTION_OF[section] === undefined || SECTION_OF[section] === provider;
}

/** What to write where a key is needed and was not found. */
export const FILL: Readonly<Record<string, string>> = {
  name: 'a name for the cluster, such as prod (or --name)',
  'endpoint.provider': 'who answers for the address: hale, haproxy-keepalived, kube-vip, node-local or external',
  'endpoint.address': 'the shared address, such as 10.0.0.100',
  'endpoint.interface': 'the interface that carries the address on every host that may hold it, such as eth0',
  'controlPlane.hosts': 'the 1 to 7 control-plane hosts, each with name and address: - {name: cp1, address: 10.0.0.11/24}',
  'haproxyKeepalived.balancers':
    'the two hosts of HAProxy and keepalived, each with name and address: - {name: lb1, address: 10.0.0.21/24}',
  'kubeVip.bgp.peers': 'the routers: - {address: 10.0.0.1, as: 64512}',
  'etcd.endpoints': 'the client URLs of etcd: - https://10.0.0.21:2379',
};

/** Keys whose default is worth a look where nothing was found: they stand in the file as comments. */
export const TO_LOOK_AT: readonly string[] = [
  'distribution',
  'endpoint.port',
  'kubernetes.version',
  'kubernetes.serviceSubnet',
  'kubernetes.podSubnet',
];

/** Keys that differ between hosts for good reasons: one value for all is taken only where all agree. */
export const UNANIMOUS: ReadonlySet<string> = new Set(['endpoint.interface']);
