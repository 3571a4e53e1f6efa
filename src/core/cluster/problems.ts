import { printable } from '../../base/printable.ts';
import { wordings as healWordings } from './heal-wordings.ts';
import { wordings as routingWordings } from './routing-wordings.ts';

/** Where in the document: keys and list indexes from the root. */
export type Path = readonly (string | number)[];

/** `endpoint.address`, `controlPlane.hosts[0].name`; empty for the document itself. */
export function pathText(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}

interface Wording {
  /** What is wrong, with the value, as a clause without a full stop. */
  message: string;
  /** The way out, as a sentence. */
  remedy: string;
}

/** Every problem a cluster.yaml can have: its code and how it is worded. docs/reference/errors.md lists the same codes. */
export const wordings = {
  cluster_yaml_syntax: (f: { detail: string }) => ({
    message: `this is not valid YAML: ${f.detail}`,
    remedy: 'Correct this first; the keys and values of the file were not checked.',
  }),
  cluster_yaml_documents: () => ({
    message: 'a second YAML document starts here, but a cluster file holds one',
    remedy: 'Remove it, or move it to a file of its own.',
  }),
  cluster_yaml_alias: (f: { name: string }) => ({
    message: `the alias *${f.name} is not supported, because every value of a cluster file stands in its own place`,
    remedy: 'Write the value out.',
  }),
  cluster_yaml_key: () => ({
    message: 'a list or a mapping cannot be a key',
    remedy: 'Write the key as plain text followed by a colon.',
  }),
  cluster_duplicate_key: (f: { key: string; firstLine: number }) => ({
    message: `${f.key} is given twice, first on line ${f.firstLine}`,
    remedy: 'Remove one of the two.',
  }),
  cluster_empty: () => ({
    message: 'the file is empty',
    remedy: 'Start from docs/examples/cluster.yaml.',
  }),
  cluster_unknown_key: (f: { key: string; nearest: string | undefined; known: readonly string[] }) => ({
    message: `${f.key} is not a known key`,
    remedy: f.nearest === undefined ? `The keys known here are ${enumerate(f.known, 'and')}.` : `Did you mean ${f.nearest}?`,
  }),
  cluster_missing_key: (f: { key: string; expects: string }) => ({
    message: `${f.key} is missing`,
    remedy: `Add ${f.key.split('.').at(-1)}: ${f.expects}.`,
  }),
  cluster_wrong_value: (f: { key: string; found: string; expects: string; mistaken: 'text' | 'other' | undefined }) => ({
    message: `${f.key} cannot be ${f.found}`,
    remedy: `Write ${f.expects}${f.mistaken === undefined ? '' : f.mistaken === 'text' ? ', without quotes' : '; quote it, so that YAML reads it as text'}.`,
  }),
  cluster_no_value: (f: { key: string; expects: string; optional: boolean }) => ({
    message: `${f.key} has no value`,
    remedy: `Write ${f.expects}${f.optional ? ', or remove the key' : ''}.`,
  }),
  cluster_duplicate_host_name: (f: { name: string }) => ({
    message: `two hosts are named ${f.name}`,
    remedy: 'Give each host its own name.',
  }),
  cluster_duplicate_host_address: (f: { address: string; host: string; other: string }) => ({
    message: `host ${f.host} has the address ${f.address}, which host ${f.other} has already`,
    remedy: 'Give each host its own address.',
  }),
  cluster_one_family: (f: { subject: string; things: 'addresses' | 'subnets'; family: string }) => ({
    message: `${f.subject} has two ${f.family} ${f.things}, but takes one IPv4 and one IPv6`,
    remedy: 'Remove one, or replace it by one of the other family.',
  }),
  cluster_unusable_address: (f: { address: string; kind: string; subject: string }) => ({
    message: `${f.address} is ${f.kind} address, which ${f.subject} cannot have`,
    remedy: 'Write a unicast address that other machines can reach.',
  }),
  cluster_subnet_edge: (f: { address: string; edge: string; subnet: string; subject: string }) => ({
    message: `${f.address} is the ${f.edge} address of ${f.subnet}, which ${f.subject} cannot have`,
    remedy: `Write another address of ${f.subnet}, or correct the prefix length.`,
  }),
  cluster_family_missing: (f: { host: string; family: string; otherFamily: string; address: string }) => ({
    message: `host ${f.host} has no ${f.family} address, so it cannot take over the endpoint address ${f.address}`,
    remedy: `Add the host's ${f.family} address, or give the endpoint only an ${f.otherFamily} address.`,
  }),
  cluster_endpoint_is_host_address: (f: { address: string; host: string }) => ({
    message: `the endpoint address ${f.address} is host ${f.host}'s own address, so it could not move to another host`,
    remedy: 'Choose an address that no machine has.',
  }),
  cluster_endpoint_outside_subnets: (f: { address: string; subnets: readonly string[] }) => ({
    message: `the endpoint address ${f.address} lies in no host's subnet (${enumerate(f.subnets, 'and')}), so no host can hold it`,
    remedy: `Choose a free address in ${f.subnets.length === 1 ? f.subnets[0] : 'a subnet that all hosts share'}, or correct the hosts' prefix lengths.`,
  }),
  cluster_endpoint_outside_host_subnet: (f: { address: string; host: string; subnet: string }) => ({
    message: `host ${f.host} in ${f.subnet} cannot take over the endpoint address ${f.address}, which lies in another subnet`,
    remedy: 'Put the host into the subnet of the endpoint address, or correct its prefix length.',
  }),
  cluster_port_held: (f: { port: number }) => ({
    message: `the API server holds port ${f.port} on all addresses (apiserver.bind: all), so the endpoint cannot listen on it`,
    remedy: `Set endpoint.port to another port such as ${f.port === 8443 ? 9443 : 8443}, or apiserver.bind to host.`,
  }),
  cluster_port_not_served: (f: { endpointPort: number; port: number; bind: string }) => ({
    message: `with datapath dsr the API servers must listen on port ${f.endpointPort} of the endpoint on all addresses; they listen on port ${f.port} (apiserver.bind: ${f.bind})`,
    remedy: `Set endpoint.port and apiserver.port to one number and apiserver.bind to all, or choose datapath: nat.`,
  }),
  cluster_port_shared: (f: { key: string; other: string; port: number }) => ({
    message: `${f.key} takes TCP port ${f.port} on every host, which ${f.other} takes already`,
    remedy: 'Give one of the two another port.',
  }),
  cluster_lease_duration: (f: { durationSeconds: number; renewDeadlineSeconds: number }) => ({
    message: `lease.durationSeconds is ${f.durationSeconds} and lease.renewDeadlineSeconds ${f.renewDeadlineSeconds}, so others could take the record over while its owner still counts on it`,
    remedy: 'Make durationSeconds longer than renewDeadlineSeconds; client-go uses 15 and 10.',
  }),
  cluster_lease_deadline: (f: { renewDeadlineSeconds: number; retryPeriodSeconds: number }) => ({
    message: `lease.renewDeadlineSeconds is ${f.renewDeadlineSeconds}, which leaves no time for a second attempt every ${f.retryPeriodSeconds} s (lease.retryPeriodSeconds)`,
    remedy: 'Make renewDeadlineSeconds longer than 1.2 times retryPeriodSeconds; client-go uses 10 and 2.',
  }),
  cluster_lease_unused: (f: { election: string }) => ({
    message: `lease is only for election: kubernetes and election: etcd, but election is ${f.election}, which has no record`,
    remedy: 'Remove lease, or set election.',
  }),
  cluster_section_unused: (f: { section: string; needs: string }) => ({
    message: `${f.section} is only for ${f.needs}`,
    remedy: `Remove ${f.section}, or set ${f.needs}.`,
  }),
  cluster_balancers_few: (f: { count: number }) => ({
    message: `haproxyKeepalived.placement is balancers, but there ${f.count === 1 ? 'is 1 balancer, which would take the API with it' : 'are none'}`,
    remedy: 'List at least two hosts in haproxyKeepalived.balancers, or choose placement: packages.',
  }),
  cluster_balancers_unused: (f: { placement: string }) => ({
    message: `haproxyKeepalived.balancers is only for placement: balancers, but placement is ${f.placement}`,
    remedy: 'Remove balancers, or set placement to balancers.',
  }),
  cluster_peers_missing: () => ({
    message: 'kubeVip.mode is bgp, but kubeVip.bgp.peers names no router',
    remedy: 'List the routers in kubeVip.bgp.peers, or set kubeVip.mode to arp.',
  }),
  cluster_kube_vip_lease: (f: { key: string; value: number; otherKey: string; other: number; atLeast: string }) => ({
    message: `kubeVip.${f.key} is ${f.value}, but must be more than ${f.atLeast} (kubeVip.${f.otherKey} is ${f.other})`,
    remedy: 'Keep leaseDurationSeconds > renewDeadlineSeconds > 1.2 × retryPeriodSeconds; kube-vip uses 15, 10 and 2.',
  }),
  cluster_name_needed: (f: { balancer: string }) => ({
    message: `with nodeLocal.balancer ${f.balancer} each host reaches the API at another address, so the endpoint needs a name that stands for it`,
    remedy: 'Add endpoint.dnsName, such as api.prod.example.com; hale render writes it into /etc/hosts.',
  }),
  cluster_interface_needed: () => ({
    message: 'endpoint.interface is missing, without which keepalived does not know where the address belongs',
    remedy: 'Add the interface that carries the address on every host that may hold it, such as eth0.',
  }),
  cluster_kube_vip_port: (f: { endpointPort: number; port: number; bind: string }) => ({
    message: `kube-vip passes nothing on, so the API servers must listen on port ${f.endpointPort} of the endpoint on all addresses; they listen on port ${f.port} (apiserver.bind: ${f.bind})`,
    remedy: 'Set endpoint.port and apiserver.port to one number and apiserver.bind to all.',
  }),
  cluster_node_local_port: (f: { endpointPort: number; port: number }) => ({
    message: `on control-plane hosts the name of the endpoint leads to the API server itself, which listens on port ${f.port}, not on port ${f.endpointPort} of the endpoint`,
    remedy: 'Set endpoint.port and apiserver.port to one number, or choose nodeLocal.balancer: hale.',
  }),
  cluster_lvscare_address: (f: { address: string; host: string }) => ({
    message: `with nodeLocal.balancer lvscare every node has ${f.address} on an interface of its own, but it lies in the subnet of host ${f.host}, where all of them would answer for it`,
    remedy: 'Choose an address that is on no wire, such as 10.103.97.2, outside the subnets of hosts, Services and Pods.',
  }),
  cluster_kubelet_missing: (f: { value: string; instead: string }) => ({
    message: `${f.value} runs as a Pod, but with distribution systemd no kubelet runs on the hosts`,
    remedy: `Set ${f.instead}, or choose another distribution.`,
  }),
  cluster_balancer_built_in: (f: { balancer: string; distribution: string }) => ({
    message: `nodeLocal.balancer is ${f.balancer}, but agents of ${f.distribution} carry a balancer of their own to all servers (127.0.0.1)`,
    remedy: 'Set nodeLocal.balancer to hale, or choose another endpoint.provider, which agents need only for their first contact.',
  }),
  cluster_daemonset_too_late: () => ({
    message: 'kubeVip.runAs is daemonset, but kubeadm init needs the address before there is an API that could run one',
    remedy: 'Set kubeVip.runAs to static-pod.',
  }),
  cluster_advertisement_step: (f: { ms: number }) => ({
    message: `haproxyKeepalived.advertisementIntervalMs is ${f.ms}, but VRRP counts in steps of 10 ms`,
    remedy: `Write ${Math.round(f.ms / 10) * 10}.`,
  }),
  cluster_kube_proxy_missing: (f: { cni: string }) => ({
    message: `kubernetes.kubeProxy is none, but kubernetes.cni is ${f.cni}, which does not carry connections to Services`,
    remedy: 'Set kubernetes.cni to cilium or calico, or kubernetes.kubeProxy to iptables.',
  }),
  cluster_rke2_port: (f: { port: number; only: number }) => ({
    message: `apiserver.port is ${f.port}, but the API server of RKE2 always has port ${f.only}`,
    remedy: `Write ${f.only}, or choose another distribution.`,
  }),
  cluster_nftables_too_new: (f: { version: string; needs: string }) => ({
    message: `kubernetes.kubeProxy is nftables, which ${f.version} of kubernetes.version has not finished`,
    remedy: `Set kubernetes.kubeProxy to iptables, or kubernetes.version to ${f.needs} or newer.`,
  }),
  cluster_storage_class_twice: (f: { name: string }) => ({
    message: `two of storageClasses have the name ${f.name}, and the second would replace the first`,
    remedy: 'Give each a name of its own.',
  }),
  cluster_default_class_twice: (f: { name: string; first: string }) => ({
    message: `the storage classes ${f.first} and ${f.name} are both the default, so claims that name none would get the newer one`,
    remedy: 'Leave `default: true` with one of them.',
  }),
  cluster_regional_zones: (f: { name: string; count: number; distinct: number }) => ({
    message: `the storage class ${f.name} has replication-type regional-pd, whose volumes are in exactly two zones, but zones lists ${f.distinct === f.count ? f.count || 'none' : 'one of them twice'}`,
    remedy: 'List the two zones that its volumes are to be in.',
  }),
  cluster_etcd_endpoints_missing: () => ({
    message: 'etcd.topology is external, but etcd.endpoints names no etcd server',
    remedy: 'List the client URLs in etcd.endpoints, or set etcd.topology to stacked.',
  }),
  cluster_etcd_endpoints_unused: () => ({
    message: 'etcd.endpoints is only for external etcd, but etcd.topology is stacked, where the endpoints follow from the hosts',
    remedy: 'Remove etcd.endpoints, or set etcd.topology to external.',
  }),
  cluster_service_family: (f: { subnet: string; host: string; address: string; family: string }) => ({
    message: `the Service kubernetes gets an address of ${f.subnet}, the first of kubernetes.serviceSubnet, but leads to host ${f.host}'s first address ${f.address}, which is ${f.family}: kube-apiserver does not start so`,
    remedy: `Make an ${f.family} subnet the first of kubernetes.serviceSubnet, such as ${f.family === 'IPv4' ? '10.96.0.0/16' : 'fd00:96::/112'}, or the host's address of the other family its first.`,
  }),
  cluster_pod_family: (f: { family: string; needs: string }) => ({
    message: `kubernetes.podSubnet has no ${f.family} subnet, but ${f.needs} needs Pods with an ${f.family} address`,
    remedy: `Add one, such as ${f.family === 'IPv4' ? '10.244.0.0/16' : 'fd00:244::/56'}.`,
  }),
  cluster_service_subnet_small: (f: { subnet: string; longest: number }) => ({
    message: `kubernetes.serviceSubnet ${f.subnet} has fewer than 8 addresses, with which kube-apiserver does not start`,
    remedy: `Write a subnet with a prefix length of at most ${f.longest}.`,
  }),
  cluster_pod_subnet_small: (f: { subnet: string; nodeLength: number; nodes: number; hosts: number; longest: number }) => ({
    message: `kubernetes.podSubnet ${f.subnet} has room for ${f.nodes} nodes, since each gets a /${f.nodeLength}, but there are ${f.hosts} control-plane hosts alone`,
    remedy: `Write a subnet with a prefix length of at most ${f.longest}, and less for worker nodes.`,
  }),
  cluster_pod_subnet_large: (f: { subnet: string; nodeLength: number; shortest: number }) => ({
    message: `kubernetes.podSubnet ${f.subnet} is too large: kube-controller-manager, which gives each node a /${f.nodeLength}, does not part it`,
    remedy: `Write a subnet with a prefix length from ${f.shortest} to ${f.nodeLength}.`,
  }),
  cluster_subnets_overlap: (f: { podSubnet: string; serviceSubnet: string }) => ({
    message: `kubernetes.podSubnet ${f.podSubnet} and kubernetes.serviceSubnet ${f.serviceSubnet} overlap, so one address could be that of a Pod and of a Service`,
    remedy: 'Choose subnets that share no address.',
  }),
  cluster_address_in_subnet: (f: { subject: string; address: string; key: string; subnet: string }) => ({
    message: `${f.subject} ${f.address} lies in kubernetes.${f.key} ${f.subnet}, so packets to it would be taken for those of a ${f.key === 'podSubnet' ? 'Pod' : 'Service'}`,
    remedy: `Choose another subnet for kubernetes.${f.key}, in which no machine has an address.`,
  }),
  ...healWordings,
  ...routingWordings,
} satisfies Record<string, (facts: never) => Wording>;

export type ProblemCode = keyof typeof wordings;
type FactsOf<C extends ProblemCode> = Parameters<(typeof wordings)[C]>;

/** A problem before it has a line: `at` says whether the key or the value of `path` is to blame, or gives the offset in the text. */
export interface Finding extends Wording {
  code: ProblemCode;
  path: Path;
  at: 'key' | 'value' | { offset: number };
}

export function finding<C extends ProblemCode>(code: C, place: Pick<Finding, 'path' | 'at'>, ...facts: FactsOf<C>): Finding {
  const word = wordings[code] as (...facts: FactsOf<C>) => Wording;
  const { message, remedy } = word(...facts);
  return { code, ...place, message: printable(message), remedy: printable(remedy) };
}

export interface Problem extends Wording {
  code: ProblemCode;
  file: string;
  /** From 1. */
  line: number;
  /** From 1, in UTF-16 code units. */
  column: number;
  /** `controlPlane.hosts[0].name`; empty where the document as a whole is meant. */
  path: string;
}

/** `file:line:column: message. remedy` in one line, as editors and terminals link it. */
export function formatProblem(problem: Problem): string {
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.message}. ${problem.remedy}`;
}

/** `a, b or c`. */
export function enumerate(words: readonly string[], conjunction: 'and' | 'or'): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${conjunction} ${words.at(-1)}`;
}
