import type { Rule } from '../rule.ts';
import { lineSpan, type Span } from '../text-file.ts';
import { entriesOf, entryOf, globalsOf, instancesOf, replaceValue } from './keepalived-model.ts';

/* Values that keepalived does not take as they are written. */

const instance = (pass: string, type = 'PASS') => ({
  'keepalived.conf': `vrrp_instance API {\n  interface eth0\n  virtual_router_id 87\n  authentication {\n    auth_type ${type}\n    auth_pass ${pass}\n  }\n  virtual_ipaddress {\n    10.0.0.100\n  }\n}\n`,
});
const globals = (line: string) => ({ 'keepalived.conf': `global_defs {\n  router_id cp1\n  ${line}\n}\n` });
const server = (lines: string, check = '') => ({
  'keepalived.conf': `virtual_server 10.0.0.100 6443 {\n  ${lines}\n  real_server 10.0.0.11 6443 {\n    TCP_CHECK {\n      connect_timeout 3\n${check}    }\n  }\n}\n`,
});
const good = [instance('s3cret')];
const SCHEDULERS = 'rr wrr lc wlc lblc lblcr sh mh dh fo ovf sed nq twos'.split(' ');

const authentications = (facts: Parameters<Rule['check']>[0]) =>
  instancesOf(facts).flatMap(({ entry }) => entriesOf(entry.block, 'authentication'));

export const keepalivedValueRules: readonly Rule[] = [
  {
    id: 'keepalived-auth-cut',
    severity: 'warning',
    title: 'a password ends at its # or !',
    why: 'There a comment begins: only what stands before it counts, and a host whose file has it in quotes has another password.',
    fix: 'Put the password in double quotes on all hosts, or leave such characters out.',
    sources: ['keepalived.conf(5), comments'],
    examples: { bad: [instance('ZqSj#f1G')], good: [...good, instance('"ab#cd"'), instance('s3cret # ours')] },
    *check(facts) {
      for (const pass of authentications(facts).flatMap((block) => entryOf(block, 'auth_pass') ?? [])) {
        const { file, end } = pass.spans[1] ?? pass.span;
        if (/[#!]/.test(file.text.charAt(end)))
          yield { at: pass.span, message: `only ${Math.max(0, (pass.words[1] ?? '').length)} characters of this password count` };
      }
    },
  },
  {
    id: 'keepalived-auth-header',
    severity: 'info',
    title: 'VRRP messages carry an authentication header',
    why: 'It is gone from the standard since 2004 and works over multicast only: with unicast_peer the hosts do not hear each other.',
    fix: 'Remove the authentication block; use unicast_peer, and let the firewall pass protocol 112 from the peers only.',
    sources: ['RFC 3768, section 10', 'keepalived.conf(5), auth_type'],
    examples: { bad: [instance('s3cret', 'AH')], good },
    *check(facts) {
      for (const type of authentications(facts).flatMap((block) => entryOf(block, 'auth_type') ?? []))
        if (type.words[1] === 'AH') yield { at: type.span, message: 'auth_type AH' };
    },
  },
  {
    id: 'keepalived-interval-zero',
    severity: 'info',
    title: 'a value of 0 is out of range, and left out',
    why: 'keepalived says so at each start, among lines that matter more.',
    fix: 'Remove the line.',
    sources: ['keepalived 2.2.7, messages of keepalived --config-test'],
    examples: { bad: [globals('vrrp_garp_interval 0')], good: [globals('vrrp_garp_interval 0.001')] },
    *check({ keepalived }) {
      const entries = keepalived.flatMap((config) => [
        ...globalsOf(config).flatMap(({ block }) => entriesOf(block, 'vrrp_garp_interval', 'vrrp_gna_interval')),
        ...entriesOf(config.entries, 'virtual_server').flatMap(({ block }) => entriesOf(block, 'persistence_timeout')),
      ]);
      for (const { words, span } of entries)
        if (/^0+(?:\.0+)?$/.test(words[1] ?? ''))
          yield { at: span, message: `${words.join(' ')} is out of range`, edits: [{ span: lineSpan(span), text: '' }] };
    },
  },
  {
    id: 'keepalived-lvs-scheduler',
    severity: 'warning',
    title: 'there is no scheduler of that name',
    why: 'keepalived leaves the line out and takes wlc.',
    fix: 'Write rr, wrr, lc or wlc.',
    sources: ['keepalived.conf(5), lvs_sched'],
    examples: { bad: [server('lb_algo loadbalance')], good: [server('lb_algo wlc')] },
    *check({ keepalived }) {
      for (const entry of keepalived.flatMap(({ entries }) =>
        entriesOf(entries, 'virtual_server').flatMap(({ block }) => entriesOf(block, 'lb_algo', 'lvs_sched')),
      )) {
        const name = entry.words[1] ?? '';
        if (!SCHEDULERS.includes(name) && !name.includes('$'))
          yield { at: entry.span, message: `there is no scheduler ${name}`, edits: replaceValue(entry, 'wlc') };
      }
    },
  },
  {
    id: 'keepalived-lvs-old-keyword',
    severity: 'info',
    title: 'a keyword of a virtual server is gone',
    why: 'keepalived passes over it with a line in its log: what it should do is not done.',
    fix: 'Write retry for nb_get_retry; leave nat_mask and net_mask out.',
    sources: ['keepalived.conf(5), real_server'],
    examples: {
      bad: [server('net_mask 255.255.255.0'), server('lb_algo rr', '      nb_get_retry 3\n')],
      good: [server('lb_algo rr', '      retry 3\n')],
    },
    *check({ keepalived }) {
      for (const virtual of keepalived.flatMap(({ entries }) => entriesOf(entries, 'virtual_server'))) {
        for (const { span } of entriesOf(virtual.block, 'net_mask', 'nat_mask'))
          yield { at: span, message: 'this keyword does nothing', edits: [{ span: lineSpan(span), text: '' }] };
        const checkers = entriesOf(virtual.block, 'real_server').flatMap(({ block = [] }) => block);
        for (const { spans } of checkers.flatMap(({ block }) => entriesOf(block, 'nb_get_retry')))
          yield { at: spans[0] as Span, message: 'nb_get_retry is retry now', edits: [{ span: spans[0] as Span, text: 'retry' }] };
      }
    },
  },
];
