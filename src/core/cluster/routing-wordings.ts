/** Problems of `election: vrrp` and of `advertise`, as problems.ts words those of the others. */
export const wordings = {
  cluster_vrrp_step: (f: { ms: number; stepMs: number; version: number }) => ({
    message: `vrrp.advertisementIntervalMs is ${f.ms}, but VRRP version ${f.version} counts in steps of ${f.stepMs} ms`,
    remedy: `Write ${Math.max(1, Math.round(f.ms / f.stepMs)) * f.stepMs}${f.version === 2 ? ', or set vrrp.version to 3' : ''}.`,
  }),
  cluster_vrrp_two_ipv6: (f: { address: string }) => ({
    message: `vrrp.version is 2, which has no IPv6, but the endpoint has the address ${f.address}`,
    remedy: 'Set vrrp.version to 3, or give the endpoint only an IPv4 address.',
  }),
  cluster_vrrp_password: () => ({
    message: 'vrrp.passwordFile is only for version 2: version 3 has no passwords (RFC 9568 section 1.4)',
    remedy: 'Remove passwordFile, or set vrrp.version to 2.',
  }),
  cluster_vrrp_peers: () => ({
    message: 'vrrp.peers is only for unicast, but vrrp.unicast is false, so everybody in the network hears the advertisements',
    remedy: 'Remove peers, or set vrrp.unicast to true.',
  }),
  cluster_vrrp_virtual_mac: () => ({
    message: 'with datapath dsr the address has the MAC address of the host that holds it, but vrrp.virtualMac is true',
    remedy: 'Set datapath to nat or auto, or remove virtualMac.',
  }),
  cluster_vrrp_virtual_mac_one: (f: { because: string }) => ({
    message: `vrrp.virtualMac is true, but ${f.because}`,
    remedy: 'Remove virtualMac.',
  }),
  cluster_advertise_election: (f: { advertise: string; election: string }) => ({
    message: `advertise is ${f.advertise}, with which every host that reaches a ready API server has the address, but election is ${f.election}`,
    remedy: 'Remove election, or set advertise to arp.',
  }),
  cluster_advertise_dsr: (f: { advertise: string }) => ({
    message: `advertise is ${f.advertise} and the hosts are in different subnets, but datapath dsr passes frames on from host to host`,
    remedy: 'Set datapath to nat or auto.',
  }),
  cluster_bgp_peers_missing: (f: { host: string | undefined }) => ({
    message: `advertise is bgp, but bgp.peers names no router${f.host === undefined ? '' : ` that host ${f.host} talks to`}`,
    remedy:
      f.host === undefined
        ? 'List the routers in bgp.peers, each with its address and its autonomous system (as).'
        : `Add ${f.host} to hosts of a router, or a router without hosts, which all hosts talk to.`,
  }),
  cluster_bgp_peer_twice: (f: { address: string }) => ({
    message: `bgp.peers names the router ${f.address} twice`,
    remedy: 'Remove one of the two.',
  }),
  cluster_bgp_peer_self: (f: { address: string; subject: string }) => ({
    message: `bgp.peers names ${f.address}, which is ${f.subject}, not a router`,
    remedy: 'Write the address of a router.',
  }),
  cluster_bgp_host_unknown: (f: { host: string }) => ({
    message: `bgp.peers names the host ${f.host}, which controlPlane.hosts does not have`,
    remedy: 'Correct the name, or add the host to controlPlane.hosts.',
  }),
  cluster_bgp_family: (f: { host: string; peer: string; family: string }) => ({
    message: `host ${f.host} has no ${f.family} address to reach the router ${f.peer} from`,
    remedy: `Add the host's ${f.family} address, or name the router by its other address.`,
  }),
  cluster_bgp_restart_bfd: (f: { peer: string }) => ({
    message: `bgp.gracefulRestartSeconds keeps the route of a dead host, while BFD with ${f.peer} is to take it away at once`,
    remedy: 'Set gracefulRestartSeconds to 0, or bfd to false.',
  }),
};
