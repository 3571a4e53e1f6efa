import { describe, expect, test } from 'vitest';
import { type Arrival, firewallObstacles } from '../../../src/core/balancer/firewall.ts';
import { cloudOf, findObstacles, type Needs, type NetworkFacts } from '../../../src/core/balancer/obstacles.ts';

const arrival: Arrival = { hook: 'input', address: '10.0.0.100', port: 6443, interfaceName: 'eth0' };
const match = (left: object, right: unknown, op = '==') => ({ match: { op, left, right } });
const dport = (right: unknown, op?: string) => match({ payload: { protocol: 'tcp', field: 'dport' } }, right, op);
const daddr = (right: unknown) => match({ payload: { protocol: 'ip', field: 'daddr' } }, right);
const saddr = match({ payload: { protocol: 'ip', field: 'saddr' } }, '10.9.9.9');
const input = (policy: string, chain = {}) => ({
  chain: { family: 'ip', table: 'filter', name: 'INPUT', hook: 'input', type: 'filter', policy, ...chain },
});
const rule = (handle: number, expr: object[], more = {}) => ({
  rule: { family: 'ip', table: 'filter', chain: 'INPUT', handle, expr, ...more },
});
const obstacles = (...nftables: object[]) => firewallObstacles({ nftables }, arrival).map(({ what }) => what);
const RULE = (handle: number) => [`nftables table ip filter, chain INPUT, rule ${handle} drops TCP to 10.0.0.100 port 6443 at input`];
const POLICY = [
  'nftables table ip filter, chain INPUT drops what no rule accepts (policy drop), and none accepts TCP to 10.0.0.100 port 6443 at input',
];
const drop = { drop: null };
const accept = { accept: null };

describe('firewalls of others', () => {
  test.each<[string, object[], string[]]>([
    ['policy accept', [input('accept')], []],
    ['policy drop', [input('drop')], POLICY],
    ['policy drop, port accepted', [input('drop'), rule(1, [dport(6443), accept])], []],
    ['policy drop, another port accepted', [input('drop'), rule(1, [dport(22), accept])], POLICY],
    ['port accepted in a set with a range', [input('drop'), rule(1, [dport({ set: [22, { range: [6000, 7000] }] }), accept])], []],
    ['port accepted for some clients only', [input('drop'), rule(1, [saddr, dport(6443), accept])], []],
    ['all accepted for some clients only', [input('drop'), rule(1, [saddr, accept])], POLICY],
    [
      'established connections accepted',
      [input('drop'), rule(1, [match({ ct: { key: 'state' } }, ['established', 'related'], 'in'), accept])],
      POLICY,
    ],
    ['new connections accepted', [input('drop'), rule(1, [match({ ct: { key: 'state' } }, ['new'], 'in'), accept])], []],
    ['lo accepted', [input('drop'), rule(1, [match({ meta: { key: 'iifname' } }, 'lo'), accept])], POLICY],
    ['interfaces by pattern accepted', [input('drop'), rule(1, [match({ meta: { key: 'iifname' } }, 'eth*'), accept])], []],
    ['port dropped', [input('accept'), rule(7, [dport(6443), { counter: {} }, drop])], RULE(7)],
    ['port rejected', [input('accept'), rule(7, [dport(6443), { reject: { type: 'tcp reset' } }])], RULE(7)],
    ['port dropped after it was accepted', [input('accept'), rule(6, [dport(6443), accept]), rule(7, [dport(6443), drop])], []],
    ['all but another port dropped', [input('accept'), rule(7, [dport(22, '!='), drop])], RULE(7)],
    ['another port dropped', [input('accept'), rule(7, [dport(80), drop])], []],
    ['address dropped', [input('accept'), rule(7, [daddr({ prefix: { addr: '10.0.0.0', len: 24 } }), drop])], RULE(7)],
    ['another address dropped', [input('accept'), rule(7, [daddr('10.0.0.101'), drop])], []],
    ['port dropped for some clients', [input('accept'), rule(7, [saddr, dport(6443), drop])], RULE(7)],
    ['all dropped for some clients', [input('accept'), rule(7, [saddr, drop])], []],
    ['all dropped by the last rule', [input('accept'), rule(7, [drop])], RULE(7)],
    ['UDP dropped', [input('accept'), rule(7, [match({ payload: { protocol: 'udp', field: 'dport' } }, 6443), drop])], []],
    ['returned before the drop', [input('accept'), rule(6, [dport(6443), { return: null }]), rule(7, [drop])], []],
    [
      'a chain that is jumped to',
      [input('accept'), rule(1, [{ jump: { target: 'x' } }]), rule(7, [dport(6443), drop], { chain: 'x' })],
      ['nftables table ip filter, chain INPUT, rule 7 of chain x drops TCP to 10.0.0.100 port 6443 at input'],
    ],
    ['a chain that jumps to itself', [input('drop'), rule(1, [{ jump: { target: 'INPUT' } }])], POLICY],
    ['a match of iptables that nft cannot show', [input('accept'), rule(7, [{ xt: { type: 'match', name: 'geoip' } }, drop])], []],
    ['another hook', [input('drop', { hook: 'forward' })], []],
    ['a table for IPv6', [input('drop', { family: 'ip6' })], []],
    ['a table of hale', [input('drop', { table: 'hale_nat' })], []],
  ])('%s', (_, nftables, expected) => {
    expect(obstacles(...nftables)).toEqual(expected);
  });

  test('the line that mends it is of the program that owns the rules', () => {
    const fix = (chain: object) => firewallObstacles({ nftables: [input('drop', chain)] }, arrival).map((obstacle) => obstacle.fix);
    expect(fix({})).toEqual(['iptables -I INPUT -p tcp -d 10.0.0.100 --dport 6443 -j ACCEPT']);
    expect(fix({ family: 'inet', name: 'in' })).toEqual(['nft insert rule inet filter in ip daddr 10.0.0.100 tcp dport 6443 accept']);
    expect(fix({ family: 'inet', table: 'firewalld', name: 'filter_INPUT' })).toEqual([
      'firewall-cmd --permanent --add-port=6443/tcp && firewall-cmd --reload',
    ]);
  });

  test.each([null, {}, { nftables: [{ rule: 7 }, { chain: { hook: 'input' } }, { rule: { expr: [null, { match: { left: 3 } }] } }] }])(
    'what is no ruleset is none: %j',
    (text) => {
      expect(firewallObstacles(text, arrival)).toEqual([]);
    },
  );
});

describe('the network of a host', () => {
  const facts: NetworkFacts = {
    interfaceName: 'eth0',
    rpFilter: 1,
    routes: [
      { to: '10.0.0.12', by: 'eth0' },
      { to: '192.0.2.1', by: 'eth0' },
      { to: '2001:db8::1', by: null },
    ],
    forwarding: { 4: true, 6: true },
    others: [{ name: 'eth1', arpIgnore: 0, arpAnnounce: 0 }],
    lro: false,
    mtu: 1500,
    ruleset: null,
    deadline: { ingress: true, egress: true },
  };
  const needs: Needs = { addresses: ['10.0.0.100', 'fd00::100'], port: 6443, translatedTo: [], onLoopback: false, memberMtus: [] };
  const backends = [
    { address: '10.0.0.12', port: 6443 },
    { address: 'fd00::12', port: 6443 },
  ];
  const fixes = (more: Partial<NetworkFacts>, needed: Partial<Needs> = {}) =>
    findObstacles({ ...facts, ...more }, { ...needs, ...needed }).map(({ fix }) => fix);

  test.each<[string, Partial<NetworkFacts>, Partial<Needs>, string[]]>([
    ['nothing in the way', {}, {}, []],
    [
      'strict rp_filter, and clients are answered elsewhere',
      { routes: [{ to: '192.0.2.1', by: 'eth1' }] },
      {},
      ['sysctl -w net.ipv4.conf.eth0.rp_filter=2'],
    ],
    ['loose rp_filter', { rpFilter: 2, routes: [{ to: '192.0.2.1', by: 'eth1' }] }, {}, []],
    [
      'another interface would answer for an address on lo',
      {},
      { onLoopback: true },
      ['sysctl -w net.ipv4.conf.eth1.arp_ignore=1', 'sysctl -w net.ipv4.conf.eth1.arp_announce=2'],
    ],
    ['it would not', { others: [{ name: 'eth1', arpIgnore: 1, arpAnnounce: 2 }] }, { onLoopback: true }, []],
    ['no forwarding needed', { forwarding: { 4: false, 6: false } }, {}, []],
    [
      'forwarding needed',
      { forwarding: { 4: false, 6: false } },
      { translatedTo: backends },
      ['sysctl -w net.ipv4.conf.eth0.forwarding=1', 'sysctl -w net.ipv6.conf.all.forwarding=1'],
    ],
    ['receive offload', { lro: true }, { translatedTo: backends }, ['ethtool -K eth0 lro off']],
    ['receive offload where nothing is passed on', { lro: true }, {}, []],
    [
      'another MTU',
      {},
      {
        memberMtus: [
          { name: 'cp2', mtu: 1450 },
          { name: 'cp3', mtu: 1500 },
        ],
      },
      ['ip link set eth0 mtu 1450'],
    ],
    ['a missing deadline', { deadline: { ingress: true, egress: false } }, {}, ['systemctl restart hale-agent']],
    ['no gate', { deadline: null }, {}, []],
    [
      'a firewall at forward, which only nat passes',
      { ruleset: { nftables: [input('drop', { hook: 'forward', name: 'FORWARD' })] } },
      { translatedTo: backends },
      ['iptables -I FORWARD -p tcp -d 10.0.0.12 --dport 6443 -j ACCEPT'],
    ],
    ['the same without nat', { ruleset: { nftables: [input('drop', { hook: 'forward' })] } }, {}, []],
  ])('%s', (_, more, needed, expected) => {
    expect(fixes(more, needed)).toEqual(expected);
  });

  test('clouds are known by their firmware', () => {
    const machine = { vendor: '', product: '', assetTag: '', biosVersion: '' };
    expect(cloudOf(machine)).toBeUndefined();
    expect(cloudOf({ ...machine, vendor: 'Amazon EC2', product: 'm5.large' })).toBe('Amazon EC2');
    expect(cloudOf({ ...machine, vendor: 'Xen', biosVersion: '4.11.amazon' })).toBe('Amazon EC2');
    expect(cloudOf({ ...machine, vendor: 'Google', product: 'Google Compute Engine' })).toBe('Google Cloud');
    expect(cloudOf({ ...machine, vendor: 'Microsoft Corporation', product: 'Virtual Machine' })).toBeUndefined();
    expect(cloudOf({ ...machine, vendor: 'Microsoft Corporation', assetTag: '7783-7084-3265-9085-8269-3286-77' })).toBe('Microsoft Azure');
    expect(cloudOf({ ...machine, vendor: 'OpenStack Foundation', product: 'OpenStack Nova' })).toBe('OpenStack');
    expect(cloudOf({ ...machine, vendor: 'Dell Inc.', product: 'PowerEdge R640' })).toBeUndefined();
  });
});
