import { formatPrefix } from '../../../base/address.ts';
import type { Cluster, ClusterHost } from '../../cluster/schema.ts';
import { authenticationConfig } from '../api-files.ts';
import { APISERVER_STOP_SECONDS, auditFlags, drainFlags, seatFlags, spreadFlags } from '../apiserver-flags.ts';
import { flagWords } from '../flags.ts';
import { AUDIT_LOG_DIR, AUDIT_POLICY, ENCRYPTION_CONFIG, PKI_DIR } from '../paths.ts';
import type { Service } from '../service.ts';
import { SPARED } from './unit.ts';

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
    stopTimeoutSeconds: APISERVER_STOP_SECONDS,
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
    ...authenticationConfig(cluster).map(({ path }) => `--authentication-config=${path}`),
    '--enable-admission-plugins=NodeRestriction',
    '--enable-bootstrap-token-auth=true',
    `--encryption-provider-config=${ENCRYPTION_CONFIG}`,
    ...flagWords([
      ...auditFlags({ policy: AUDIT_POLICY, log: `${AUDIT_LOG_DIR}/audit.log` }),
      ...drainFlags(cluster),
      ...spreadFlags(cluster),
      ...seatFlags(),
    ]),
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

/** Stacked: the member of the same host alone, as kubeadm does. An API server whose etcd is gone says so at /readyz, and the balancer goes round it. */
function etcdServers({ etcd }: Cluster): readonly string[] {
  return etcd.topology === 'stacked' ? [`https://127.0.0.1:${etcd.clientPort}`] : etcd.endpoints;
}

/** `::` takes IPv4 as well (ipv6(7), IPV6_V6ONLY). kube-apiserver takes one address. */
function bindAddress({ apiserver, endpoint }: Cluster, host: ClusterHost): string {
  if (apiserver.bind === 'host') return host.addresses[0]?.address as string;
  return endpoint.addresses.some((address) => address.includes(':')) ? '::' : '0.0.0.0';
}
