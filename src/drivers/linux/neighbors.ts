/** Ear and voice on one interface for ARP and neighbour discovery. */
import { type Family, familyOf } from '../../base/address.ts';
import { arpAnnouncement, arpGratuitousReply, arpProbe } from '../../core/neighbor/arp.ts';
import { claimOfFrame } from '../../core/neighbor/claim.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV6 } from '../../core/neighbor/ethernet.ts';
import { duplicateAddressSolicitation, unsolicitedAdvertisement } from '../../core/neighbor/ndp.ts';
import { done, type Effect } from '../../ports/effect.ts';
import type { NeighborClaim, NeighborWatch } from '../../ports/neighbors.ts';
import { arpClaims, neighborClaims } from './claims-filter.ts';
import type { Link } from './links.ts';
import { openPacketSocket } from './packet.ts';

export interface LinuxNeighbors extends NeighborWatch {
  /**
   * Says that this interface answers for the address: gratuitous ARP request and reply, since stations differ in which of them they
   * learn from (RFC 5227 section 3), or an unsolicited neighbour advertisement (RFC 4861 section 7.2.6).
   */
  announce(address: string): Effect;
  /** The interface has another MAC address from now on. */
  setMac(mac: string): void;
}

/** Hears claims for the addresses, and answers and probes for all, except those of the interface's own MAC. Throws HaleError `raw_socket_refused`. */
export function openNeighbors(link: Link, addresses: readonly string[]): LinuxNeighbors {
  let { mac } = link;
  let handler: ((claim: NeighborClaim) => void) | undefined;
  const onFrame = (frame: Uint8Array): void => {
    const claim = claimOfFrame(frame);
    if (claim !== undefined && claim.mac !== mac) handler?.(claim);
  };
  const of = (family: Family) => addresses.filter((address) => familyOf(address) === family);
  const arp = openPacketSocket({ link, etherType: ETHERTYPE_ARP, filter: arpClaims(of('IPv4')), onFrame });
  const ndp = openSecond(() => openPacketSocket({ link, etherType: ETHERTYPE_IPV6, filter: neighborClaims(of('IPv6')), onFrame }), arp);
  return {
    probe(address) {
      if (familyOf(address) === 'IPv4') return arp.send(arpProbe({ mac, address }));
      return ndp.send(duplicateAddressSolicitation({ mac, address }));
    },
    announce(address) {
      if (familyOf(address) === 'IPv6') return ndp.send(unsolicitedAdvertisement({ mac, address }));
      const request = arp.send(arpAnnouncement({ mac, address }));
      const reply = arp.send(arpGratuitousReply({ mac, address }));
      return request.ok && reply.ok ? done : request.ok ? reply : request;
    },
    setMac(next) {
      mac = next;
    },
    onClaim(next) {
      handler = next;
    },
    close() {
      arp.close();
      ndp.close();
    },
  };
}

function openSecond<T>(open: () => T, first: { close(): void }): T {
  try {
    return open();
  } catch (error) {
    first.close();
    throw error;
  }
}
