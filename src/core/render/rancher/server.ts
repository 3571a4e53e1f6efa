/** config.yaml of a server (docs.k3s.io and docs.rke2.io, server configuration). */
import { formatPrefix, type Prefix } from '../../../base/address.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { etcdTuningFlags } from '../etcd-flags.ts';
import { kubeProxySettings } from '../kube-proxy.ts';
import type { HostInput } from '../part.ts';
import { PKI_DIR } from '../paths.ts';
import { servedNames } from '../served-names.ts';
import { because } from '../yaml.ts';
import { apiserverFlags, auditKey } from './apiserver.ts';
import type { Flavour } from './flavour.ts';
import { flagItems, kubeProxyKeys, nodeKeys, serverKey, tokenKey } from './node.ts';
import { snapshotKeys } from './snapshots.ts';

export function serverConfig(input: HostInput, flavour: Flavour): Record<string, unknown> {
  const { cluster } = input;
  const { kubernetes, apiserver } = cluster;
  const list = (subnets: readonly Prefix[]) => subnets.map(formatPrefix).join(',');
  return {
    ...beginning(input, flavour),
    ...tokenKey(input),
    ...nodeKeys(input),
    'bind-address': apiserver.bind === 'host' ? input.node.host.addresses[0]?.address : undefined,
    'https-listen-port': flavour.name === 'k3s' && apiserver.port !== 6443 ? apiserver.port : undefined,
    'tls-san': because('Whatever a client calls an API server, whichever host it meets.', servedNames(cluster)),
    'write-kubeconfig-mode': because('It is the administrator of the cluster.', '0600'),
    'cluster-cidr': because(
      'These, and what follows about networks and encryption, are equal on all servers, or they do not join.',
      list(kubernetes.podSubnets),
    ),
    'service-cidr': list(kubernetes.serviceSubnets),
    'cluster-domain': kubernetes.dnsDomain,
    ...networkKeys(cluster, flavour),
    // RKE2 always does.
    'secrets-encryption':
      flavour.name === 'k3s' ? because('Secrets are encrypted in etcd, with a key that the servers share.', true) : undefined,
    'disable-kube-proxy':
      kubeProxySettings(cluster) === undefined ? because('The CNI plugin carries connections to Services.', true) : undefined,
    ...kubeProxyKeys(cluster),
    'kube-apiserver-arg': flagItems(apiserverFlags(cluster, flavour)),
    ...auditKey(flavour),
    ...(cluster.etcd.topology === 'stacked' ? embeddedEtcd(cluster) : {}),
  };
}

/** How a server finds the cluster, or makes it. */
function beginning({ cluster, node }: HostInput, flavour: Flavour): Record<string, unknown> {
  if (cluster.etcd.topology === 'external') return externalEtcd(cluster.etcd);
  if (node.index > 0) return serverKey(cluster, flavour);
  if (flavour.name === 'rke2') return {};
  return {
    'cluster-init': because(
      'Makes the cluster, and is ignored once there is data. If this host is ever set up anew while the others live, it must\nhave `server` as they do instead, or it would make another cluster.',
      true,
    ),
  };
}

function externalEtcd({ endpoints, caFile }: Cluster['etcd']): Record<string, unknown> {
  return {
    'datastore-endpoint': because('etcd on hosts of its own: every server finds the cluster there.', endpoints.join(',')),
    'datastore-cafile': caFile,
    'datastore-certfile': `${PKI_DIR}/apiserver-etcd-client.crt`,
    'datastore-keyfile': `${PKI_DIR}/apiserver-etcd-client.key`,
  };
}

function embeddedEtcd(cluster: Cluster): Record<string, unknown> {
  return {
    'etcd-arg': flagItems(etcdTuningFlags(cluster.etcd)),
    'etcd-expose-metrics': because('On port 2381 of the node, without a certificate: for Prometheus. Let only it in.', true),
    ...snapshotKeys(cluster),
  };
}

/** k3s brings Flannel and a controller for network policies, RKE2 brings Canal, which stay where cluster.yaml names no other. */
function networkKeys({ kubernetes: { cni, podSubnets } }: Cluster, { name }: Flavour): Record<string, unknown> {
  if (name === 'rke2') return cni === 'none' ? {} : { cni: because("RKE2's own chart of it; values go into a HelmChartConfig.", cni) };
  if (cni === 'calico' || cni === 'cilium')
    return {
      'flannel-backend': because(`${cni} connects the Pods, and enforces network policies.`, 'none'),
      'disable-network-policy': true,
    };
  const ipv6 = podSubnets.some(({ address }) => address.includes(':'));
  return {
    'flannel-backend': because("k3s' own Flannel, in UDP packets to port 8472.", 'vxlan'),
    'flannel-ipv6-masq': ipv6 ? because('Pods leave the cluster with the address of their node, as with IPv4.', true) : undefined,
  };
}
