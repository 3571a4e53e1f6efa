import type { Effect } from './effect.ts';

/** An IP packet of protocol 112 as it came in. */
export interface VrrpPacket {
  /** Source and destination in the form of `formatIp`, without a zone. */
  from: string;
  to: string;
  /** TTL or hop limit; RFC 9568 section 5.1.1.3 asks for 255. */
  ttl: number;
  /** The VRRP message, without the IP header. */
  bytes: Uint8Array;
}

/** Ear and voice on one interface for VRRP messages of one address family: multicast to the group, or unicast to a list of peers. */
export interface VrrpLink {
  /** The address that messages are sent from, which is part of an IPv6 checksum and breaks ties between equal priorities. */
  readonly source: string;
  /** Where messages go: the group (224.0.0.18, ff02::12), or each peer. */
  readonly destinations: readonly string[];
  /** Sends one message, with TTL 255. */
  send(options: { to: string; bytes: Uint8Array }): Effect;
  /** What arrives on the interface from others, whatever its TTL. */
  onReceive(handler: (packet: VrrpPacket) => void): void;
  close(): void;
}
