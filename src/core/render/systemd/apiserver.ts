import { formatPrefix } from '../../../base/address.ts';
import type { Cluster, ClusterHost } from '../../cluster/schema.ts';
import { AUDIT_LOG_DIR, AUDIT_POLICY, AUTHENTICATION_CONFIG, ENCRYPTION_CONFIG, PKI_DIR } from '../paths.ts';
import type { Service } from '../service.ts';
import { SPARED } from './unit.ts';

/** Longer than any balancer takes to hear of it: hale's own looks twice a second, HAProxy's check takes 6 s with its defaults. */
const SHUTDOWN_DELAY_SECONDS = 15;
const WATCH_TERMINATION_SECONDS = 10;
/** What is under way may end after that; then it is killed. */
const STOP_SPARE_SECONDS = 35;

/** kube-apiserver on a control-plane host (kubernetes.io, "kube-apiserver"). */
export function apiserverService(cluster: Cluster, host: ClusterHost): Service {
  return {
    name: 'kube-apiserver',
    description: 'Kubernetes API server',
    documentation: 'https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/',
    after: ['network-online.target', ...(cluster.etcd.topology === 'stacked' ? ['etcd.service'] : [])],
    unit: [],
    type: 'notify',
    user: 'kube-apiserver',
    program: 'kube-apiserver',
    arguments: apiserverArguments(cluster, host),
    writes: [AUDIT_LOG_DIR],
    stopTimeoutSeconds: SHUTDOWN_DELAY_SECONDS + WATCH_TERMINATION_SECONDS + STOP_SPARE_SECONDS,
    // The port may be below 1024.
    capabilities: cluster.apiserver.port < 1024 ? ['CAP_NET_BIND_SERVICE'] : [],
    hardening: {},
    extra: ['LimitNOFILE=1048576', SPARED],
  };
}

function apiserverArguments(cluster: Cluster, host: ClusterHost): string[] {
  const { apiserver, kubernetes, etcd } = cluster;
  const address = host.addresses[0]?.address as string;
  return [
    `--advertise-address=${address}`,
    `--bind-address=${bindAddress(cluster, host)}`,
    `--secure-port=${apiserver.port}`,
    `--etcd-servers=${etcdServers(cluster).join(',')}`,
    `--etcd-cafile=${etcd.topology === 'stacked' ? `${PKI_DIR}/etcd/ca.crt` : etcd.caFile}`,
    `--etcd-certfile=${PKI_DIR}/apiserver-etcd-client.crt`,
    `--etcd-keyfile=${PKI_DIR}/apiserver-etcd-client.key`,
    `--client-ca-file=${PKI_DIR}/ca.crt`,
    `--tls-cert-file=${PKI_DIR}/apiserver.crt`,
    `--tls-private-key-file=${PKI_DIR}/apiserver.key`,
    `--kubelet-certificate-authority=${PKI_DIR}/ca.crt`,
    `--kubelet-client-certificate=${PKI_DIR}/apiserver-kubelet-client.crt`,
    `--kubelet-client-key=${PKI_DIR}/apiserver-kubelet-client.key`,
    '--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname',
    ...aggregation(),
    `--service-account-issuer=https://kubernetes.default.svc.${kubernetes.dnsDomain}`,
    `--service-account-key-file=${PKI_DIR}/sa.pub`,
    `--service-account-signing-key-file=${PKI_DIR}/sa.key`,
    `--service-cluster-ip-range=${kubernetes.serviceSubnets.map(formatPrefix).join(',')}`,
    '--allow-privileged=true',
    '--authorization-mode=Node,RBAC',
    `--authentication-config=${AUTHENTICATION_CONFIG}`,
    '--enable-admission-plugins=NodeRestriction',
    '--enable-bootstrap-token-auth=true',
    `--encryption-provider-config=${ENCRYPTION_CONFIG}`,
    ...audit(),
    ...availability(cluster),
  ];
}

/** API servers that are added to this one trust it by a certificate of the front-proxy authority (kubernetes.io, "Configure the Aggregation Layer"). */
function aggregation(): string[] {
  return [
    `--proxy-client-cert-file=${PKI_DIR}/front-proxy-client.crt`,
    `--proxy-client-key-file=${PKI_DIR}/front-proxy-client.key`,
    `--requestheader-client-ca-file=${PKI_DIR}/front-proxy-ca.crt`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-username-headers=X-Remote-User',
    '--enable-aggregator-routing=true',
  ];
}

function audit(): string[] {
  return [
    `--audit-policy-file=${AUDIT_POLICY}`,
    `--audit-log-path=${AUDIT_LOG_DIR}/audit.log`,
    '--audit-log-maxage=30',
    '--audit-log-maxbackup=10',
    '--audit-log-maxsize=100',
  ];
}

/** Overload is met by API Priority and Fairness, on by default, for which the sum of the two limits is the number of seats. */
function availability({ controlPlane }: Cluster): string[] {
  return [
    `--shutdown-delay-duration=${SHUTDOWN_DELAY_SECONDS}s`,
    '--shutdown-send-retry-after=true',
    `--shutdown-watch-termination-grace-period=${WATCH_TERMINATION_SECONDS}s`,
    // Clients with one HTTP/2 connection for all stay where they are until asked to open another; alone, there is nowhere else.
    ...(controlPlane.hosts.length > 1 ? ['--goaway-chance=0.001'] : []),
    '--max-requests-inflight=400',
    '--max-mutating-requests-inflight=200',
  ];
}

/** Stacked: the member of the same host alone, as kubeadm does. An API server whose etcd is gone says so at /readyz, and the balancer goes round it. */
function etcdServers({ etcd }: Cluster): readonly string[] {
  return etcd.topology === 'stacked' ? [`https://127.0.0.1:${etcd.clientPort}`] : etcd.endpoints;
}

/** `::` takes IPv4 as well (ipv6(7), IPV6_V6ONLY). kube-apiserver takes one address. */
function bindAddress({ apiserver, endpoint }: Cluster, host: ClusterHost): string {
  if (apiserver.bind === 'host') return host.addresses[0]?.address as string;
  return endpoint.addresses.some((address) => address.includes(':')) ? '::' : '0.0.0.0';
}
