/** Which certificates a control-plane host needs, as data: kubeadm's files and names (kubernetes.io, "PKI certificates and requirements"). */
export type AuthorityName = 'ca' | 'front-proxy-ca' | 'etcd/ca';

export interface CertificatePlan {
  /** Below the folder of certificates, without `.crt` and `.key`: `apiserver`, `etcd/server`. */
  path: string;
  authority: AuthorityName;
  commonName: string;
  /** What Kubernetes reads as the group. */
  organization?: string;
  dnsNames: readonly string[];
  ipAddresses: readonly string[];
  usages: readonly ('server' | 'client')[];
}
