import { unreachable } from '../../base/assert.ts';
import type { VrrpWarning } from './state.ts';

/** A warning as a sentence for people, with the way out. */
export function warningText(warning: VrrpWarning): string {
  switch (warning.kind) {
    case 'address-list-differs':
      return `${warning.from} advertises ${list(warning.theirs)}, this host ${list(warning.ours)}: give all routers of this virtual router the same addresses`;
    case 'other-cluster':
      return `${warning.from} uses virtual router id ${warning.virtualRouterId} for ${list(warning.theirs)}, which is none of ours: give one of the two another id`;
    case 'version-differs':
      return `${warning.from} speaks VRRP version ${warning.theirs}, this host version ${warning.ours}: neither hears the other, and both take the address`;
    case 'interval-differs':
      return `${warning.from} advertises every ${warning.theirsMs} ms, this host every ${warning.oursMs} ms: with version 2 neither hears the other`;
    case 'ttl':
      return `a message of ${warning.from} came with TTL ${warning.ttl} instead of 255, so from beyond a router, and was ignored`;
    case 'auth-type':
      return `${warning.from} has authentication ${warning.theirs}, this host ${warning.ours}: neither hears the other`;
    case 'auth-password':
      return `${warning.from} has another password: neither hears the other`;
    case 'checksum':
      return `a message of ${warning.from} has a wrong checksum and was ignored`;
    case 'checksum-form-differs':
      return `${warning.from} computes checksums ${FORM[warning.theirs]}, this host ${FORM[warning.ours]}: it may not hear this host`;
    case 'delivery-differs':
      return `${warning.from} sends by ${warning.theirs}, this host does not: make it the same on both, or it does not hear this host`;
    case 'unknown-peer':
      return `${warning.from} is not among the peers, and is ignored: add it to vrrp.peers, or give its virtual router another id`;
    case 'own-address':
      return `a message came from ${warning.from}, the address of this host: there is a loop in the network, or another machine has it too`;
    case 'several-active':
      return `${list(warning.actives)} are active at once: they do not hear each other; look at the switches, firewalls (IP protocol 112) and versions between them`;
    case 'send-failed':
      return `advertisements do not go out: ${warning.reason}`;
    default:
      return unreachable(warning);
  }
}

const FORM = { 'with-pseudo-header': 'with a pseudo-header', 'message-only': 'without a pseudo-header' } as const;

function list(addresses: readonly string[]): string {
  return addresses.length === 0 ? 'nothing' : addresses.join(' and ');
}
