import type { Family } from '../../base/address.ts';

/** One peer, as configured. RFC 4271 section 8.1 names the attributes of a session. */
export interface BgpPeerConfig {
  /** 1 to 4294967295. */
  localAsn: number;
  /** The same as `localAsn` for iBGP. */
  remoteAsn: number;
  /** BGP identifier: an IPv4 address, not 0.0.0.0 (RFC 6286). */
  routerId: string;
  /** 0, for no keepalives, or whole seconds of 3000 to 65535000. */
  holdTimeMs: number;
  connectRetryMs: number;
  /** Waits for the peer to connect (PassiveTcpEstablishment). */
  passive: boolean;
  /** Offered to the peer, at least one. */
  families: readonly Family[];
  /** Instead of this end of the connection; needed for a family that is not the connection's. */
  nextHops?: {
    IPv4?: string;
    IPv6?: string;
    /** Sent beside the global IPv6 next hop (RFC 2545 section 3). */
    linkLocal?: string;
  };
  /** RFC 4724, as the side that restarts. */
  gracefulRestart?: {
    /** 0 to 4095. */
    restartTimeS: number;
    /** This process began after a restart: the R bit, until a session has been established. */
    restarted: boolean;
    /** The F bit: what was announced before is still served. */
    forwardingPreserved: boolean;
  };
}

export function isInternal({ localAsn, remoteAsn }: BgpPeerConfig): boolean {
  return localAsn === remoteAsn;
}
