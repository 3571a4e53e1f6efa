import { hostPort } from '../../../base/address.ts';
import type { Cluster, ClusterHost } from '../../cluster/schema.ts';
import { ETCD_METRICS, etcdTuningFlags } from '../etcd-flags.ts';
import { flagWords } from '../flags.ts';
import { PKI_DIR } from '../paths.ts';
import type { Service } from '../service.ts';
import { SPARED } from './unit.ts';

const PEER_PORT = 2380;

export interface EtcdOptions {
  cluster: Cluster;
  host: ClusterHost;
  /** Keeps members of one cluster from ever joining those of another with the same addresses. */
  token: string;
}

/** A member of stacked etcd on a control-plane host, 3.4 to 3.7. */
export function etcdService({ cluster, host, token }: EtcdOptions): Service {
  return {
    name: 'etcd',
    description: 'etcd, the store of the Kubernetes API',
    documentation: 'https://etcd.io/docs/',
    after: ['network-online.target'],
    unit: [],
    type: 'notify',
    user: 'etcd',
    program: 'etcd',
    arguments: etcdArguments({ cluster, host, token }),
    writes: [cluster.etcd.dataDir],
    stopTimeoutSeconds: 60,
    capabilities: [],
    hardening: {},
    // etcd's own advice: its writes go before those of others.
    extra: ['Nice=-10', 'IOSchedulingClass=best-effort', 'IOSchedulingPriority=2', 'LimitNOFILE=65536', SPARED],
  };
}

function etcdArguments({ cluster, host, token }: EtcdOptions): string[] {
  const { etcd, controlPlane } = cluster;
  const pki = `${PKI_DIR}/etcd`;
  const addresses = host.addresses.map(({ address }) => address);
  const clientUrls = addresses.map((address) => `https://${hostPort(address, etcd.clientPort)}`);
  return [
    `--name=${host.name}`,
    `--data-dir=${etcd.dataDir}`,
    `--listen-peer-urls=${peerUrl(host)}`,
    `--initial-advertise-peer-urls=${peerUrl(host)}`,
    `--listen-client-urls=${[`https://127.0.0.1:${etcd.clientPort}`, ...clientUrls].join(',')}`,
    `--advertise-client-urls=${clientUrls.join(',')}`,
    `--listen-metrics-urls=${ETCD_METRICS}`,
    `--initial-cluster=${controlPlane.hosts.map((member) => `${member.name}=${peerUrl(member)}`).join(',')}`,
    `--initial-cluster-token=${token}`,
    '--initial-cluster-state=new',
    '--client-cert-auth=true',
    `--trusted-ca-file=${pki}/ca.crt`,
    `--cert-file=${pki}/server.crt`,
    `--key-file=${pki}/server.key`,
    '--peer-client-cert-auth=true',
    `--peer-trusted-ca-file=${pki}/ca.crt`,
    `--peer-cert-file=${pki}/peer.crt`,
    `--peer-key-file=${pki}/peer.key`,
    ...flagWords(etcdTuningFlags(etcd)),
    ...versioned(etcd.version),
  ];
}

/** Where the other members reach the member of stacked etcd on `host`. */
export function peerUrl(host: ClusterHost): string {
  return `https://${hostPort(host.addresses[0]?.address as string, PEER_PORT)}`;
}

/** A member whose data differs from the others' must not start; what that is called changed with 3.6, and 3.7 refuses the old name. */
function versioned(version: Cluster['etcd']['version']): string[] {
  // Defaults since 3.5; without pre-vote a member that returns from isolation throws the leader out.
  if (version === '3.4') return ['--logger=zap', '--pre-vote=true', '--experimental-initial-corrupt-check=true'];
  if (version === '3.5') return ['--experimental-initial-corrupt-check=true'];
  return ['--feature-gates=InitialCorruptCheck=true'];
}
