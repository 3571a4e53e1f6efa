import type { Rule } from '../rule.ts';
import { lineSpan } from '../text-file.ts';
import {
  addressesOf,
  entriesOf,
  entryOf,
  globalOf,
  globalsOf,
  instancesOf,
  isUnicast,
  numberOf,
  ownAddress,
  peersOf,
  replaceValue,
  valueOf,
  versionOf,
} from './keepalived-model.ts';

/* One VRRP instance: its number, priority, timing, addresses and peers. */

const instance = (lines = '', globals = ''): string =>
  `global_defs {\n  router_id cp1\n  vrrp_garp_master_refresh 60\n${globals}}\nvrrp_instance API {\n  state BACKUP\n  nopreempt\n  interface eth0\n  virtual_router_id 87\n  priority 102\n${lines}  virtual_ipaddress {\n    10.0.0.100/32\n  }\n  track_process {\n    haproxy\n  }\n}\n`;
const file = (text: string) => ({ 'keepalived.conf': text });
const good = [file(instance('  advert_int 1\n'))];
const PASS = '  authentication {\n    auth_type PASS\n    auth_pass s3cret\n  }\n';

export const keepalivedInstanceRules: readonly Rule[] = [
  {
    id: 'keepalived-vrid-51',
    severity: 'warning',
    title: 'the virtual router id is that of every sample file',
    why: 'Another pair on the same network that was copied from a sample has 51 too: the two take each other’s messages for their own, and an address goes missing or stands on two hosts.',
    fix: 'Choose another number from 1 to 255, the same on all hosts of this address, and use unicast_peer.',
    sources: ['openshift/installer #2966', 'oracle-cne/ocne #492', 'RFC 9568, section 5.2.3'],
    examples: { bad: [file(instance().replace('87', '51'))], good },
    *check(facts) {
      for (const { entry } of instancesOf(facts)) {
        const id = entryOf(entry, 'virtual_router_id');
        if (id?.words[1] === '51') yield { at: id.span, message: 'virtual_router_id 51 is the one of every sample file' };
      }
    },
  },
  {
    id: 'keepalived-vrid-range',
    severity: 'error',
    title: 'an instance has no valid virtual router id',
    why: 'keepalived leaves the instance out, and nobody holds its address.',
    fix: 'Give virtual_router_id from 1 to 255.',
    sources: ['keepalived.conf(5), virtual_router_id'],
    examples: { bad: [file(instance().replace('87', '300')), file(instance().replace('  virtual_router_id 87\n', ''))], good },
    *check(facts) {
      for (const { entry, name } of instancesOf(facts)) {
        const id = entryOf(entry, 'virtual_router_id');
        const value = numberOf(entry, 'virtual_router_id');
        if (id === undefined) {
          if (entriesOf(entry.block, 'include').length === 0) yield { at: entry.span, message: `${name} has no virtual_router_id` };
        } else if (value !== undefined && (value < 1 || value > 255))
          yield { at: id.span, message: `virtual_router_id ${id.words[1]} is not from 1 to 255` };
      }
    },
  },
  {
    id: 'keepalived-vrid-reused',
    severity: 'error',
    title: 'two instances of one host have the same virtual router id',
    why: 'keepalived refuses the second, and its address has no guard.',
    fix: 'Give each instance on an interface its own number.',
    sources: ['keepalived.conf(5), virtual_router_id'],
    examples: {
      bad: [
        file(
          instance() + instance().slice(instance().indexOf('vrrp_instance')).replace('API', 'INGRESS').replace('10.0.0.100', '10.0.0.101'),
        ),
      ],
      good,
    },
    *check(facts) {
      for (const config of facts.keepalived) {
        const seen = new Map<string, string>();
        for (const { entry, name } of instancesOf({ keepalived: [config] })) {
          const id = entryOf(entry, 'virtual_router_id');
          const family = addressesOf({ config, entry, name }).some(({ address }) => address.includes(':')) ? 6 : 4;
          const key = `${valueOf(entry, 'interface') ?? ''} ${family} ${id?.words[1] ?? ''}`;
          const first = seen.get(key);
          if (first !== undefined && first !== name && id?.words[1] !== undefined && !isUnicast({ config, entry, name }))
            yield { at: id.span, message: `${name} and ${first} both have virtual_router_id ${id.words[1]} on one interface` };
          seen.set(key, name);
        }
      }
    },
  },
  {
    id: 'keepalived-priority-range',
    severity: 'error',
    title: 'a priority is not from 1 to 254',
    why: 'Above 255, keepalived falls back to 100; 255 is for the owner of the address and takes it whatever the health checks say; 0 means that the holder is leaving.',
    fix: 'Use 100 to 200, with differences that fit the weights of the check scripts.',
    sources: ['RFC 9568, section 5.2.4', 'keepalived.conf(5), priority'],
    examples: { bad: [file(instance().replace('102', '255')), file(instance().replace('102', '300'))], good },
    *check(facts) {
      for (const { entry } of instancesOf(facts)) {
        const value = numberOf(entry, 'priority');
        if (value !== undefined && (value < 1 || value > 254))
          yield { at: entryOf(entry, 'priority')?.span ?? entry.span, message: `priority ${value} is not from 1 to 254` };
      }
    },
  },
  {
    id: 'keepalived-state-word',
    severity: 'warning',
    title: 'state is neither MASTER nor BACKUP',
    why: 'keepalived takes it for BACKUP, which may not be what is meant.',
    fix: 'Write BACKUP on all hosts.',
    sources: ['keepalived.conf(5), state'],
    examples: { bad: [file(instance().replace('BACKUP', 'SLAVE'))], good },
    *check(facts) {
      for (const { entry } of instancesOf(facts)) {
        const state = entryOf(entry, 'state');
        const word = state?.words[1];
        if (state !== undefined && word !== undefined && !/^(?:MASTER|BACKUP)$|\$/.test(word))
          yield { at: state.span, message: `state ${word} is unknown`, edits: replaceValue(state, 'BACKUP') };
      }
    },
  },
  {
    id: 'keepalived-nopreempt-master',
    severity: 'warning',
    title: 'nopreempt or preempt_delay stands beside state MASTER',
    why: 'keepalived ignores it then: the host takes the address back as soon as it is up, and every client connection breaks a second time.',
    fix: 'Write state BACKUP on all hosts; priority alone decides who begins.',
    sources: ['keepalived.conf(5), nopreempt'],
    examples: { bad: [file(instance().replace('BACKUP', 'MASTER'))], good },
    *check(facts) {
      for (const { entry } of instancesOf(facts)) {
        const state = entryOf(entry, 'state');
        const option = entryOf(entry, 'nopreempt', 'preempt_delay');
        if (state?.words[1] === 'MASTER' && option !== undefined)
          yield { at: option.span, message: `${option.words[0]} has no effect with state MASTER`, edits: replaceValue(state, 'BACKUP') };
      }
    },
  },
  {
    id: 'keepalived-preempts',
    severity: 'info',
    title: 'a host takes the address back as soon as it is up again',
    why: 'One failure moves the address twice, and each move resets every connection; a host that comes and goes moves it again and again.',
    fix: 'Write nopreempt, with state BACKUP on all hosts; or preempt_delay 60.',
    sources: ['keepalived.conf(5), nopreempt and preempt_delay'],
    examples: { bad: [file(instance().replace('  nopreempt\n', ''))], good },
    *check(facts) {
      for (const { entry, name } of instancesOf(facts))
        if (entryOf(entry, 'nopreempt', 'preempt_delay') === undefined)
          yield { at: entry.span, message: `${name} has neither nopreempt nor preempt_delay` };
    },
  },
  {
    id: 'keepalived-advert-slow',
    severity: 'warning',
    title: 'hosts hear of each other every 3 s or less often',
    why: 'A crash of the holder is noticed after three intervals and a little: 9 s and more, in which the API has no address.',
    fix: 'Use advert_int 1 (3.6 s), or vrrp_version 3 with advert_int 0.5.',
    sources: ['RFC 9568, section 6.1, Active_Down_Interval', 'metallb #298'],
    examples: { bad: [file(instance('  advert_int 3\n'))], good },
    *check(facts) {
      for (const found of instancesOf(facts)) {
        const value = numberOf(found.entry, 'advert_int') ?? 1;
        const priority = numberOf(found.entry, 'priority') ?? 100;
        const skew = ((256 - priority) / 256) * (versionOf(found) === 3 ? value : 1);
        if (value >= 3)
          yield {
            at: entryOf(found.entry, 'advert_int')?.span ?? found.entry.span,
            message: `advert_int ${value}: a crash is noticed after ${Number((3 * value + skew).toFixed(1))} s`,
          };
      }
    },
  },
  {
    id: 'keepalived-advert-fraction',
    severity: 'warning',
    title: 'VRRP version 2 has no fractions of a second',
    why: 'keepalived rounds advert_int up to 1: the address moves later than the file says.',
    fix: 'Add vrrp_version 3 to global_defs on all hosts, and remove authentication.',
    sources: ['RFC 3768, section 5.3.7', 'keepalived.conf(5), advert_int'],
    examples: { bad: [file(instance('  advert_int 0.5\n'))], good: [...good, file(instance('  advert_int 0.5\n', '  vrrp_version 3\n'))] },
    *check(facts) {
      for (const found of instancesOf(facts)) {
        const value = numberOf(found.entry, 'advert_int');
        const isV6 = addressesOf(found).some(({ address }) => address.includes(':'));
        if (value !== undefined && !Number.isInteger(value) && versionOf(found) === 2 && !isV6)
          yield {
            at: entryOf(found.entry, 'advert_int')?.span ?? found.entry.span,
            message: `advert_int ${value} needs VRRP version 3, but this is version 2`,
          };
      }
    },
  },
  {
    id: 'keepalived-auth-truncated',
    severity: 'info',
    title: 'a VRRP password is longer than 8 characters',
    why: 'keepalived keeps the first eight; two passwords that differ only behind them are the same.',
    fix: 'Shorten it; it is sent in clear anyway and keeps out mistakes, not attackers.',
    sources: ['keepalived.conf(5), auth_pass', 'RFC 2338, section 5.3.10'],
    examples: { bad: [file(instance(PASS.replace('s3cret', 'a-much-longer-secret')))], good: [...good, file(instance(PASS))] },
    *check(facts) {
      for (const pass of passwords(facts)) {
        const length = [...(pass.words[1] ?? '')].length;
        if (length > 8 && !pass.words[1]?.includes('$'))
          yield { at: pass.span, message: `auth_pass has ${length} characters, of which 8 count` };
      }
    },
  },
  {
    id: 'keepalived-auth-version-3',
    severity: 'warning',
    title: 'VRRP version 3 has no authentication',
    why: 'keepalived ignores the block: whoever wrote it believes in a protection that is not there.',
    fix: 'Remove the authentication block; use unicast_peer, and let the firewall pass protocol 112 from the peers only.',
    sources: ['RFC 9568, section 9', 'keepalived.conf(5), authentication'],
    examples: { bad: [file(instance(PASS, '  vrrp_version 3\n'))], good },
    *check(facts) {
      for (const found of instancesOf(facts)) {
        const authentication = entryOf(found.entry, 'authentication');
        if (versionOf(found) === 3 && authentication !== undefined)
          yield { at: authentication.span, message: 'authentication is ignored in VRRP version 3' };
      }
    },
  },
  {
    id: 'keepalived-strict',
    severity: 'error',
    title: 'vrrp_strict is on',
    why: 'keepalived then drops packets to the address itself, ignores passwords and refuses unicast peers: the API does not answer at its address.',
    fix: 'Remove vrrp_strict.',
    sources: ['keepalived.conf(5), vrrp_strict'],
    examples: { bad: [file(instance('', '  vrrp_strict\n'))], good },
    *check({ keepalived }) {
      for (const entry of keepalived.flatMap((config) => globalsOf(config).flatMap(({ block }) => entriesOf(block, 'vrrp_strict'))))
        if (!/^(?:0|off|false|no)$/.test(entry.words[1] ?? ''))
          yield { at: entry.span, message: 'vrrp_strict is on', edits: [{ span: lineSpan(entry.span), text: '' }] };
    },
  },
  {
    id: 'keepalived-dont-track-primary',
    severity: 'warning',
    title: 'loss of the interface that carries the address is ignored',
    why: 'A host whose cable is out stays master in its own eyes, and comes back as a second holder.',
    fix: 'Remove dont_track_primary.',
    sources: ['keepalived.conf(5), dont_track_primary'],
    examples: { bad: [file(instance('  dont_track_primary\n'))], good },
    *check(facts) {
      for (const { entry } of instancesOf(facts))
        for (const { span } of entriesOf(entry.block, 'dont_track_primary'))
          yield { at: span, message: 'dont_track_primary is set', edits: [{ span: lineSpan(span), text: '' }] };
    },
  },
  {
    id: 'keepalived-peer-self',
    severity: 'warning',
    title: 'a host is its own peer',
    why: 'It sends its messages to itself as well, and the list was copied without a change, so that another peer may be missing.',
    fix: 'List the other hosts only.',
    sources: ['keepalived.conf(5), unicast_peer'],
    examples: {
      bad: [file(instance('  unicast_src_ip 10.0.0.11\n  unicast_peer {\n    10.0.0.11\n    10.0.0.12\n  }\n'))],
      good: [...good, file(instance('  unicast_src_ip 10.0.0.11\n  unicast_peer {\n    10.0.0.12\n  }\n'))],
    },
    *check(facts) {
      for (const found of instancesOf(facts)) {
        for (const { text, span } of peersOf(found))
          if (text === ownAddress(found)) yield { at: span, message: `${text} is this host’s own address` };
      }
    },
  },
  {
    id: 'keepalived-source-missing',
    severity: 'info',
    title: 'peers are named, but not which address to send from',
    why: 'keepalived takes the interface’s first address; once that is the virtual one or another network’s, the peers do not know the sender.',
    fix: 'Add unicast_src_ip with the host’s own address.',
    sources: ['keepalived.conf(5), unicast_src_ip'],
    examples: { bad: [file(instance('  unicast_peer {\n    10.0.0.12\n  }\n'))], good },
    *check(facts) {
      for (const found of instancesOf(facts))
        if (isUnicast(found) && ownAddress(found) === undefined)
          yield { at: found.entry.span, message: `${found.name} has unicast_peer without unicast_src_ip` };
    },
  },
  {
    id: 'keepalived-no-address',
    severity: 'error',
    title: 'an instance guards no address',
    why: 'keepalived leaves it out, or elects a master of nothing.',
    fix: 'Add virtual_ipaddress { ADDRESS/32 }.',
    sources: ['keepalived.conf(5), virtual_ipaddress'],
    examples: { bad: [file(instance().replace(/ {2}virtual_ipaddress[^}]*\}\n/, ''))], good },
    *check(facts) {
      for (const { entry, name } of instancesOf(facts)) {
        const has = entryOf(entry, 'virtual_ipaddress', 'virtual_ipaddress_excluded', 'virtual_routes', 'include');
        const isMisspelt = entry.block?.some(({ words }) => /virtual_ip/.test(words[0] ?? '')) === true;
        if (has === undefined && !isMisspelt) yield { at: entry.span, message: `${name} has no virtual_ipaddress` };
      }
    },
  },
  {
    id: 'keepalived-no-interface',
    severity: 'error',
    title: 'an instance names no interface',
    why: 'keepalived does not know where to speak VRRP, and leaves the instance out.',
    fix: 'Add interface with the name of the one that has the host’s address.',
    sources: ['keepalived.conf(5), interface'],
    examples: { bad: [file(instance().replace('  interface eth0\n', ''))], good },
    *check(facts) {
      for (const { config, entry, name } of instancesOf(facts))
        if (entryOf(entry, 'interface', 'include') === undefined && globalOf(config, 'default_interface') === undefined)
          yield { at: entry.span, message: `${name} names no interface` };
    },
  },
  {
    id: 'keepalived-multicast',
    severity: 'info',
    title: 'hosts find each other by multicast',
    why: 'Clouds drop it, and so do switches that filter it without a querier: the hosts do not hear each other, and the address stands on all of them.',
    fix: 'Write unicast_src_ip and unicast_peer on every host; in a cloud, use its balancer: it drops protocol 112 and foreign ARP as well.',
    sources: ['keepalived #950', 'openshift/installer #3409', 'keepalived.conf(5), unicast_peer'],
    examples: { bad: [file(instance())], good: [file(instance('  unicast_src_ip 10.0.0.11\n  unicast_peer {\n    10.0.0.12\n  }\n'))] },
    *check(facts) {
      for (const found of instancesOf(facts))
        if (!isUnicast(found)) yield { at: found.entry.span, message: `${found.name} speaks multicast` };
    },
  },
  {
    id: 'keepalived-garp-once',
    severity: 'info',
    title: 'the address is announced only when it moves',
    why: 'A switch or host that misses those announcements sends to the old holder until its ARP entry ages out, for minutes.',
    fix: 'Add vrrp_garp_master_refresh 60 to global_defs.',
    sources: ['kube-vip #382', 'keepalived #166', 'keepalived.conf(5), vrrp_garp_master_refresh'],
    examples: { bad: [file(instance().replace('  vrrp_garp_master_refresh 60\n', ''))], good },
    *check(facts) {
      for (const { config, entry, name } of instancesOf(facts)) {
        const refresh = numberOf(entry, 'garp_master_refresh') ?? Number(globalOf(config, 'vrrp_garp_master_refresh')?.words[1] ?? 0);
        if (refresh === 0) yield { at: entry.span, message: `${name} does not repeat its announcements` };
      }
    },
  },
];

const passwords = (facts: Parameters<Rule['check']>[0]) =>
  instancesOf(facts).flatMap(({ entry }) => entriesOf(entry.block, 'authentication').flatMap((block) => entryOf(block, 'auth_pass') ?? []));
