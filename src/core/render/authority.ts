import type { Cluster } from '../cluster/schema.ts';
import { PKI_DIR } from './paths.ts';

/** What apiserver.caFile is when cluster.yaml says nothing. */
const OF_KUBEADM = `${PKI_DIR}/ca.crt`;

/** Where the certificate of the API servers' authority is on a control-plane host: k3s and RKE2 make their own, in a place of their own. */
export function authorityFile({ distribution, apiserver: { caFile } }: Pick<Cluster, 'distribution' | 'apiserver'>): string {
  if (caFile !== OF_KUBEADM || (distribution !== 'k3s' && distribution !== 'rke2')) return caFile;
  return `/var/lib/rancher/${distribution}/server/tls/server-ca.crt`;
}
