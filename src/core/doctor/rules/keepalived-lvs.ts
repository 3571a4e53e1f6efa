import type { KeepalivedEntry } from '../read/keepalived.ts';
import type { Rule } from '../rule.ts';
import { lineSpan } from '../text-file.ts';
import { entriesOf, entryOf, hostAddresses, instancesOf, numberOf, peersOf, replaceValue, valueOf } from './keepalived-model.ts';
import { isSameHost } from './same-host.ts';

/* keepalived as a balancer: virtual servers of IPVS before API servers. */

const CHECK = '    SSL_GET {\n      url {\n        path /readyz\n        status_code 200\n      }\n      connect_timeout 2\n    }\n';
const server = (check = CHECK, lines = '', address = '10.0.0.11') =>
  `virtual_server 10.0.0.100 6443 {\n  delay_loop 3\n  lvs_sched wlc\n  lvs_method DR\n  protocol TCP\n${lines}  real_server ${address} 6443 {\n    weight 1\n${check}  }\n}\n`;
const SYSCTL = { 'sysctl.conf': 'net.ipv4.conf.all.arp_ignore = 1\nnet.ipv4.conf.all.arp_announce = 2\n' };
const good = [{ 'keepalived.conf': server(), ...SYSCTL }];
const CHECKERS = [
  'TCP_CHECK',
  'HTTP_GET',
  'SSL_GET',
  'MISC_CHECK',
  'SMTP_CHECK',
  'DNS_CHECK',
  'BFD_CHECK',
  'UDP_CHECK',
  'PING_CHECK',
  'FILE_CHECK',
];

const virtualServers = ({ keepalived }: Parameters<Rule['check']>[0]): KeepalivedEntry[] =>
  keepalived.flatMap(({ entries }) => entriesOf(entries, 'virtual_server'));
const realServers = (entry: KeepalivedEntry): KeepalivedEntry[] => entriesOf(entry.block, 'real_server');
const isApi = (entry: KeepalivedEntry): boolean => entry.words[2] === '6443' || realServers(entry).some(({ words }) => words[2] === '6443');
const apiServers = (facts: Parameters<Rule['check']>[0]): KeepalivedEntry[] => virtualServers(facts).filter(isApi);

export const keepalivedLvsRules: readonly Rule[] = [
  {
    id: 'keepalived-lvs-unchecked',
    severity: 'error',
    title: 'a real server has no check',
    why: 'IPVS goes on sending connections to it when it is dead.',
    fix: 'Add SSL_GET { url { path /readyz status_code 200 } }.',
    sources: ['keepalived.conf(5), real_server', 'kube-vip #895'],
    examples: { bad: [{ 'keepalived.conf': server('') }], good },
    *check(facts) {
      for (const real of virtualServers(facts).flatMap(realServers))
        if (entryOf(real, ...CHECKERS, 'include') === undefined)
          yield { at: real.span, message: `nothing checks the real server ${real.words[1] ?? ''}` };
    },
  },
  {
    id: 'keepalived-lvs-tcp-check',
    severity: 'warning',
    title: 'API servers are checked by a TCP connection only',
    why: 'An API server that has lost etcd, is not ready yet or is shutting down still accepts connections, so it keeps its share of them.',
    fix: 'Use SSL_GET { url { path /readyz status_code 200 } } instead of TCP_CHECK.',
    sources: ['keepalived.conf(5), TCP_CHECK and SSL_GET'],
    examples: { bad: [{ 'keepalived.conf': server('    TCP_CHECK {\n      connect_timeout 3\n    }\n') }], good },
    *check(facts) {
      for (const real of apiServers(facts).flatMap(realServers)) {
        const check = entryOf(real, 'TCP_CHECK');
        if (check !== undefined && entryOf(real, ...CHECKERS.slice(1)) === undefined)
          yield { at: check.span, message: `${real.words[1] ?? ''} is checked by TCP_CHECK only` };
      }
    },
  },
  {
    id: 'keepalived-lvs-plain-http',
    severity: 'error',
    title: 'the check speaks plain HTTP to the TLS port of API servers',
    why: 'They answer it with 400, so keepalived takes all of them out.',
    fix: 'Write SSL_GET instead of HTTP_GET.',
    sources: ['keepalived.conf(5), SSL_GET'],
    examples: { bad: [{ 'keepalived.conf': server(CHECK.replace('SSL_GET', 'HTTP_GET')) }], good },
    *check(facts) {
      for (const real of apiServers(facts)
        .flatMap(realServers)
        .filter(({ words }) => words[2] === '6443')) {
        const check = entryOf(real, 'HTTP_GET');
        if (check !== undefined && numberOf(check, 'connect_port') === undefined)
          yield {
            at: check.span,
            message: `${real.words[1] ?? ''} is asked in plain HTTP`,
            edits: [{ span: check.span, text: 'SSL_GET' }],
          };
      }
    },
  },
  {
    id: 'keepalived-lvs-slow',
    severity: 'warning',
    title: 'real servers are checked less often than every 10 s',
    why: 'For that long, a dead API server goes on getting its share of all connections.',
    fix: 'Write delay_loop 3.',
    sources: ['keepalived.conf(5), delay_loop (60 s by default)'],
    examples: {
      bad: [
        { 'keepalived.conf': server().replace('delay_loop 3', 'delay_loop 30') },
        { 'keepalived.conf': server().replace('  delay_loop 3\n', '') },
      ],
      good,
    },
    *check(facts) {
      for (const entry of apiServers(facts)) {
        const delay = entryOf(entry, 'delay_loop');
        const seconds = numberOf(entry, 'delay_loop') ?? (delay === undefined ? 60 : 0);
        if (seconds > 10)
          yield {
            at: (delay ?? entry).span,
            message: `real servers are checked every ${seconds} s`,
            ...(delay !== undefined && { edits: replaceValue(delay, '3') }),
          };
      }
    },
  },
  {
    id: 'keepalived-lvs-persistence',
    severity: 'warning',
    title: 'clients are tied to one API server',
    why: 'A host’s connections all go to one master, even for a time after it has died.',
    fix: 'Remove persistence_timeout.',
    sources: ['keepalived.conf(5), persistence_timeout', 'kubernetes #48610'],
    examples: { bad: [{ 'keepalived.conf': server(undefined, '  persistence_timeout 50\n') }], good },
    *check(facts) {
      for (const entry of apiServers(facts)) {
        const setting = entryOf(entry, 'persistence_timeout');
        if (setting !== undefined && setting.words[1] !== '0')
          yield { at: setting.span, message: setting.words.join(' '), edits: [{ span: lineSpan(setting.span), text: '' }] };
      }
    },
  },
  {
    id: 'keepalived-lvs-inhibit',
    severity: 'info',
    title: 'a dead API server is kept with weight 0',
    why: 'Connections that stand to it are not cut: their clients wait for their own time-outs instead of going elsewhere.',
    fix: 'Leave out inhibit_on_failure.',
    sources: ['keepalived.conf(5), inhibit_on_failure', 'kubernetes #48638'],
    examples: { bad: [{ 'keepalived.conf': server(`    inhibit_on_failure\n${CHECK}`) }], good },
    *check(facts) {
      for (const owner of apiServers(facts).flatMap((entry) => [entry, ...realServers(entry)]))
        for (const { span } of entriesOf(owner.block, 'inhibit_on_failure'))
          yield { at: span, message: 'inhibit_on_failure keeps connections to a dead API server' };
    },
  },
  {
    id: 'keepalived-lvs-on-masters',
    severity: 'error',
    title: 'the balancer’s hosts are its own real servers',
    why: 'With direct routing, the standby has the same rules and sends the holder’s packets back: they loop. And the holder’s own calls are answered by itself even when its API server is dead.',
    fix: 'On control-plane hosts use HAProxy; leave IPVS to balancers of their own, or to each node (lvscare).',
    sources: ['kube-vip #745', 'k0s #5178', 'Linux Virtual Server HOWTO, LVS-DR'],
    examples: {
      bad: [
        {
          'keepalived.conf': `vrrp_instance API {\n  unicast_src_ip 10.0.0.11\n  unicast_peer {\n    10.0.0.12\n  }\n  virtual_ipaddress {\n    10.0.0.100\n  }\n}\n${server()}`,
        },
      ],
      good,
    },
    *check(facts) {
      for (const config of facts.keepalived) {
        const here = facts.keepalived.filter((candidate) => candidate === config || isSameHost(candidate.file, config.file));
        const own = new Set([
          ...hostAddresses(here),
          ...instancesOf({ keepalived: here }).flatMap((instance) => peersOf(instance).map(({ text }) => text)),
        ]);
        for (const entry of entriesOf(config.entries, 'virtual_server').filter(
          (candidate) => !/^(?:NAT|TUN)$/.test(valueOf(candidate, 'lvs_method', 'lb_kind') ?? 'NAT'),
        )) {
          const real = realServers(entry).find(({ words }) => own.has(words[1] ?? ''));
          if (real !== undefined) yield { at: real.span, message: `${real.words[1]} is both a balancer and a real server` };
        }
      }
    },
  },
  {
    id: 'keepalived-lvs-arp',
    severity: 'warning',
    title: 'direct routing without the ARP settings that it needs',
    why: 'Every real server has the address on its loopback; without arp_ignore and arp_announce each answers for it, and clients reach one master past the balancer.',
    fix: 'Set net.ipv4.conf.all.arp_ignore = 1 and net.ipv4.conf.all.arp_announce = 2 on the real servers.',
    sources: ['kernel.org, ip-sysctl, arp_ignore and arp_announce'],
    examples: {
      bad: [{ 'keepalived.conf': server(), 'sysctl.conf': 'net.ipv4.ip_forward = 1\n' }],
      good: [...good, { 'keepalived.conf': server() }],
    },
    *check(facts) {
      // Without any file of the kernel's settings, nothing is known of them.
      if (facts.sysctl.length === 0) return;
      const isSet = (key: string, values: RegExp) =>
        facts.sysctl.some(({ settings }) => settings.some((setting) => setting.key.endsWith(key) && values.test(setting.value)));
      if (isSet('.arp_ignore', /^[1-8]$/) && isSet('.arp_announce', /^[12]$/)) return;
      for (const entry of virtualServers(facts)) {
        const method = entryOf(entry, 'lvs_method', 'lb_kind');
        if (method?.words[1] === 'DR')
          yield { at: method.span, message: 'direct routing, but the sysctl files set no arp_ignore = 1 and arp_announce = 2' };
      }
    },
  },
];
