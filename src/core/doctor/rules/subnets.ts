import { formatPrefix, type Prefix, parsePrefix, prefixContains } from '../../../base/address.ts';
import type { Facts } from '../facts.ts';
import { endpoints, nodeAddresses, virtualAddresses } from '../look/addresses.ts';
import { documentsOf, KUBEADM } from '../look/documents.ts';
import { flagNamed, flagText, isOpen, programsNamed, valueAtFlag } from '../look/flags.ts';
import { isAddress, list, overlap, prefixesOf } from '../look/values.ts';
import { listAt, textAt, type Path, type YamlDocument } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';
import { clusterConfiguration, kubeadm, kubeVip } from './examples.ts';

/* Subnets of Pods and Services, and what must not lie in them. */

interface Subnet {
  of: 'Pods' | 'Services';
  prefix: Prefix;
  at: Span;
}

function subnets(facts: Facts): Subnet[] {
  const ofKubeadm = documentsOf(facts, KUBEADM, 'ClusterConfiguration').flatMap((document) => [
    ...subnetsAt(document, { path: ['networking', 'podSubnet'], of: 'Pods' }),
    ...subnetsAt(document, { path: ['networking', 'serviceSubnet'], of: 'Services' }),
  ]);
  const flags: readonly (readonly [string, Subnet['of']])[] = [
    ['cluster-cidr', 'Pods'],
    ['service-cidr', 'Services'],
    ['service-cluster-ip-range', 'Services'],
  ];
  const ofFlags = programsNamed(facts, 'k3s', 'rke2', 'kube-apiserver', 'kube-controller-manager').flatMap((program) =>
    flags.flatMap(([name, of]) => {
      const flag = flagNamed(program, name);
      return flag === undefined ? [] : prefixesOf(flag.value).map((prefix) => ({ of, prefix, at: valueAtFlag(flag) }));
    }),
  );
  return [...ofKubeadm, ...ofFlags];
}

function subnetsAt(document: YamlDocument, { path, of }: { path: Path; of: Subnet['of'] }): Subnet[] {
  return prefixesOf(textAt(document.value, path)).map((prefix) => ({ of, prefix, at: document.span(path) }));
}

function* overlaps(facts: Facts): Iterable<Hit> {
  const all = subnets(facts);
  for (const pods of all.filter(({ of }) => of === 'Pods')) {
    const other = all.find((one) => one.of === 'Services' && one.at.file === pods.at.file && overlap(one.prefix, pods.prefix));
    if (other !== undefined)
      yield {
        at: pods.at,
        message: `the subnet of Pods ${formatPrefix(pods.prefix)} overlaps that of Services ${formatPrefix(other.prefix)}`,
      };
  }
}

function* inside(facts: Facts): Iterable<Hit> {
  const nodes = nodeAddresses(facts).map(({ host }) => ({ host, what: "a node's address" }));
  const named = endpoints(facts).map(({ host }) => ({ host, what: 'controlPlaneEndpoint' }));
  // The address of a balancer on every node exists on no wire, and lies among those of Services on purpose.
  const moving = virtualAddresses(facts).flatMap(({ host, by }) =>
    by === 'lvscare' ? [] : [{ host, what: `the virtual address of ${by}` }],
  );
  const local = new Set(virtualAddresses(facts).flatMap(({ host, by }) => (by === 'lvscare' ? [host] : [])));
  // Of each address the first; a thousand files name the same ones again and again.
  const addresses = new Map<string, string>();
  for (const { host, what } of [...moving, ...nodes, ...named])
    if (isAddress(host) && !local.has(host) && !addresses.has(host)) addresses.set(host, what);
  for (const { of, prefix, at } of subnets(facts)) {
    const clash = [...addresses].find(([host]) => prefixContains(prefix, host));
    if (clash !== undefined) yield { at, message: `${clash[0]}, ${clash[1]}, lies in the subnet of ${of} ${formatPrefix(prefix)}` };
  }
}

/** Networks that the network plugin hands out, where the set says so. */
function* pluginNetworks(facts: Facts): Iterable<{ prefix: Prefix; at: Span; plugin: string }> {
  for (const document of facts.documents) {
    const text = textAt(document.value, ['data', 'net-conf.json']);
    const network = parsePrefix(/"Network"\s*:\s*"([^"]+)"/.exec(text ?? '')?.[1] ?? '');
    if (network !== undefined) yield { prefix: network, at: document.span(['data', 'net-conf.json'], 'key'), plugin: 'Flannel' };
    const pools: Path[] = document.kind === 'IPPool' && document.apiVersion.includes('projectcalico') ? [['spec', 'cidr']] : [];
    const isOperator = document.kind === 'Installation' && document.apiVersion.startsWith('operator.tigera.io');
    const listed = isOperator ? listAt(document.value, ['spec', 'calicoNetwork', 'ipPools']) : [];
    for (const path of [...pools, ...listed.map((_, i): Path => ['spec', 'calicoNetwork', 'ipPools', i, 'cidr'])]) {
      const prefix = parsePrefix(textAt(document.value, path) ?? '');
      if (prefix !== undefined) yield { prefix, at: document.span(path), plugin: 'Calico' };
    }
  }
  for (const { env } of facts.programs)
    for (const variable of env) {
      const prefix = variable.name === 'CALICO_IPV4POOL_CIDR' ? parsePrefix(variable.value ?? '') : undefined;
      if (prefix !== undefined) yield { prefix, at: valueAtFlag(variable), plugin: 'Calico' };
    }
}

function* otherNetworks(facts: Facts): Iterable<Hit> {
  const pods = subnets(facts).filter(({ of }) => of === 'Pods');
  for (const { prefix, at, plugin } of pluginNetworks(facts)) {
    const ofFamily = pods.filter((one) => one.prefix.address.includes(':') === prefix.address.includes(':'));
    const fits = ofFamily.some((one) => prefixContains(one.prefix, prefix.address) && one.prefix.length <= prefix.length);
    if (ofFamily.length > 0 && !fits)
      yield {
        at,
        message: `${plugin} hands out ${formatPrefix(prefix)}, but the cluster's subnet of Pods is ${list(ofFamily.map((one) => formatPrefix(one.prefix)))}`,
      };
  }
}

function* small(facts: Facts): Iterable<Hit> {
  const masks = programsNamed(facts, 'kube-controller-manager').flatMap(
    (one) => flagText(one, 'node-cidr-mask-size') ?? flagText(one, 'node-cidr-mask-size-ipv4') ?? [],
  );
  const mask = masks[0] === undefined || isOpen(masks[0]) ? 24 : Number(masks[0]);
  for (const { of, prefix, at } of subnets(facts)) {
    if (of !== 'Pods' || prefix.address.includes(':')) continue;
    const nodes = prefix.length > mask ? 0 : 2 ** (mask - prefix.length);
    if (nodes < 4)
      yield {
        at,
        message: `the subnet of Pods ${formatPrefix(prefix)} has room for ${nodes} node${nodes === 1 ? '' : 's'}, since each gets a /${mask}`,
      };
  }
}

const FLANNEL = (network: string) =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-flannel-cfg}\ndata:\n  net-conf.json: |\n    {"Network": "${network}"}\n`;

export const subnetRules: readonly Rule[] = [
  {
    id: 'cluster-subnets-overlap',
    severity: 'error',
    title: 'the subnets of Pods and Services overlap',
    why: 'One address can be that of a Pod and of a Service: now and then a Pod cannot be reached, for no reason that can be seen.',
    fix: 'Choose two subnets that share no address, before the cluster is made; afterwards neither can be changed in place.',
    sources: ['kubernetes.io/docs/concepts/cluster-administration/networking'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('networking: {podSubnet: 10.96.0.0/16, serviceSubnet: 10.96.0.0/12}\n') }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12}\n') }],
    },
    check: overlaps,
  },
  {
    id: 'cluster-address-in-subnet',
    severity: 'error',
    title: 'a node or the virtual address lies in a subnet of the cluster',
    why: 'Inside the cluster, packets to it are taken for those of a Pod or Service and end up there, or nowhere.',
    fix: 'Choose subnets in which no machine, and no balancer, has an address.',
    sources: ['kubernetes.io/docs/concepts/cluster-administration/networking'],
    examples: {
      bad: [
        { 'kubeadm.yaml': clusterConfiguration('networking: {serviceSubnet: 10.0.0.0/16}\n'), 'kube-vip.yaml': kubeVip() },
        {
          'kubeadm.yaml': `${kubeadm('InitConfiguration', 'localAPIEndpoint: {advertiseAddress: 10.96.3.1}\n')}---\n${clusterConfiguration('networking: {serviceSubnet: 10.96.0.0/12}\n')}`,
        },
      ],
      good: [{ 'kubeadm.yaml': clusterConfiguration('networking: {serviceSubnet: 10.96.0.0/12}\n'), 'kube-vip.yaml': kubeVip() }],
    },
    check: inside,
  },
  {
    id: 'cluster-pod-network-differs',
    severity: 'error',
    title: "the network plugin hands out other addresses than the cluster's subnet of Pods",
    why: 'kube-controller-manager gives nodes parts of one network and the plugin uses another: Pods on different nodes do not reach each other, or are taken for foreign.',
    fix: 'Write the same network into both.',
    sources: ['github.com/flannel-io/flannel, Documentation/kubernetes.md', 'docs.tigera.io, CALICO_IPV4POOL_CIDR'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('networking: {podSubnet: 10.42.0.0/16}\n'), 'flannel.yaml': FLANNEL('10.244.0.0/16') }],
      good: [
        { 'kubeadm.yaml': clusterConfiguration('networking: {podSubnet: 10.244.0.0/16}\n'), 'flannel.yaml': FLANNEL('10.244.0.0/16') },
      ],
    },
    check: otherNetworks,
  },
  {
    id: 'cluster-pod-subnet-small',
    severity: 'warning',
    title: 'the subnet of Pods has room for fewer than four nodes',
    why: 'Each node takes a part of it. When none is left, further nodes join and never become ready, with "CIDRNotAvailable".',
    fix: 'Choose a /16, or smaller parts with the node-cidr-mask-size of kube-controller-manager.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager, --node-cidr-mask-size'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('networking: {podSubnet: 10.244.0.0/24}\n') }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('networking: {podSubnet: 10.244.0.0/16}\n') }],
    },
    check: small,
  },
];
