/** Which keys and certificates a control-plane host needs, as data: kubeadm's files and names (kubernetes.io, "PKI certificates and requirements"). */
import { hostPort } from '../../base/address.ts';
import type { Cluster, ClusterHost } from '../cluster/schema.ts';
import { endpointUrl, serviceAddresses } from '../cluster/names.ts';

/** Self-signed, one for the whole cluster. Paths are below the folder of certificates, without `.crt` and `.key`. */
export const AUTHORITIES = {
  ca: 'kubernetes',
  'front-proxy-ca': 'front-proxy-ca',
  'etcd/ca': 'etcd-ca',
} as const;
export type AuthorityName = keyof typeof AUTHORITIES;

/** The authorities whose keys this cluster's hosts hold: external etcd has its own, elsewhere. */
export function clusterAuthorities({ etcd }: Cluster): AuthorityName[] {
  return etcd.topology === 'stacked' ? ['ca', 'front-proxy-ca', 'etcd/ca'] : ['ca', 'front-proxy-ca'];
}

/** kubeadm's: an authority lives ten years, what it signs one. */
export const AUTHORITY_DAYS = 3650;
export const CERTIFICATE_DAYS = 365;

const SIGNERS: ReadonlyMap<string, AuthorityName> = new Map([
  ['apiserver', 'ca'],
  ['apiserver-kubelet-client', 'ca'],
  ['front-proxy-client', 'front-proxy-ca'],
  ['apiserver-etcd-client', 'etcd/ca'],
  ['etcd/server', 'etcd/ca'],
  ['etcd/peer', 'etcd/ca'],
  ['etcd/healthcheck-client', 'etcd/ca'],
]);

/** The authority that signs the certificate of this path; undefined for one that is not Kubernetes' own. */
export function authorityOf(path: string): AuthorityName | undefined {
  return SIGNERS.get(path);
}

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

/** A kubeconfig that carries its own client certificate. */
export interface KubeconfigPlan {
  /** File name in /etc/kubernetes. */
  file: string;
  commonName: string;
  organization?: string;
  /** URL of the API that it names. */
  server: string;
}

const LOOPBACK = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1', '::1'] };

/** What clients of the API call it, which every API server's certificate has to name. */
export function endpointNames({ endpoint }: Pick<Cluster, 'endpoint'>): Pick<CertificatePlan, 'dnsNames' | 'ipAddresses'> {
  return { dnsNames: endpoint.dnsName === undefined ? [] : [endpoint.dnsName], ipAddresses: endpoint.addresses };
}

/** The certificates of one host. Addresses are in canonical text, and no name comes twice. */
export function hostCertificates(cluster: Cluster, host: ClusterHost): CertificatePlan[] {
  const { kubernetes, endpoint } = cluster;
  const own = host.addresses.map(({ address }) => address);
  const services = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', `kubernetes.default.svc.${kubernetes.dnsDomain}`];
  const member = {
    commonName: host.name,
    dnsNames: unique([host.name, ...LOOPBACK.dnsNames]),
    ipAddresses: unique([...own, ...LOOPBACK.ipAddresses]),
  };
  return [
    {
      path: 'apiserver',
      authority: 'ca',
      commonName: 'kube-apiserver',
      dnsNames: unique([host.name, ...services, ...endpointNames(cluster).dnsNames, ...LOOPBACK.dnsNames]),
      ipAddresses: unique([...own, ...endpoint.addresses, ...serviceAddresses(cluster), ...LOOPBACK.ipAddresses]),
      usages: ['server'],
    },
    // No group: the user is bound to the role system:kubelet-api-admin, as kubeadm does since system:masters proved too much.
    client('apiserver-kubelet-client', { authority: 'ca', commonName: 'kube-apiserver-kubelet-client' }),
    client('front-proxy-client', { authority: 'front-proxy-ca', commonName: 'front-proxy-client' }),
    ...(cluster.etcd.topology === 'stacked' ? etcdCertificates(member) : []),
  ];
}

function etcdCertificates(member: Pick<CertificatePlan, 'commonName' | 'dnsNames' | 'ipAddresses'>): CertificatePlan[] {
  return [
    // Both usages: etcd's gateway dials its own client port with the server certificate, and peers are both.
    { ...member, path: 'etcd/server', authority: 'etcd/ca', usages: ['server', 'client'] },
    { ...member, path: 'etcd/peer', authority: 'etcd/ca', usages: ['server', 'client'] },
    client('etcd/healthcheck-client', { authority: 'etcd/ca', commonName: 'kube-etcd-healthcheck-client' }),
    client('apiserver-etcd-client', { authority: 'etcd/ca', commonName: 'kube-apiserver-etcd-client' }),
  ];
}

function client(path: string, who: Pick<CertificatePlan, 'authority' | 'commonName' | 'organization'>): CertificatePlan {
  return { ...who, path, dnsNames: [], ipAddresses: [], usages: ['client'] };
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}

/**
 * As kubeadm since 1.29: administrators are a group that RBAC can take its rights from again; only super-admin.conf, to be locked away and on the
 * first host alone, is of `system:masters`, which nothing can refuse. The controllers talk to the API server of their own host: when that dies another
 * host's lead.
 */
export function hostKubeconfigs(cluster: Cluster, host: ClusterHost): KubeconfigPlan[] {
  const own = `https://${hostPort(host.addresses[0]?.address as string, cluster.apiserver.port)}`;
  const server = endpointUrl(cluster);
  const first = host.name === cluster.controlPlane.hosts[0]?.name;
  return [
    { file: 'admin.conf', commonName: 'kubernetes-admin', organization: 'kubeadm:cluster-admins', server },
    ...(first ? [{ file: 'super-admin.conf', commonName: 'kubernetes-super-admin', organization: 'system:masters', server }] : []),
    { file: 'controller-manager.conf', commonName: 'system:kube-controller-manager', server: own },
    { file: 'scheduler.conf', commonName: 'system:kube-scheduler', server: own },
  ];
}
