import type { Rule } from '../rule.ts';
import { lineSpan } from '../text-file.ts';

/* The kernel's settings on hosts of the control plane and nodes. */

const file = (text: string) => ({ 'sysctl.conf': text });

type Facts = Parameters<Rule['check']>[0];
/** With the file that it stands in; a glob such as `net.ipv4.conf.*.rp_filter` is taken as it is written. */
const settings = ({ sysctl }: Facts) =>
  sysctl.flatMap(({ file: from, settings: own }) => own.map((setting) => ({ ...setting, from, own })));

export const sysctlRules: readonly Rule[] = [
  {
    id: 'sysctl-forwarding-off',
    severity: 'error',
    title: 'a Kubernetes node does not forward packets',
    why: 'Pods reach nothing outside of their node, and Services nothing at all.',
    fix: 'Set net.ipv4.ip_forward = 1.',
    sources: ['kubernetes.io, Container runtimes, Enable IPv4 packet forwarding'],
    examples: {
      bad: [file('net.bridge.bridge-nf-call-iptables = 1\nnet.ipv4.ip_forward = 0\n')],
      good: [file('net.bridge.bridge-nf-call-iptables = 1\nnet.ipv4.ip_forward = 1\n'), file('net.ipv4.ip_forward = 0\n')],
    },
    *check(facts) {
      for (const { key, value, own, span, valueSpan } of settings(facts))
        if (key === 'net.ipv4.ip_forward' && value === '0' && own.some((other) => other.key.includes('bridge-nf-call')))
          yield { at: span, message: 'net.ipv4.ip_forward is 0 on what looks like a node', edits: [{ span: valueSpan, text: '1' }] };
    },
  },
  {
    id: 'sysctl-bridge-filter-off',
    severity: 'warning',
    title: 'packets between pods of one node pass by kube-proxy’s rules',
    why: 'A pod that calls a Service whose backend is on the same node gets no answer, as it comes from an address that it did not ask.',
    fix: 'Set net.bridge.bridge-nf-call-iptables = 1, unless the CNI says otherwise.',
    sources: ['kubernetes.io, Network plugins, requirements'],
    examples: { bad: [file('net.bridge.bridge-nf-call-iptables = 0\n')], good: [file('net.bridge.bridge-nf-call-iptables = 1\n')] },
    *check(facts) {
      for (const { key, value, span, valueSpan } of settings(facts))
        if (/^net\.bridge\.bridge-nf-call-ip6?tables$/.test(key) && value === '0')
          yield { at: span, message: `${key} is 0`, edits: [{ span: valueSpan, text: '1' }] };
    },
  },
  {
    id: 'sysctl-ipvs-by-hand',
    severity: 'info',
    title: 'settings of IPVS are made that kube-proxy makes itself',
    why: 'They exist only once ip_vs is loaded, so that sysctl fails at boot; with nftables or iptables they have no effect.',
    fix: 'Remove the line: kube-proxy in mode ipvs sets it.',
    sources: ['kube-proxy, ipvs proxier', 'KEP-5495'],
    examples: {
      bad: [file('net.ipv4.vs.conn_reuse_mode = 0\n')],
      good: [file('net.ipv4.ip_forward = 1\n'), file('-net.ipv4.vs.conntrack = 1\n')],
    },
    *check(facts) {
      for (const { key, optional, span } of settings(facts))
        if (!optional && /^net\.ipv4\.vs\.(?:conn_reuse_mode|expire_nodest_conn|expire_quiescent_template|conntrack)$/.test(key))
          yield { at: span, message: `kube-proxy sets ${key} itself`, edits: [{ span: lineSpan(span), text: '' }] };
    },
  },
  {
    id: 'sysctl-tw-recycle',
    severity: 'warning',
    title: 'tcp_tw_recycle does not exist any more',
    why: 'sysctl -p and --system end with an error, and on kernels before 4.12 it drops connections of clients behind a NAT at random.',
    fix: 'Remove the line.',
    sources: ['Linux 4.12, removal of tcp_tw_recycle'],
    examples: { bad: [file('net.ipv4.tcp_tw_recycle = 0\n')], good: [file('net.ipv4.tcp_tw_reuse = 1\n')] },
    *check(facts) {
      for (const { key, span } of settings(facts))
        if (key === 'net.ipv4.tcp_tw_recycle')
          yield { at: span, message: 'net.ipv4.tcp_tw_recycle is gone', edits: [{ span: lineSpan(span), text: '' }] };
    },
  },
  {
    id: 'sysctl-set-twice',
    severity: 'warning',
    title: 'a setting is made twice with different values',
    why: 'The last line counts, whatever the first one says to who reads it.',
    fix: 'Remove one of them.',
    sources: ['sysctl.d(5)'],
    examples: {
      bad: [file('net.ipv4.ip_nonlocal_bind = 1\nnet.ipv4.ip_nonlocal_bind = 0\n')],
      good: [file('net.ipv4.ip_nonlocal_bind = 1\nvm.swappiness = 0\n')],
    },
    *check({ sysctl }) {
      for (const { settings: own } of sysctl) {
        const seen = new Map<string, string>();
        for (const { key, value, span } of own) {
          const first = seen.get(key);
          if (first !== undefined && first !== value) yield { at: span, message: `${key} was ${first} above, and is ${value} here` };
          seen.set(key, value);
        }
      }
    },
  },
];
