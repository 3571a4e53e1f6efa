import { formatPrefix, hostPort } from '../../../base/address.ts';
import { endpointHost } from '../../cluster/names.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { authenticationConfig } from '../api-files.ts';
import { auditFlags, drainFlags, seatFlags, spreadFlags } from '../apiserver-flags.ts';
import { leaderElectionFlags } from '../controller-flags.ts';
import { ETCD_METRICS, etcdTuningFlags } from '../etcd-flags.ts';
import { kubeProxySettings } from '../kube-proxy.ts';
import { AUDIT_LOG_DIR, AUDIT_POLICY, AUTHENTICATION_CONFIG, ENCRYPTION_CONFIG, PKI_DIR } from '../paths.ts';
import { servedNames } from '../served-names.ts';
import { because } from '../yaml.ts';
import { extraArgs, kubeadmApi, typeOf } from './api.ts';

/** ClusterConfiguration: the same for all hosts; kubeadm keeps it in the ConfigMap kubeadm-config. */
export function clusterConfiguration(cluster: Cluster): unknown {
  const { kubernetes, name, endpoint } = cluster;
  const subnets = (list: Cluster['kubernetes']['podSubnets']) => list.map(formatPrefix).join(',');
  return {
    ...typeOf(cluster, 'ClusterConfiguration'),
    clusterName: name,
    kubernetesVersion: because('kubeadm of this minor release or the next; kubelet never newer than it.', kubernetes.version),
    controlPlaneEndpoint: because(
      endpoint.dnsName === undefined
        ? 'In every kubeconfig, so it cannot change without making all of them anew; a name (endpoint.dnsName) could move.'
        : 'In every kubeconfig. A name, so that the address behind it can change.',
      hostPort(endpointHost(cluster), endpoint.port),
    ),
    networking: {
      serviceSubnet: subnets(kubernetes.serviceSubnets),
      podSubnet: because('The CNI plugin must be told the same.', subnets(kubernetes.podSubnets)),
      dnsDomain: kubernetes.dnsDomain,
    },
    etcd: etcd(cluster),
    apiServer: apiServer(cluster),
    controllerManager: { extraArgs: extraArgs(cluster, leaderElectionFlags()) },
    scheduler: { extraArgs: extraArgs(cluster, leaderElectionFlags()) },
    proxy:
      kubeadmApi(cluster) === 'v1beta4' && kubeProxySettings(cluster) === undefined
        ? because('The CNI plugin carries connections to Services.', { disabled: true })
        : undefined,
  };
}

function etcd(cluster: Cluster): unknown {
  const { topology, endpoints, caFile, dataDir } = cluster.etcd;
  if (topology === 'external')
    return {
      external: because("etcd on hosts of its own. The API servers' client certificate is there before `kubeadm init`.", {
        endpoints: [...endpoints],
        caFile,
        certFile: `${PKI_DIR}/apiserver-etcd-client.crt`,
        keyFile: `${PKI_DIR}/apiserver-etcd-client.key`,
      }),
    };
  // The check for corruption at start is kubeadm's own, under the name that its release of etcd knows; said here it would outlive that name.
  const metrics = {
    name: 'listen-metrics-urls',
    value: ETCD_METRICS,
    why: 'Metrics and health without a certificate, for this host alone. kubelet probes it.',
  };
  return { local: { dataDir, extraArgs: extraArgs(cluster, [...etcdTuningFlags(cluster.etcd), metrics]) } };
}

function apiServer(cluster: Cluster): unknown {
  const authentication = authenticationConfig(cluster).map(({ path }) => ({
    name: 'authentication-config',
    value: path,
    why: 'Health for everybody, since balancers have no credentials; nothing else.',
  }));
  return {
    certSANs: because('Whatever a client calls an API server, whichever host it meets.', servedNames(cluster)),
    extraArgs: extraArgs(cluster, [
      ...drainFlags(cluster),
      ...spreadFlags(cluster),
      ...seatFlags(),
      ...authentication,
      { name: 'encryption-provider-config', value: ENCRYPTION_CONFIG, why: 'Secrets are encrypted in etcd.' },
      ...auditFlags({ policy: AUDIT_POLICY, log: `${AUDIT_LOG_DIR}/audit.log` }),
    ]),
    extraVolumes: because('The files above, which are on the host.', [
      ...(authentication.length === 0 ? [] : [readOnly('authentication', AUTHENTICATION_CONFIG)]),
      readOnly('encryption', ENCRYPTION_CONFIG),
      readOnly('audit-policy', AUDIT_POLICY),
      { name: 'audit-log', hostPath: AUDIT_LOG_DIR, mountPath: AUDIT_LOG_DIR, pathType: 'DirectoryOrCreate' },
    ]),
  };
}

/** `File`: a file that is missing keeps the Pod from starting, instead of becoming an empty folder. */
function readOnly(name: string, path: string): unknown {
  return { name, hostPath: path, mountPath: path, readOnly: true, pathType: 'File' };
}
