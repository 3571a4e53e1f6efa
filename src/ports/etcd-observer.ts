import type { EtcdCertificate } from '../core/etcd/certificate.ts';
import type { EtcdObservation, EtcdPeerEnd } from '../core/etcd/status/observation.ts';

/** What members show beside etcd's API. Asks on the connections that the client has. Each call fails with a HaleError within its deadline, or succeeds. */
export interface EtcdObserver {
  /** Of the member's /metrics, which it serves at its client URL unless `--listen-client-http-urls` puts it elsewhere. */
  observe(url: string): Promise<EtcdObservation>;
  /** Milliseconds of a round trip on the connection that is open, so without its handshake; null where there is none, or no answer within `waitMs`. */
  roundTrip(url: string, waitMs: number): Promise<number | null>;
  /** The certificate that this client shows. */
  ownCertificate(): EtcdCertificate;
  /** Looks at the certificate of a peer URL. Never fails. */
  lookAtPeer(peerUrl: string): Promise<EtcdPeerEnd>;
}
