import { prefixContains } from '../../../base/address.ts';
import type { Facts } from '../facts.ts';
import { virtualAddresses, type VirtualAddress } from '../look/addresses.ts';
import { documentsOf } from '../look/documents.ts';
import { flagNamed, flagText, isOn, programsNamed, valueAtFlag, variableNamed } from '../look/flags.ts';
import { isAddress, prefixesOf } from '../look/values.ts';
import { listAt, textAt } from '../read/yaml.ts';
import type { Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';
import { kubeVip, staticPod } from './examples.ts';

/* kube-proxy beside addresses that are not its own. */

interface Ipvs {
  at: Span;
  isStrict: boolean;
  excluded: string;
}

/** Every kube-proxy in IPVS mode. */
function inIpvs(facts: Facts): Ipvs[] {
  const ofDocuments = documentsOf(facts, 'kubeproxy.config.k8s.io/', 'KubeProxyConfiguration').flatMap((document) =>
    textAt(document.value, ['mode']) === 'ipvs'
      ? [
          {
            at: document.span(['mode']),
            isStrict: textAt(document.value, ['ipvs', 'strictARP']) === 'true',
            excluded: listAt(document.value, ['ipvs', 'excludeCIDRs']).join(','),
          },
        ]
      : [],
  );
  const ofFlags = programsNamed(facts, 'kube-proxy').flatMap((program) => {
    const mode = flagNamed(program, 'proxy-mode');
    if (mode?.value !== 'ipvs') return [];
    return [
      {
        at: valueAtFlag(mode),
        isStrict: isOn(flagNamed(program, 'ipvs-strict-arp')),
        excluded: flagText(program, 'ipvs-exclude-cidrs') ?? '',
      },
    ];
  });
  return [...ofDocuments, ...ofFlags];
}

/** Addresses that other programs have IPVS rules for. */
function foreignServers(facts: Facts): VirtualAddress[] {
  const isBalancing = programsNamed(facts, 'kube-vip').some((program) => isOn(variableNamed(program, 'lb_enable')));
  return virtualAddresses(facts).filter(({ by, host }) => isAddress(host) && (by === 'lvscare' || (by === 'kube-vip' && isBalancing)));
}

const PROXY = (ipvs = '') => `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\n${ipvs}`;
const LVSCARE = staticPod('lvscare', {
  image: 'ghcr.io/labring/lvscare:v5.0.1',
  command: ['/usr/bin/lvscare', 'care', '--vs', '10.103.97.2:6443', '--rs', '10.0.0.1:6443'],
});

export const kubeProxyRules: readonly Rule[] = [
  {
    id: 'kube-proxy-ipvs',
    severity: 'info',
    title: 'kube-proxy in IPVS mode is deprecated',
    why: 'It is deprecated since Kubernetes 1.35 and will go. It also holds every address of a Service on an interface of each node, and removes IPVS rules that are not its own.',
    fix: 'Use mode nftables, which is stable since 1.33, or iptables.',
    sources: ['KEP-5495', 'kubernetes.io/docs/reference/networking/virtual-ips'],
    examples: { bad: [{ 'proxy.yaml': PROXY() }], good: [{ 'proxy.yaml': PROXY().replace('ipvs', 'nftables') }] },
    *check(facts) {
      for (const { at } of inIpvs(facts)) yield { at, message: 'kube-proxy runs in IPVS mode, which is deprecated since Kubernetes 1.35' };
    },
  },
  {
    id: 'kube-proxy-strict-arp',
    severity: 'error',
    title: 'kube-proxy in IPVS mode answers ARP for addresses that are not on the wire',
    why: 'Every node holds all addresses of Services, and without strictARP answers ARP for them on any interface. A virtual address beside them is found on several nodes at once.',
    fix: 'Set ipvs.strictARP: true, or leave IPVS mode.',
    sources: ['kube-vip.io/docs', 'metallb.io/installation, strictARP'],
    examples: {
      bad: [{ 'proxy.yaml': PROXY(), 'kube-vip.yaml': kubeVip() }],
      good: [{ 'proxy.yaml': PROXY('ipvs: {strictARP: true}\n'), 'kube-vip.yaml': kubeVip() }, { 'proxy.yaml': PROXY() }],
    },
    *check(facts) {
      const moving = virtualAddresses(facts).find(({ by }) => by !== 'lvscare');
      const isMetallb = facts.documents.some(({ apiVersion, kind }) => apiVersion.startsWith('metallb.io/') && kind === 'L2Advertisement');
      if (moving === undefined && !isMetallb) return;
      for (const { at, isStrict } of inIpvs(facts))
        if (!isStrict)
          yield {
            at,
            message: `kube-proxy runs in IPVS mode without strictARP, beside ${moving === undefined ? 'MetalLB' : `the virtual address ${moving.host}`}`,
          };
    },
  },
  {
    id: 'kube-proxy-exclude-cidrs',
    severity: 'error',
    title: "kube-proxy in IPVS mode removes another program's IPVS rules",
    why: 'kube-proxy deletes every virtual server that it did not make, so the rules for the API come and go, and nodes lose the API for seconds at a time.',
    fix: 'Add the address with /32 (/128) to ipvs.excludeCIDRs.',
    sources: ['kube-vip #454', 'kube-vip #745', 'sealos'],
    examples: {
      bad: [{ 'proxy.yaml': PROXY(), 'lvscare.yaml': LVSCARE }],
      good: [{ 'proxy.yaml': PROXY('ipvs: {excludeCIDRs: [10.103.97.2/32]}\n'), 'lvscare.yaml': LVSCARE }],
    },
    *check(facts) {
      for (const { at, excluded } of inIpvs(facts)) {
        const foreign = foreignServers(facts).find(({ host }) => !prefixesOf(excluded).some((prefix) => prefixContains(prefix, host)));
        if (foreign !== undefined)
          yield { at, message: `ipvs.excludeCIDRs does not hold ${foreign.host}, for which ${foreign.by} has IPVS rules` };
      }
    },
  },
  {
    id: 'kube-proxy-userspace',
    severity: 'error',
    title: 'kube-proxy has no such mode any more',
    why: 'The mode userspace went with Kubernetes 1.26: kube-proxy does not start, and Services lead nowhere.',
    fix: 'Use nftables or iptables.',
    sources: ['kubernetes.io/docs/reference/networking/virtual-ips'],
    examples: {
      bad: [{ 'proxy.yaml': PROXY().replace('ipvs', 'userspace') }],
      good: [{ 'proxy.yaml': PROXY().replace('ipvs', 'iptables') }],
    },
    *check(facts) {
      for (const document of documentsOf(facts, 'kubeproxy.config.k8s.io/', 'KubeProxyConfiguration'))
        if (textAt(document.value, ['mode']) === 'userspace')
          yield { at: document.span(['mode']), message: 'kube-proxy has no mode userspace since 1.26' };
    },
  },
];
