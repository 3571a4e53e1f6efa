import type { Rule } from '../rule.ts';
import {
  addressesOf,
  entryOf,
  globalOf,
  groupsOf,
  hostAddresses,
  instancesOf,
  isUnicast,
  numberOf,
  ownAddress,
  peersOf,
  scriptsOf,
  trackedBy,
  valueOf,
  versionOf,
  type VrrpInstance,
} from './keepalived-model.ts';
import { apiBackends, serversOf } from './haproxy-model.ts';

/* What the files of several hosts must have alike, and what each its own. */

interface Host {
  own: string;
  peers: readonly string[];
  priority?: number;
  lines?: string;
  globals?: string;
  weight?: number;
}
const host = ({ own, peers, priority = 100, lines = '', globals = '', weight = -50 }: Host): string =>
  `global_defs {\n  router_id h${own}\n${globals}}\nvrrp_script check {\n  script "/etc/keepalived/check.sh"\n  weight ${weight}\n}\nvrrp_instance API {\n  state BACKUP\n  interface eth0\n  virtual_router_id 87\n  priority ${priority}\n${lines}  unicast_src_ip ${own}\n  unicast_peer {\n${peers.map((peer) => `    ${peer}\n`).join('')}  }\n  virtual_ipaddress {\n    10.0.0.100/32\n  }\n  track_script {\n    check\n  }\n}\n`;
const pair = (first: Partial<Host> = {}, second: Partial<Host> = {}) => ({
  'cp1/keepalived.conf': host({ own: '10.0.0.11', peers: ['10.0.0.12'], priority: 102, ...first }),
  'cp2/keepalived.conf': host({ own: '10.0.0.12', peers: ['10.0.0.11'], priority: 101, ...second }),
});
const good = [pair()];
const PASS = '  authentication {\n    auth_type PASS\n    auth_pass s3cret\n  }\n';

/** The rest of a group against its first, where a setting differs. */
function* differing(group: readonly VrrpInstance[], setting: (instance: VrrpInstance) => string | undefined) {
  const [first, ...rest] = group as [VrrpInstance, ...VrrpInstance[]];
  const wanted = setting(first);
  for (const instance of rest) {
    const value = setting(instance);
    if (value !== wanted) yield { instance, first, value, wanted };
  }
}

export const keepalivedHostRules: readonly Rule[] = [
  {
    id: 'keepalived-vrids-differ',
    severity: 'error',
    title: 'hosts guard one address under different virtual router ids',
    why: 'They do not take part in the same election: each becomes master, and the address stands on all of them.',
    fix: 'Give all hosts the same virtual_router_id for this address.',
    sources: ['RFC 9568, section 7.1', 'kube-vip #996'],
    examples: { bad: [{ ...pair(), 'cp2/keepalived.conf': pair()['cp2/keepalived.conf'].replace('87', '88') }], good },
    *check(facts) {
      for (const group of groupsOf(facts))
        for (const { instance, first, value, wanted } of differing(group, ({ entry }) => valueOf(entry, 'virtual_router_id')))
          yield {
            at: (entryOf(instance.entry, 'virtual_router_id') ?? instance.entry).span,
            message: `virtual_router_id ${value ?? '(none)'} here, but ${wanted ?? '(none)'} in ${first.config.file.path}`,
          };
    },
  },
  {
    id: 'keepalived-addresses-differ',
    severity: 'error',
    title: 'hosts of one virtual router guard different addresses',
    why: 'They refuse each other’s messages and all become master; after a failure, an address that only one of them knows is gone.',
    fix: 'List the same addresses on all hosts.',
    sources: ['RFC 3768, section 7.1', 'keepalived #2370'],
    examples: {
      bad: [
        {
          ...pair(),
          'cp2/keepalived.conf': pair()['cp2/keepalived.conf'].replace('10.0.0.100/32\n', '10.0.0.100/32\n    10.0.0.101/32\n'),
        },
      ],
      good,
    },
    *check(facts) {
      const setOf = (instance: VrrpInstance) =>
        addressesOf(instance)
          .map(({ address }) => address)
          .sort()
          .join(', ');
      for (const group of groupsOf(facts))
        for (const { instance, first, value, wanted } of differing(group, setOf))
          yield {
            at: (entryOf(instance.entry, 'virtual_ipaddress') ?? instance.entry).span,
            message: `${value} here, but ${wanted} in ${first.config.file.path}`,
          };
    },
  },
  {
    id: 'keepalived-adverts-differ',
    severity: 'error',
    title: 'hosts of one virtual router have different advertisement intervals',
    why: 'In VRRP version 2 each refuses the messages of the other, and both become master.',
    fix: 'Give all hosts the same advert_int.',
    sources: ['RFC 3768, section 7.1', 'keepalived.conf(5), advert_int'],
    examples: { bad: [pair({ lines: '  advert_int 2\n' })], good },
    *check(facts) {
      for (const group of groupsOf(facts).filter((candidate) => candidate.every((instance) => versionOf(instance) === 2)))
        for (const { instance, first, value, wanted } of differing(group, ({ entry }) => String(Number(valueOf(entry, 'advert_int') ?? 1))))
          yield {
            at: (entryOf(instance.entry, 'advert_int') ?? instance.entry).span,
            message: `advert_int ${value} here, but ${wanted} in ${first.config.file.path}`,
          };
    },
  },
  {
    id: 'keepalived-versions-differ',
    severity: 'error',
    title: 'hosts of one virtual router speak different versions of VRRP',
    why: 'Each drops the messages of the other, and both become master.',
    fix: 'Give all hosts the same vrrp_version.',
    sources: ['RFC 9568, section 7.1'],
    examples: { bad: [pair({ globals: '  vrrp_version 3\n' })], good },
    *check(facts) {
      const version = ({ config, entry }: VrrpInstance) => valueOf(entry, 'version') ?? globalOf(config, 'vrrp_version')?.words[1] ?? '2';
      for (const group of groupsOf(facts))
        for (const { instance, first, value, wanted } of differing(group, version))
          yield { at: instance.entry.span, message: `VRRP version ${value} here, but ${wanted} in ${first.config.file.path}` };
    },
  },
  {
    id: 'keepalived-auth-differs',
    severity: 'error',
    title: 'hosts of one virtual router have different passwords',
    why: 'Each refuses the messages of the other, and both become master.',
    fix: 'Give all hosts the same authentication block, or none.',
    sources: ['RFC 2338, section 7.1', 'keepalived #2649'],
    examples: {
      bad: [pair({ lines: PASS }), pair({ lines: PASS }, { lines: PASS.replace('s3', 'S3') })],
      good: [...good, pair({ lines: PASS }, { lines: PASS })],
    },
    *check(facts) {
      // Eight characters count. What they are is nobody's business.
      const pass = ({ entry }: VrrpInstance) => {
        const block = entryOf(entry, 'authentication');
        return block === undefined ? undefined : `${valueOf(block, 'auth_type')} ${valueOf(block, 'auth_pass')?.slice(0, 8)}`;
      };
      for (const group of groupsOf(facts))
        for (const { instance, first } of differing(group, pass))
          yield {
            at: (entryOf(instance.entry, 'authentication') ?? instance.entry).span,
            message: `the authentication differs from that in ${first.config.file.path}`,
          };
    },
  },
  {
    id: 'keepalived-peers-one-sided',
    severity: 'error',
    title: 'a host does not send its messages to one that guards the same address',
    why: 'The one that hears nothing believes that nobody holds the address, and takes it: it stands on two hosts.',
    fix: 'List every other host in unicast_peer, on each of them.',
    sources: ['keepalived.conf(5), unicast_peer', 'kube-vip #1385'],
    examples: { bad: [pair({ peers: ['10.0.0.13'] })], good },
    *check(facts) {
      for (const group of groupsOf(facts)) {
        for (const instance of group.filter(isUnicast)) {
          const peers = new Set(peersOf(instance).map(({ text }) => text));
          for (const other of group) {
            const address = ownAddress(other);
            if (other !== instance && address !== undefined && !peers.has(address) && address !== ownAddress(instance))
              yield {
                at: (entryOf(instance.entry, 'unicast_peer') ?? instance.entry).span,
                message: `${address} (${other.config.file.path}) is not among the peers`,
              };
          }
        }
      }
    },
  },
  {
    id: 'keepalived-unicast-mixed',
    severity: 'error',
    title: 'one host speaks unicast, another multicast',
    why: 'They do not hear each other: both become master, and the address stands on both.',
    fix: 'Write unicast_peer on all hosts, or on none.',
    sources: ['keepalived.conf(5), unicast_peer'],
    examples: { bad: [{ ...pair(), 'cp2/keepalived.conf': pair()['cp2/keepalived.conf'].replace(/ {2}unicast_peer[^}]*\}\n/, '') }], good },
    *check(facts) {
      for (const group of groupsOf(facts))
        for (const { instance, first } of differing(group, (candidate) => (isUnicast(candidate) ? 'unicast' : 'multicast')))
          yield {
            at: instance.entry.span,
            message: `this host speaks ${isUnicast(instance) ? 'unicast' : 'multicast'}, unlike ${first.config.file.path}`,
          };
    },
  },
  {
    id: 'keepalived-same-source',
    severity: 'error',
    title: 'two hosts say that they have the same own address',
    why: 'The file was copied without a change: one of them sends from an address that it does not have, and is not heard.',
    fix: 'Give each host its own unicast_src_ip (mcast_src_ip).',
    sources: ['keepalived.conf(5), unicast_src_ip'],
    examples: { bad: [pair({}, { own: '10.0.0.11' })], good },
    *check(facts) {
      for (const group of groupsOf(facts)) {
        const seen = new Map<string, string>();
        for (const instance of group) {
          const address = ownAddress(instance);
          const first = seen.get(address ?? '');
          if (address !== undefined && first !== undefined)
            yield {
              at: (entryOf(instance.entry, 'unicast_src_ip', 'mcast_src_ip') ?? instance.entry).span,
              message: `${address} is also the own address in ${first}`,
            };
          else if (address !== undefined) seen.set(address, instance.config.file.path);
        }
      }
    },
  },
  {
    id: 'keepalived-two-masters',
    severity: 'warning',
    title: 'several hosts begin as MASTER',
    why: 'Each takes the address at its start and again after each restart, until it hears of the other: every such moment resets connections.',
    fix: 'Write state BACKUP on all hosts; priority decides who begins.',
    sources: ['keepalived.conf(5), state'],
    examples: {
      bad: [Object.fromEntries(Object.entries(pair()).map(([path, text]) => [path, text.replace('BACKUP', 'MASTER')]))],
      good,
    },
    *check(facts) {
      for (const group of groupsOf(facts)) {
        const masters = group.filter(({ entry }) => valueOf(entry, 'state') === 'MASTER');
        for (const { entry, config } of masters.length > 1 ? masters.slice(1) : [])
          yield {
            at: entryOf(entry, 'state')?.span ?? entry.span,
            message: `${config.file.path} begins as MASTER, like ${masters[0]?.config.file.path}`,
          };
      }
    },
  },
  {
    id: 'keepalived-priority-same',
    severity: 'info',
    title: 'hosts have the same priority',
    why: 'The higher address decides then, and a weight that takes from one of them decides more than it was meant to.',
    fix: 'Give each host its own priority, such as 102, 101 and 100; or nopreempt on all.',
    sources: ['RFC 9568, section 6.4.3'],
    examples: { bad: [pair({ priority: 101 })], good },
    *check(facts) {
      for (const group of groupsOf(facts)) {
        const seen = new Map<number, string>();
        for (const { entry, config } of group.filter((instance) => entryOf(instance.entry, 'nopreempt') === undefined)) {
          const priority = numberOf(entry, 'priority') ?? 100;
          const first = seen.get(priority);
          if (first !== undefined)
            yield { at: (entryOf(entry, 'priority') ?? entry).span, message: `priority ${priority} is also that of ${first}` };
          seen.set(priority, config.file.path);
        }
      }
    },
  },
  {
    id: 'keepalived-router-id-same',
    severity: 'info',
    title: 'hosts have the same router_id',
    why: 'Their log lines, mails and SNMP traps cannot be told apart, in the very minutes when it matters who did what.',
    fix: 'Use each host’s name, or leave router_id out: it is the host’s name by default.',
    sources: ['keepalived.conf(5), router_id'],
    examples: {
      bad: [Object.fromEntries(Object.entries(pair()).map(([path, text]) => [path, text.replace(/router_id h.*/, 'router_id LVS_DEVEL')]))],
      good,
    },
    *check(facts) {
      for (const group of groupsOf(facts)) {
        const seen = new Map<string, string>();
        for (const { config } of group) {
          const entry = globalOf(config, 'router_id');
          const id = entry?.words[1];
          const first = seen.get(id ?? '');
          if (entry !== undefined && first !== undefined) yield { at: entry.span, message: `router_id ${id} is also that of ${first}` };
          if (id !== undefined) seen.set(id, config.file.path);
        }
      }
    },
  },
  {
    id: 'keepalived-weight-useless',
    severity: 'error',
    title: 'a failed check never moves the address',
    why: 'What the check takes from the holder’s priority still leaves it above the next host, or on a par: a host whose API server is dead keeps the address.',
    fix: 'Make the weight larger than the difference between the highest and the lowest priority, or write weight 0.',
    sources: ['keepalived.conf(5), vrrp_script, weight', 'kube-vip #1786'],
    examples: {
      bad: [
        pair({ priority: 150, weight: -5 }),
        Object.fromEntries(
          Object.entries(pair({ priority: 150, weight: -5 })).map(([path, text]) => [
            path,
            text
              .replace('vrrp_script', 'vrrp_track_process')
              .replace(/script ".*"/, 'process haproxy')
              .replace('track_script', 'track_process'),
          ]),
        ),
      ],
      good,
    },
    *check(facts) {
      for (const { weight, top, second, at } of weights(facts))
        if (Math.abs(weight) <= top - second)
          yield { at, message: `weight ${weight} leaves priority ${top} at ${top - Math.abs(weight)}, not below ${second}` };
    },
  },
  {
    id: 'keepalived-weight-small',
    severity: 'warning',
    title: 'a failed check does not put the holder below all others',
    why: 'When the second host’s check has failed too, the address stays with a host whose API server is dead, though the third is well.',
    fix: 'Make the weight larger than the difference between the highest and the lowest priority, or write weight 0.',
    sources: ['keepalived.conf(5), vrrp_script, weight'],
    examples: {
      bad: [
        { ...pair({ weight: -2 }), 'cp3/keepalived.conf': host({ own: '10.0.0.13', peers: ['10.0.0.11', '10.0.0.12'], priority: 100 }) },
      ],
      good: [...good, { ...pair(), 'cp3/keepalived.conf': host({ own: '10.0.0.13', peers: ['10.0.0.11', '10.0.0.12'] }) }],
    },
    *check(facts) {
      for (const { weight, top, second, lowest, at } of weights(facts))
        if (Math.abs(weight) > top - second && Math.abs(weight) <= top - lowest)
          yield { at, message: `weight ${weight} leaves priority ${top} at ${top - Math.abs(weight)}, not below ${lowest}, the lowest` };
    },
  },
  {
    id: 'keepalived-address-taken',
    severity: 'error',
    title: 'the virtual address is some host’s own address',
    why: 'That host answers for it always, whoever is master: two hosts have the address as soon as it moves.',
    fix: 'Choose an address that no host has.',
    sources: ['kube-vip #741', 'kube-vip #1017', 'RFC 9568, section 1.2'],
    examples: {
      bad: [pair({ own: '10.0.0.100' }), { ...pair(), 'haproxy.cfg': 'backend api\n  server cp1 10.0.0.100:6443 check\n' }],
      good,
    },
    *check(facts) {
      const own = new Set([
        ...hostAddresses(facts.keepalived),
        ...instancesOf(facts).flatMap((instance) => peersOf(instance).map(({ text }) => text)),
        ...apiBackends(facts).flatMap((section) => serversOf(section).map((server) => server.host)),
      ]);
      for (const { address, span } of instancesOf(facts).flatMap(addressesOf))
        if (own.has(address)) yield { at: span, message: `${address} is also the own address of a host` };
    },
  },
];

/** Weights of the checks of each group's top host, with the priorities that they must overcome. */
function* weights(facts: Parameters<Rule['check']>[0]) {
  for (const group of groupsOf(facts)) {
    const order = group
      .map((instance) => ({ instance, priority: numberOf(instance.entry, 'priority') ?? 100 }))
      .sort((a, b) => b.priority - a.priority);
    const [top, second] = order as [(typeof order)[0], (typeof order)[0]];
    const lowest = order.at(-1)?.priority ?? 0;
    const scripts = new Map([...scriptsOf(facts, top.instance), ...scriptsOf(facts, top.instance, 'vrrp_track_process')]);
    for (const tracked of [...trackedBy(top.instance), ...trackedBy(top.instance, 'track_process')]) {
      const script = scripts.get(tracked.name);
      const weight = tracked.weight ?? (script === undefined ? undefined : (numberOf(script, 'weight') ?? 0));
      const at = tracked.weight === undefined && script !== undefined ? (entryOf(script, 'weight') ?? script).span : tracked.span;
      if (weight !== undefined && weight !== 0 && !Number.isNaN(weight))
        yield { weight, top: top.priority, second: second.priority, lowest, at };
    }
  }
}
