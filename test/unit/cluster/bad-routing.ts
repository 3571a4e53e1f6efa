/** Files whose VRRP or routes lack something, or do not go with the rest. */
const file = (endpoint: string, ...lines: string[]): string =>
  [
    'apiVersion: hale.dev/v1alpha1',
    'kind: Cluster',
    'name: prod',
    `endpoint: {${endpoint}}`,
    'controlPlane:',
    '  hosts:',
    ...['11', '12', '13'].map((last, i) => `    - {name: cp${i + 1}, address: 10.0.0.${last}/24}`),
    ...lines,
    '',
  ].join('\n');

export const badRouting: Record<string, { text: string; problems: string[] }> = {
  'VRRP that counts otherwise, and settings of the other version': {
    text: file('address: 10.0.0.100', 'election: vrrp', 'vrrp: {version: 2, advertisementIntervalMs: 500, peers: [10.0.0.21]}'),
    problems: [
      '11:45: vrrp.advertisementIntervalMs is 500, but VRRP version 2 counts in steps of 1000 ms. Write 1000, or set vrrp.version to 3.',
      '11:50: vrrp.peers is only for unicast, but vrrp.unicast is false, so everybody in the network hears the advertisements. Remove peers, or set vrrp.unicast to true.',
    ],
  },
  'a password where there is none any more, steps, a MAC address that frames do not keep': {
    text: file(
      'address: 10.0.0.100',
      'election: vrrp',
      'datapath: dsr',
      'vrrp: {passwordFile: /etc/hale/p, advertisementIntervalMs: 105, virtualMac: true}',
    ),
    problems: [
      '12:8: vrrp.passwordFile is only for version 2: version 3 has no passwords (RFC 9568 section 1.4). Remove passwordFile, or set vrrp.version to 2.',
      '12:60: vrrp.advertisementIntervalMs is 105, but VRRP version 3 counts in steps of 10 ms. Write 110.',
      '12:77: with datapath dsr the address has the MAC address of the host that holds it, but vrrp.virtualMac is true. Set datapath to nat or auto, or remove virtualMac.',
    ],
  },
  'VRRP version 2 and IPv6': {
    text: file('address: [10.0.0.100, "fd00::100"]', 'election: vrrp', 'vrrp: {version: 2}'),
    problems: [
      "7:28: host cp1 has no IPv6 address, so it cannot take over the endpoint address fd00::100. Add the host's IPv6 address, or give the endpoint only an IPv4 address.",
      "8:28: host cp2 has no IPv6 address, so it cannot take over the endpoint address fd00::100. Add the host's IPv6 address, or give the endpoint only an IPv4 address.",
      "9:28: host cp3 has no IPv6 address, so it cannot take over the endpoint address fd00::100. Add the host's IPv6 address, or give the endpoint only an IPv4 address.",
      '11:17: vrrp.version is 2, which has no IPv6, but the endpoint has the address fd00::100. Set vrrp.version to 3, or give the endpoint only an IPv4 address.',
    ],
  },
  'settings that nobody uses': {
    text: file('address: 10.0.0.100', 'vrrp: {priority: 100}', 'bgp: {localAs: 65000}'),
    problems: [
      '10:1: vrrp is only for election: vrrp. Remove vrrp, or set election: vrrp.',
      '11:1: bgp is only for advertise: bgp. Remove bgp, or set advertise: bgp.',
    ],
  },
  'routes and what cannot go with them': {
    text: file('address: 10.0.0.100', 'advertise: bird', 'election: kubernetes', 'datapath: dsr'),
    problems: [
      '11:11: advertise is bird, with which every host that reaches a ready API server has the address, but election is kubernetes. Remove election, or set advertise to arp.',
    ],
  },
  'BGP without a router': {
    text: file('address: 10.0.0.100', 'advertise: bgp'),
    problems: [
      '10:12: advertise is bgp, but bgp.peers names no router. List the routers in bgp.peers, each with its address and its autonomous system (as).',
    ],
  },
  'BGP with routers that some hosts lack, twice, or that are no routers': {
    text: file(
      'address: 10.0.0.100',
      'advertise: bgp',
      'bgp: {gracefulRestartSeconds: 60, peers: [{address: 10.0.0.1, as: 65001, hosts: [cp1, cp9], bfd: true}, {address: 10.0.0.1, as: 65001, hosts: [cp2]}, {address: 10.0.0.12, as: 65001, hosts: [cp2]}, {address: "fd00::1", as: 65001, hosts: [cp1]}]}',
    ),
    problems: [
      '11:35: advertise is bgp, but bgp.peers names no router that host cp3 talks to. Add cp3 to hosts of a router, or a router without hosts, which all hosts talk to.',
      '11:87: bgp.peers names the host cp9, which controlPlane.hosts does not have. Correct the name, or add the host to controlPlane.hosts.',
      '11:98: bgp.gracefulRestartSeconds keeps the route of a dead host, while BFD with 10.0.0.1 is to take it away at once. Set gracefulRestartSeconds to 0, or bfd to false.',
      '11:115: bgp.peers names the router 10.0.0.1 twice. Remove one of the two.',
      '11:161: bgp.peers names 10.0.0.12, which is host cp2, not a router. Write the address of a router.',
      "11:208: host cp1 has no IPv6 address to reach the router fd00::1 from. Add the host's IPv6 address, or name the router by its other address.",
    ],
  },
  'values that BGP has not': {
    text: file(
      'address: 10.0.0.100',
      'advertise: bgp',
      'bgp: {localAs: 0, communities: ["65000:70000"], holdTimeSeconds: 2, peers: [{address: 10.0.0.1, as: 65001, hops: 0}]}',
    ),
    problems: [
      '11:16: bgp.localAs cannot be the number 0. Write a whole number of an autonomous system from 1 to 4294967295.',
      '11:33: bgp.communities[0] cannot be "65000:70000". Write a community such as 65000:100 or no-export.',
      '11:66: bgp.holdTimeSeconds cannot be the number 2. Write a whole number of seconds from 3 to 65535.',
      '11:114: bgp.peers[0].hops cannot be the number 0. Write a whole number of hops from 1 to 255.',
    ],
  },
  'a route to a family that hosts have not': {
    text: file('address: "fd00::100"', 'advertise: bgp', 'bgp: {peers: [{address: 10.0.0.1, as: 65001}]}'),
    problems: [
      "7:28: host cp1 has no IPv6 address, so it cannot take over the endpoint address fd00::100. Add the host's IPv6 address, or give the endpoint only an IPv4 address.",
      "8:28: host cp2 has no IPv6 address, so it cannot take over the endpoint address fd00::100. Add the host's IPv6 address, or give the endpoint only an IPv4 address.",
      "9:28: host cp3 has no IPv6 address, so it cannot take over the endpoint address fd00::100. Add the host's IPv6 address, or give the endpoint only an IPv4 address.",
    ],
  },
  'routes over hosts on different links': {
    text: file('address: 10.0.0.100', 'advertise: frr', 'datapath: dsr').replace('10.0.0.13/24', '10.1.0.13/24'),
    problems: [
      '11:11: advertise is frr and the hosts are in different subnets, but datapath dsr passes frames on from host to host. Set datapath to nat or auto.',
    ],
  },
  'a virtual MAC address with unicast and for two addresses': {
    text: file('address: [10.0.0.100, "fd00::100"]', 'election: vrrp', 'vrrp: {virtualMac: true, unicast: true}'),
    problems: [
      "7:28: host cp1 has no IPv6 address, so it cannot take over the endpoint address fd00::100. Add the host's IPv6 address, or give the endpoint only an IPv4 address.",
      "8:28: host cp2 has no IPv6 address, so it cannot take over the endpoint address fd00::100. Add the host's IPv6 address, or give the endpoint only an IPv4 address.",
      "9:28: host cp3 has no IPv6 address, so it cannot take over the endpoint address fd00::100. Add the host's IPv6 address, or give the endpoint only an IPv4 address.",
      '11:20: vrrp.virtualMac is true, but with vrrp.unicast nobody would learn where that MAC address is. Remove virtualMac.',
      '11:20: vrrp.virtualMac is true, but the endpoint has two addresses, which VRRP gives different MAC addresses. Remove virtualMac.',
    ],
  },
  'values that VRRP has not': {
    text: file('address: 10.0.0.100', 'election: vrrp', 'vrrp: {version: 4, virtualRouterId: 256, priority: 255}'),
    problems: [
      '11:17: vrrp.version cannot be the number 4. Write 2 or 3.',
      '11:37: vrrp.virtualRouterId cannot be the number 256. Write a whole number of the virtual router from 1 to 255.',
      '11:52: vrrp.priority cannot be the number 255. Write a whole number of the priority from 20 to 254.',
    ],
  },
};
