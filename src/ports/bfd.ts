import type { Effect } from './effect.ts';

/** A BFD control packet as it came in. */
export interface BfdPacket {
  /** In the form of `formatIp`, without a zone. */
  from: string;
  to: string;
  /** TTL or hop limit. RFC 5881 section 5 asks for 255 from a peer on the link. */
  ttl: number;
  bytes: Uint8Array;
}

/** UDP for BFD: single hop to port 3784 (RFC 5881), multihop to port 4784 (RFC 5883), sent with TTL 255 from a port of 49152 to 65535 of each session's own. */
export interface BfdLink {
  openSession(peer: { localAddress: string; remoteAddress: string; multihop: boolean }): BfdSocket;
  /** All that arrives at the two ports, of whatever session. */
  onReceive(handler: (packet: BfdPacket & { multihop: boolean }) => void): void;
  /** Hands on now what has arrived and was not read yet, so that a host that slept does not take its own sleep for its peer's. */
  receiveWaiting(): void;
  /** With all its sessions' sockets, and without a word to their peers. */
  close(): void;
}

/** What is wrong with it, its port among others, is said by each `send`, which also tries again what had failed. */
export interface BfdSocket {
  send(bytes: Uint8Array): Effect;
  close(): void;
}
