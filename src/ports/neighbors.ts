import type { Effect } from './effect.ts';

/** Somebody on the link answers for, or announces, an address. */
export interface NeighborClaim {
  address: string;
  mac: string;
  /** How it was said: ARP reply or announcement, a neighbour advertisement, or a probe by someone who wants the address. */
  kind: 'answer' | 'announcement' | 'probe';
}

/** Ear and voice on the link for ARP (RFC 826, RFC 5227) and NDP (RFC 4861). */
export interface NeighborWatch {
  /** Asks the link who has `address`, without claiming it (ARP probe; neighbour solicitation as in duplicate address detection). */
  probe(address: string): Effect;
  onClaim(handler: (claim: NeighborClaim) => void): void;
  close(): void;
}
