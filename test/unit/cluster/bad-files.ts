import { readFileSync } from 'node:fs';
import { badHeal } from './bad-heal.ts';
import { badProviders } from './bad-providers.ts';
import { badRouting } from './bad-routing.ts';

export const example = readFileSync(new URL('../../../docs/examples/cluster.yaml', import.meta.url), 'utf8');

/** The example with a port of its own for the address, which a proxy needs, so that both ports can be told apart. */
const withProxy = example.replace('port: 6443', 'port: 8443').replace('datapath: auto', 'datapath: proxy');

/** That with each text replaced by another; a text that it lacks is a mistake in the test. */
export function edited(...edits: (readonly [from: string, to: string])[]): string {
  return edits.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the example lacks ${JSON.stringify(from)}`);
    return text.replace(from, to);
  }, withProxy);
}

export const CP2 = '    - name: cp2\n      address: 10.0.0.12/24\n      zone: b\n';
export const CP3 = '    - name: cp3\n      address: 10.0.0.13/24\n      zone: c\n';

const ADDRESS = 'address: 10.0.0.100';
const DUAL_HOSTS = [
  ['10.0.0.11/24', '[10.0.0.11/24, "fd00::11/64"]'],
  ['10.0.0.12/24', '[10.0.0.12/24, "fd00::12/64"]'],
] as const;

/** That with a control plane that hale renders, and these keys of `kubernetes`. */
const rendered = (...keys: string[]): string =>
  edited(['kubeadm', 'systemd'], ['datapath: proxy\n', `datapath: proxy\n\nkubernetes:\n${keys.map((key) => `  ${key}\n`).join('')}`]);

/** Files that are wrong, and every problem they must show: what is printed after `cluster.yaml:`. */
export const badFiles: Record<string, { text: string; problems: string[] }> = {
  ...badProviders,
  ...badRouting,
  ...badHeal,
  'an empty file': { text: '# nothing yet\n', problems: ['1:1: the file is empty. Start from docs/examples/cluster.yaml.'] },
  'a list': {
    text: '- cp1\n- cp2\n',
    problems: ['1:1: the file cannot be a list of 2. Write a mapping with apiVersion, kind, name, endpoint and controlPlane.'],
  },
  'an unquoted colon': {
    text: edited(['name: prod', 'name: prod: eu']),
    problems: [
      '5:7: this is not valid YAML: a value on the line of its key cannot be followed by a colon, unless it is in quotes. Correct this first; the keys and values of the file were not checked.',
    ],
  },
  'a tab': {
    text: edited(['  port: 8443', '\tport: 8443']),
    problems: [
      '11:1: this is not valid YAML: tabs are not allowed as indentation. Correct this first; the keys and values of the file were not checked.',
    ],
  },
  'two documents': {
    text: `${example}---\nkind: Other\n`,
    problems: ['49:1: a second YAML document starts here, but a cluster file holds one. Remove it, or move it to a file of its own.'],
  },
  'an alias': {
    text: edited(['name: prod', 'name: &n prod'], ['interface: eth0', 'interface: *n']),
    problems: ['12:14: the alias *n is not supported, because every value of a cluster file stands in its own place. Write the value out.'],
  },
  'a mapping as key': {
    text: edited(['datapath: proxy', '? [datapath]\n: proxy']),
    problems: ['38:3: a list or a mapping cannot be a key. Write the key as plain text followed by a colon.'],
  },
  'a duplicate key': {
    text: edited(['zone: c', 'zone: c\n      zone: d']),
    problems: ['26:7: controlPlane.hosts[2].zone is given twice, first on line 25. Remove one of the two.'],
  },
  'a misspelt key': {
    text: edited(['port: 8443', 'prot: 8443']),
    problems: ['11:3: endpoint.prot is not a known key. Did you mean port?'],
  },
  'a misspelt required key, told once': {
    text: edited(['controlPlane:', 'controlplane:']),
    problems: ['15:1: controlplane is not a known key. Did you mean controlPlane?'],
  },
  'an unknown key near no other': {
    text: edited(['  profile:', '  colour: red\n  profile:']),
    problems: ['33:3: agent.colour is not a known key. The keys known here are profile, port, keyFile and metricsAddress.'],
  },
  'missing keys': {
    text: edited(['apiVersion: hale.dev/v1alpha1\n', ''], [`  ${ADDRESS}\n`, '']),
    problems: [
      '3:1: apiVersion is missing. Add apiVersion: hale.dev/v1alpha1.',
      '7:1: endpoint.address is missing. Add address: an address such as 10.0.0.100, or a list of one IPv4 and one IPv6 address.',
    ],
  },
  'wrong values': {
    text: edited(['name: prod', 'name: 123'], ['port: 8443', 'port: "8443"'], ['profile: default', 'profile: fasst'], ['7700', '77000']),
    problems: [
      '5:7: name cannot be the number 123. Write a name of at most 63 lower-case letters, digits and inner hyphens, such as prod; quote it, so that YAML reads it as text.',
      '11:9: endpoint.port cannot be "8443". Write a whole number from 1 to 65535, without quotes.',
      '33:12: agent.profile cannot be "fasst". Write fast, default or calm.',
      '34:9: agent.port cannot be the number 77000. Write a whole number from 1 to 65535.',
    ],
  },
  'keys without values': {
    text: edited(['name: prod', 'name:'], ['clientPort: 2379', 'clientPort:']),
    problems: [
      '5:1: name has no value. Write a name of at most 63 lower-case letters, digits and inner hyphens, such as prod.',
      '42:3: etcd.clientPort has no value. Write a whole number from 1 to 65535, or remove the key.',
    ],
  },
  'a host without prefix length': {
    text: edited(['10.0.0.11/24', '10.0.0.11']),
    problems: [
      '18:16: controlPlane.hosts[0].address cannot be "10.0.0.11". Write an address with its prefix length such as 10.0.0.11/24, or a list of one IPv4 and one IPv6 address.',
    ],
  },
  'a wrong item of a list': {
    text: edited([ADDRESS, 'address: [10.0.0.100, fe80:::1]']),
    problems: ['9:25: endpoint.address[1] cannot be "fe80:::1". Write an IPv4 or IPv6 address such as 10.0.0.100.'],
  },
  'nine hosts': {
    text: edited([CP3, [3, 4, 5, 6, 7, 8, 9].map((n) => `    - {name: cp${n}, address: 10.0.0.1${n}/24}\n`).join('')]),
    problems: ['17:5: controlPlane.hosts cannot be a list of 9. Write a list of 1 to 7 hosts, each with a name and an address.'],
  },
  'duplicate hosts': {
    text: edited(['cp3', 'cp1'], ['10.0.0.13', '10.0.0.12']),
    problems: [
      '23:13: two hosts are named cp1. Give each host its own name.',
      '24:16: host cp1 has the address 10.0.0.12, which host cp2 has already. Give each host its own address.',
    ],
  },
  'a loopback endpoint': {
    text: edited(['10.0.0.100', '127.0.0.1']),
    problems: [
      '9:12: 127.0.0.1 is a loopback address, which an endpoint cannot have. Write a unicast address that other machines can reach.',
    ],
  },
  'a multicast host, told once': {
    text: edited(['10.0.0.11/24', '224.0.0.11/24']),
    problems: [
      '18:16: 224.0.0.11 is a multicast address, which a host cannot have. Write a unicast address that other machines can reach.',
    ],
  },
  'the subnet as a host': {
    text: edited(['10.0.0.13/24', '10.0.0.0/24']),
    problems: [
      '24:16: 10.0.0.0 is the network address of 10.0.0.0/24, which a host cannot have. Write another address of 10.0.0.0/24, or correct the prefix length.',
    ],
  },
  'the broadcast address as endpoint': {
    text: edited(['10.0.0.100', '10.0.0.255']),
    problems: [
      '9:12: 10.0.0.255 is the broadcast address of 10.0.0.0/24, which an endpoint cannot have. Write another address of 10.0.0.0/24, or correct the prefix length.',
    ],
  },
  "a host's own address as endpoint": {
    text: edited(['10.0.0.100', '10.0.0.12']),
    problems: [
      "9:12: the endpoint address 10.0.0.12 is host cp2's own address, so it could not move to another host. Choose an address that no machine has.",
    ],
  },
  'an endpoint in no subnet': {
    text: edited(['10.0.0.100', '10.0.1.100']),
    problems: [
      "9:12: the endpoint address 10.0.1.100 lies in no host's subnet (10.0.0.0/24), so no host can hold it. Choose a free address in 10.0.0.0/24, or correct the hosts' prefix lengths.",
    ],
  },
  'hosts without a common subnet': {
    text: edited(['11/24', '11/32'], ['12/24', '12/32'], ['13/24', '13/32']),
    problems: [
      "9:12: the endpoint address 10.0.0.100 lies in no host's subnet (10.0.0.11/32, 10.0.0.12/32 and 10.0.0.13/32), so no host can hold it. Choose a free address in a subnet that all hosts share, or correct the hosts' prefix lengths.",
    ],
  },
  'one host in another subnet': {
    text: edited(['10.0.0.12/24', '10.0.1.12/24']),
    problems: [
      '21:16: host cp2 in 10.0.1.0/24 cannot take over the endpoint address 10.0.0.100, which lies in another subnet. Put the host into the subnet of the endpoint address, or correct its prefix length.',
    ],
  },
  'two endpoint addresses of one family': {
    text: edited([ADDRESS, 'address: [10.0.0.100, 10.0.0.101]']),
    problems: [
      '9:25: the endpoint has two IPv4 addresses, but takes one IPv4 and one IPv6. Remove one, or replace it by one of the other family.',
    ],
  },
  'a host that lacks a family': {
    text: edited([ADDRESS, 'address: [10.0.0.100, "fd00::100"]'], ...DUAL_HOSTS),
    problems: [
      "24:16: host cp3 has no IPv6 address, so it cannot take over the endpoint address fd00::100. Add the host's IPv6 address, or give the endpoint only an IPv4 address.",
    ],
  },
  'an API server that does not listen on the port of the endpoint': {
    text: edited(['datapath: proxy', 'datapath: dsr']),
    problems: [
      '29:9: with datapath dsr the API servers must listen on port 8443 of the endpoint on all addresses; they listen on port 6443 (apiserver.bind: all). Set endpoint.port and apiserver.port to one number and apiserver.bind to all, or choose datapath: nat.',
    ],
  },
  'the port of the local API server': {
    text: edited(['port: 8443', 'port: 6443']),
    problems: [
      '11:9: the API server holds port 6443 on all addresses (apiserver.bind: all), so the endpoint cannot listen on it. Set endpoint.port to another port such as 8443, or apiserver.bind to host.',
    ],
  },
  'the same port, where only the API server names it': {
    text: edited(['  port: 8443\n', '']),
    problems: [
      '27:9: the API server holds port 6443 on all addresses (apiserver.bind: all), so the endpoint cannot listen on it. Set endpoint.port to another port such as 8443, or apiserver.bind to host.',
    ],
  },
  'the same port by default': {
    text: edited(['  port: 8443\n', ''], ['  port: 6443\n', ''], ['  bind: all\n', '']),
    problems: [
      '8:1: the API server holds port 6443 on all addresses (apiserver.bind: all), so the endpoint cannot listen on it. Set endpoint.port to another port such as 8443, or apiserver.bind to host.',
    ],
  },
  'metrics on a port in use': {
    text: edited(['127.0.0.1:7701', '127.0.0.1:2379']),
    problems: [
      '36:19: agent.metricsAddress takes TCP port 2379 on every host, which etcd.clientPort takes already. Give one of the two another port.',
    ],
  },
  'a port that the default metrics address has': {
    text: edited(['port: 8443', 'port: 7701'], ['  metricsAddress: 127.0.0.1:7701\n', '']),
    problems: [
      '11:9: endpoint.port takes TCP port 7701 on every host, which agent.metricsAddress takes already. Give one of the two another port.',
    ],
  },
  'etcd on the port of the API server': {
    text: edited(['clientPort: 2379', 'clientPort: 6443']),
    problems: [
      '28:9: apiserver.port takes TCP port 6443 on every host, which etcd.clientPort takes already. Give one of the two another port.',
    ],
  },
  'external etcd without endpoints': {
    text: edited(['topology: stacked', 'topology: external']),
    problems: [
      '41:13: etcd.topology is external, but etcd.endpoints names no etcd server. List the client URLs in etcd.endpoints, or set etcd.topology to stacked.',
    ],
  },
  'stacked etcd with endpoints': {
    text: edited(['topology: stacked', 'endpoints: [https://10.0.0.21:2379]']),
    problems: [
      '41:3: etcd.endpoints is only for external etcd, but etcd.topology is stacked, where the endpoints follow from the hosts. Remove etcd.endpoints, or set etcd.topology to external.',
    ],
  },
  'a record that nobody uses': {
    text: edited(['etcd:\n', 'lease:\n  durationSeconds: 5\netcd:\n']),
    problems: [
      '40:1: lease is only for election: kubernetes and election: etcd, but election is quorum, which has no record. Remove lease, or set election.',
    ],
  },
  'a record that others take over from its owner': {
    text: edited(['etcd:\n', 'election: etcd\nlease:\n  durationSeconds: 10\netcd:\n']),
    problems: [
      '42:20: lease.durationSeconds is 10 and lease.renewDeadlineSeconds 10, so others could take the record over while its owner still counts on it. Make durationSeconds longer than renewDeadlineSeconds; client-go uses 15 and 10.',
    ],
  },
  'a record with no time for a second attempt': {
    text: edited(['etcd:\n', 'election: kubernetes\nlease:\n  renewDeadlineSeconds: 6\n  retryPeriodSeconds: 5\netcd:\n']),
    problems: [
      '42:25: lease.renewDeadlineSeconds is 6, which leaves no time for a second attempt every 5 s (lease.retryPeriodSeconds). Make renewDeadlineSeconds longer than 1.2 times retryPeriodSeconds; client-go uses 10 and 2.',
    ],
  },
  'two subnets of one family': {
    text: rendered('serviceSubnet: [10.96.0.0/16, 10.97.0.0/16]'),
    problems: [
      '41:33: kubernetes.serviceSubnet has two IPv4 subnets, but takes one IPv4 and one IPv6. Remove one, or replace it by one of the other family.',
    ],
  },
  'Services of another family than the API servers': {
    text: rendered('serviceSubnet: ["fd00:96::/112", 10.96.0.0/16]', 'podSubnet: [10.244.0.0/16, "fd00:244::/56"]'),
    problems: [
      "41:19: the Service kubernetes gets an address of fd00:96::/112, the first of kubernetes.serviceSubnet, but leads to host cp1's first address 10.0.0.11, which is IPv4: kube-apiserver does not start so. Make an IPv4 subnet the first of kubernetes.serviceSubnet, such as 10.96.0.0/16, or the host's address of the other family its first.",
    ],
  },
  'one host whose addresses are in another order': {
    text: edited(['kubeadm', 'systemd'], ['10.0.0.12/24', '["fd00::12/64", 10.0.0.12/24]']),
    problems: [
      '3:1: kubernetes.podSubnet has no IPv6 subnet, but host cp2, whose first address is fd00::12, needs Pods with an IPv6 address. Add one, such as fd00:244::/56.',
      "21:17: the Service kubernetes gets an address of 10.96.0.0/16, the first of kubernetes.serviceSubnet, but leads to host cp2's first address fd00::12, which is IPv6: kube-apiserver does not start so. Make an IPv6 subnet the first of kubernetes.serviceSubnet, such as fd00:96::/112, or the host's address of the other family its first.",
    ],
  },
  'Services in a family that Pods lack': {
    text: rendered('serviceSubnet: [10.96.0.0/16, "fd00:96::/112"]', 'podSubnet: 10.244.0.0/16'),
    problems: [
      '42:14: kubernetes.podSubnet has no IPv6 subnet, but kubernetes.serviceSubnet fd00:96::/112 needs Pods with an IPv6 address. Add one, such as fd00:244::/56.',
    ],
  },
  'hardly any Services': {
    text: rendered('serviceSubnet: 10.96.0.0/30'),
    problems: [
      '41:18: kubernetes.serviceSubnet 10.96.0.0/30 has fewer than 8 addresses, with which kube-apiserver does not start. Write a subnet with a prefix length of at most 29.',
    ],
  },
  'Pods of fewer nodes than there are': {
    text: rendered('podSubnet: 10.244.0.0/23'),
    problems: [
      '41:14: kubernetes.podSubnet 10.244.0.0/23 has room for 2 nodes, since each gets a /24, but there are 3 control-plane hosts alone. Write a subnet with a prefix length of at most 22, and less for worker nodes.',
    ],
  },
  'Pods of more nodes than can be counted': {
    text: rendered('podSubnet: [10.244.0.0/16, "fd00::/47"]'),
    problems: [
      '41:30: kubernetes.podSubnet fd00::/47 is too large: kube-controller-manager, which gives each node a /64, does not part it. Write a subnet with a prefix length from 48 to 64.',
    ],
  },
  'Pods among Services': {
    text: rendered('serviceSubnet: 10.240.0.0/12'),
    problems: [
      '41:18: kubernetes.podSubnet 10.244.0.0/16 and kubernetes.serviceSubnet 10.240.0.0/12 overlap, so one address could be that of a Pod and of a Service. Choose subnets that share no address.',
    ],
  },
  'the address and a host among Pods': {
    text: rendered('podSubnet: 10.0.0.0/20')
      .replace('10.0.0.11/24', '10.0.16.11/16')
      .replace('10.0.0.13/24', '10.0.17.13/16')
      .replace('10.0.0.12/24', '10.0.0.12/16'),
    problems: [
      '9:12: the endpoint address 10.0.0.100 lies in kubernetes.podSubnet 10.0.0.0/20, so packets to it would be taken for those of a Pod. Choose another subnet for kubernetes.podSubnet, in which no machine has an address.',
      "21:16: host cp2's address 10.0.0.12 lies in kubernetes.podSubnet 10.0.0.0/20, so packets to it would be taken for those of a Pod. Choose another subnet for kubernetes.podSubnet, in which no machine has an address.",
    ],
  },
  'a port that RKE2 does not take': {
    text: edited(['distribution: kubeadm', 'distribution: rke2'], ['apiserver:\n  port: 6443', 'apiserver:\n  port: 7443']),
    problems: [
      '28:9: apiserver.port is 7443, but the API server of RKE2 always has port 6443. Write 6443, or choose another distribution.',
    ],
  },
  'nftables with a release that is too old for it': {
    text: rendered('version: v1.32.9', 'kubeProxy: nftables'),
    problems: [
      '42:14: kubernetes.kubeProxy is nftables, which v1.32.9 of kubernetes.version has not finished. Set kubernetes.kubeProxy to iptables, or kubernetes.version to v1.33 or newer.',
    ],
  },
  'storage classes that contradict each other, and a regional disk in three zones': {
    text: edited([
      'datapath: proxy\n',
      `datapath: proxy

storageClasses:
  - {name: fast, provisioner: csi.example.com, default: true}
  - {name: fast, provisioner: csi.example.com}
  - name: slow
    provisioner: csi.example.com
    default: true
  - name: regional
    provisioner: pd.csi.storage.gke.io
    zones: [a, b, c]
    parameters: [{name: replication-type, value: regional-pd}]
  - name: anywhere
    provisioner: pd.csi.storage.gke.io
    parameters: [{name: replication-type, value: regional-pd}]
`,
    ]),
    problems: [
      '42:12: two of storageClasses have the name fast, and the second would replace the first. Give each a name of its own.',
      '45:14: the storage classes fast and slow are both the default, so claims that name none would get the newer one. Leave `default: true` with one of them.',
      '48:5: the storage class regional has replication-type regional-pd, whose volumes are in exactly two zones, but zones lists 3. List the two zones that its volumes are to be in.',
      '52:5: the storage class anywhere has replication-type regional-pd, whose volumes are in exactly two zones, but zones lists none. List the two zones that its volumes are to be in.',
    ],
  },
};
