import { type Finding, finding } from './problems.ts';
import type { Cluster } from './schema.ts';

/** RKE2 takes no other port of the API server (docs.rke2.io, "Server Configuration Reference", has no https-listen-port). */
const RKE2_PORT = 6443;
/** Before, kube-proxy's mode nftables was not finished (kubernetes.io, "Virtual IPs and Service Proxies"). */
const NFTABLES_MINOR = 33;

/** What the distribution, or its release, cannot be told. */
export function distributionFindings({ distribution, apiserver, kubernetes }: Cluster): Finding[] {
  const findings: Finding[] = [];
  if (distribution === 'rke2' && apiserver.port !== RKE2_PORT)
    findings.push(finding('cluster_rke2_port', { path: ['apiserver', 'port'], at: 'value' }, { port: apiserver.port, only: RKE2_PORT }));
  const { version, kubeProxy } = kubernetes;
  if (kubeProxy === 'nftables' && Number(version.split('.')[1]) < NFTABLES_MINOR) {
    const facts = { version, needs: `v1.${NFTABLES_MINOR}` };
    findings.push(finding('cluster_nftables_too_new', { path: ['kubernetes', 'kubeProxy'], at: 'value' }, facts));
  }
  return findings;
}
