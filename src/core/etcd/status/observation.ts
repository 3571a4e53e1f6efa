import type { EtcdCertificate } from '../certificate.ts';
import type { EtcdScrape } from './metrics.ts';

/** What a member shows beside its status, all by one connection. */
export interface EtcdObservation {
  scrape: EtcdScrape;
  /** The server's; null where the connection did not tell. */
  certificate: EtcdCertificate | null;
  clock: ClockReading | null;
}

/** What the member's clock said, to the second, at a moment between two of this host's; Unix times in milliseconds. */
export interface ClockReading {
  askedAtMs: number;
  answeredAtMs: number;
  /** Begin of the second that it named. */
  saidMs: number;
}

/** The peer end of a member as this host sees it. */
export interface EtcdPeerEnd {
  url: string;
  /** Addresses that its host resolves to; empty when to none. */
  addresses: readonly string[];
  /** Why nothing was seen there; null when a certificate was. */
  problem: string | null;
  certificate: (EtcdCertificate & { namesHost: boolean }) | null;
}
