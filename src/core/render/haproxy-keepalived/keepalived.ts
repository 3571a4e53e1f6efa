import { type Family, familyOf } from '../../../base/address.ts';
import { assert } from '../../../base/assert.ts';
import { virtualRouterId } from '../../cluster/router-id.ts';
import type { Cluster, ClusterHost } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import { CHECK_SCRIPT, KEEPALIVED_DIR } from './paths.ts';

/** Of the first host; each further one has less. A higher one waits less (RFC 9568 section 6.1, Skew_Time), so two that are far apart do not both take over. */
const PRIORITY = { first: 240, step: 25 };

/** The hosts between which the address moves. */
export function holders({ controlPlane, haproxyKeepalived: { placement, balancers } }: Cluster): readonly ClusterHost[] {
  return placement === 'balancers' ? balancers : controlPlane.hosts;
}

/** keepalived.conf of one host: VRRP version 3, accepted by keepalived 2.2 and newer. */
export function keepalivedFile(cluster: Cluster, host: ClusterHost): RenderedFile {
  const lines = [
    '# Made by hale from cluster.yaml: which host has the address of the Kubernetes API.',
    ...globalLines(host),
    '',
    ...checkLines(),
    '',
    ...instanceLines(cluster, host),
  ];
  return { path: `${KEEPALIVED_DIR}/keepalived.conf`, text: `${lines.join('\n')}\n`, mode: 0o644 };
}

function globalLines({ name }: ClusterHost): string[] {
  return [
    'global_defs {',
    `    router_id ${name}`,
    '    # The check needs no rights, but keepalived 2.2.7 (Debian 12) dies in --config-test when a script has another user than root.',
    '    script_user root',
    '    # Only programs that nobody but root can change, or put another in the place of.',
    '    enable_script_security',
    '    # Parts of a second between advertisements, and IPv6.',
    '    vrrp_version 3',
    '    # A switch or client that missed the announcement learns of the move within a minute.',
    '    vrrp_garp_master_refresh 60',
    '    # On a busy host keepalived raises its own priority instead of falling silent, which would move the address.',
    '    max_auto_priority 50',
    '    vrrp_no_swap',
    '}',
  ];
}

function checkLines(): string[] {
  return [
    '# Fails only where this host is worse than another: see the script. So it can neither keep the address from appearing before the first API server',
    '# is there, nor take it from all hosts at once when etcd has no majority. It notices a dead HAProxy, and one that hangs. track_process would notice the first',
    '# some seconds sooner, but keeps the address from every host where the kernel tells nothing of processes: in containers, also those that are whole systems.',
    'vrrp_script api {',
    `    script ${CHECK_SCRIPT}`,
    '    # Longer than a restart of HAProxy takes, and than the 5 s that HAProxy needs to drop a dead API server: the address must not move for what a balancer mends.',
    '    interval 2',
    '    timeout 5',
    '    fall 4',
    '    rise 2',
    "    # Weight 0, keepalived's default: the failing host leaves the election. A weight that lowers the priority would change nothing here, because with",
    '    # nopreempt no other host takes the address from one that still advertises.',
    '    weight 0',
    '}',
  ];
}

function instanceLines(cluster: Cluster, host: ClusterHost): string[] {
  const { endpoint, haproxyKeepalived } = cluster;
  const { interface: device } = endpoint;
  assert(device !== undefined, 'a check demands the interface with this provider');
  const index = holders(cluster).findIndex(({ name }) => name === host.name);
  return [
    'vrrp_instance kubernetes-api {',
    '    # All alike: whoever has the address keeps it until it fails, also when a host with a higher priority comes back. Each move breaks connections.',
    '    state BACKUP',
    '    nopreempt',
    `    interface ${device}`,
    `    # Unique in this network; two groups with one number fight. 51 is in every sample.`,
    `    virtual_router_id ${virtualRouterId({ name: cluster.name, chosen: haproxyKeepalived.virtualRouterId })}`,
    '    # Different on each host, and far apart: after the holder fell silent each waits a part of an interval by its priority, so that only one takes over.',
    `    priority ${PRIORITY.first - PRIORITY.step * index}`,
    `    # The address moves after three of them and a little.`,
    `    advert_int ${haproxyKeepalived.advertisementIntervalMs / 1000}`,
    ...peerLines(cluster, host),
    ...addressLines(endpoint.addresses, device),
    '    track_script {',
    '        api',
    '    }',
    '}',
  ];
}

/** Unicast: many networks drop VRRP's multicast, and others with the same number are not heard. */
function peerLines(cluster: Cluster, host: ClusterHost): string[] {
  const family = familyOf(cluster.endpoint.addresses[0] as string);
  const peers = holders(cluster).filter(({ name }) => name !== host.name);
  if (peers.length === 0) return [];
  return [
    '    # Not by multicast, which many networks drop.',
    `    unicast_src_ip ${addressOf(host, family)}`,
    '    unicast_peer {',
    ...peers.map((peer) => `        ${addressOf(peer, family)}`),
    '    }',
    '    check_unicast_src',
  ];
}

export function addressOf({ addresses }: ClusterHost, family: Family): string {
  const own = addresses.find(({ address }) => familyOf(address) === family);
  assert(own !== undefined, 'a check demands an address of the family of the endpoint on every host that may hold it');
  return own.address;
}

/** An advertisement carries addresses of one family; the other address moves with it, so both are always on one host. */
function addressLines([first, second]: readonly string[], device: string): string[] {
  const line = (address: string) => `        ${address}/${familyOf(address) === 'IPv4' ? 32 : 128} dev ${device}`;
  return [
    '    virtual_ipaddress {',
    line(first as string),
    '    }',
    ...(second === undefined
      ? []
      : [
          '    # VRRP carries one family; the address of the other one moves with it, in one election, so that both are on one host.',
          '    virtual_ipaddress_excluded {',
          line(second),
          '    }',
        ]),
  ];
}
