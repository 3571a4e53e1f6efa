/** A certificate as it was seen on the wire, or in a file. */
export interface EtcdCertificate {
  subject: string;
  issuer: string;
  /** ISO 8601, UTC. */
  notBefore: string;
  notAfter: string;
}
