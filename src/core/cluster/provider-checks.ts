import { prefixContains } from '../../base/address.ts';
import { JITTER_FACTOR } from '../election/timing.ts';
import { hostGroups } from './holders.ts';
import { type Finding, finding, type Path } from './problems.ts';
import type { Cluster } from './schema.ts';

type IsWritten = (path: Path) => boolean;

/** What the provider of the endpoint needs, and what was written for another one. */
export function providerFindings(cluster: Cluster, isWritten: IsWritten): Finding[] {
  return [
    ...unusedSections(cluster, isWritten),
    ...balancers(cluster),
    ...advertisement(cluster),
    ...kubeVip(cluster, isWritten),
    ...kubeVipPort(cluster, isWritten),
    ...nodeLocal(cluster),
    ...nodeLocalPort(cluster, isWritten),
    ...lvscareAddress(cluster),
    ...kubelet(cluster),
    ...carrierInterface(cluster),
    ...serviceCarrier(cluster, isWritten),
  ];
}

const SECTIONS = { haproxyKeepalived: 'haproxy-keepalived', kubeVip: 'kube-vip', nodeLocal: 'node-local' } as const;

function unusedSections({ endpoint: { provider } }: Cluster, isWritten: IsWritten): Finding[] {
  return Object.entries(SECTIONS)
    .filter(([section, needed]) => provider !== needed && isWritten([section]))
    .map(([section, needed]) =>
      finding('cluster_section_unused', { path: [section], at: 'key' }, { section, needs: `endpoint.provider: ${needed}` }),
    );
}

function balancers({ endpoint: { provider }, haproxyKeepalived: { placement, balancers: hosts } }: Cluster): Finding[] {
  if (provider !== 'haproxy-keepalived') return [];
  if (placement !== 'balancers' && hosts.length > 0)
    return [finding('cluster_balancers_unused', { path: ['haproxyKeepalived', 'balancers'], at: 'key' }, { placement })];
  if (placement === 'balancers' && hosts.length < 2)
    return [finding('cluster_balancers_few', { path: ['haproxyKeepalived', 'placement'], at: 'value' }, { count: hosts.length })];
  return [];
}

function advertisement({ haproxyKeepalived: { advertisementIntervalMs: ms } }: Cluster): Finding[] {
  const path = ['haproxyKeepalived', 'advertisementIntervalMs'];
  return ms % 10 === 0 ? [] : [finding('cluster_advertisement_step', { path, at: 'value' }, { ms })];
}

function kubeVip(cluster: Cluster, isWritten: IsWritten): Finding[] {
  const { endpoint, distribution, kubeVip: settings } = cluster;
  if (endpoint.provider !== 'kube-vip') return [];
  const findings: Finding[] = [];
  if (settings.mode === 'bgp' && settings.bgp.peers.length === 0)
    findings.push(finding('cluster_peers_missing', { path: ['kubeVip', 'mode'], at: 'value' }));
  if (settings.runAs === 'daemonset' && distribution === 'kubeadm')
    findings.push(finding('cluster_daemonset_too_late', { path: ['kubeVip', 'runAs'], at: 'value' }));
  return [...findings, ...leaseOrder(settings, isWritten)];
}

/** What client-go demands of its timings (NewLeaderElector); kube-vip starts and then dies of it. */
function leaseOrder(settings: Cluster['kubeVip'], isWritten: IsWritten): Finding[] {
  const { leaseDurationSeconds: duration, renewDeadlineSeconds: deadline, retryPeriodSeconds: retry } = settings;
  const at = (...keys: string[]) => ({ path: keys.map((key) => ['kubeVip', key]).find(isWritten) ?? ['kubeVip'], at: 'value' as const });
  const findings: Finding[] = [];
  if (duration <= deadline) {
    const facts = {
      key: 'leaseDurationSeconds',
      value: duration,
      otherKey: 'renewDeadlineSeconds',
      other: deadline,
      atLeast: `${deadline}`,
    };
    findings.push(finding('cluster_kube_vip_lease', at('leaseDurationSeconds', 'renewDeadlineSeconds'), facts));
  }
  if (deadline <= retry * JITTER_FACTOR) {
    const atLeast = `${Number((retry * JITTER_FACTOR).toFixed(1))}`;
    const facts = { key: 'renewDeadlineSeconds', value: deadline, otherKey: 'retryPeriodSeconds', other: retry, atLeast };
    findings.push(finding('cluster_kube_vip_lease', at('renewDeadlineSeconds', 'retryPeriodSeconds'), facts));
  }
  return findings;
}

/** It moves an address and passes nothing on: what answers there is the API server of the host that has it. */
function kubeVipPort({ endpoint, apiserver }: Cluster, isWritten: IsWritten): Finding[] {
  if (endpoint.provider !== 'kube-vip' || (endpoint.port === apiserver.port && apiserver.bind === 'all')) return [];
  const facts = { endpointPort: endpoint.port, port: apiserver.port, bind: apiserver.bind };
  return [finding('cluster_kube_vip_port', { path: servedPath(isWritten), at: 'value' }, facts)];
}

function servedPath(isWritten: IsWritten): Path {
  const keys = [
    ['apiserver', 'bind'],
    ['endpoint', 'port'],
    ['apiserver', 'port'],
  ];
  return keys.find(isWritten) ?? ['endpoint', 'provider'];
}

/** The node's own balancer on a worker, the host itself on the control plane: only a name is the same for all. */
function nodeLocal({ endpoint, nodeLocal: { balancer }, distribution }: Cluster): Finding[] {
  if (endpoint.provider !== 'node-local' || balancer === 'hale') return [];
  if (distribution === 'k3s' || distribution === 'rke2')
    return [finding('cluster_balancer_built_in', { path: ['nodeLocal', 'balancer'], at: 'value' }, { balancer, distribution })];
  if (endpoint.dnsName !== undefined) return [];
  return [finding('cluster_name_needed', { path: ['endpoint'], at: 'key' }, { balancer })];
}

/** On control-plane hosts the name leads to the API server itself. */
function nodeLocalPort({ endpoint, apiserver, nodeLocal: { balancer } }: Cluster, isWritten: IsWritten): Finding[] {
  if (endpoint.provider !== 'node-local' || balancer === 'hale' || endpoint.port === apiserver.port) return [];
  const path = servedPath((key) => key[1] === 'port' && isWritten(key));
  return [finding('cluster_node_local_port', { path, at: 'value' }, { endpointPort: endpoint.port, port: apiserver.port })];
}

/** Every node would answer ARP for it. */
function lvscareAddress(cluster: Cluster): Finding[] {
  const { endpoint, nodeLocal: settings } = cluster;
  if (endpoint.provider !== 'node-local' || settings.balancer !== 'lvscare') return [];
  const hosts = hostGroups(cluster)
    .flat()
    .map(({ host }) => host);
  return endpoint.addresses.flatMap((address, i) => {
    const beside = hosts.find(({ addresses }) => addresses.some((prefix) => prefixContains(prefix, address)));
    if (beside === undefined) return [];
    return [finding('cluster_lvscare_address', { path: ['endpoint', 'address', i], at: 'value' }, { address, host: beside.name })];
  });
}

/** What is run as a Pod needs a kubelet, and hale brings none with plain programs under systemd. */
function kubelet({ distribution, endpoint: { provider }, haproxyKeepalived, nodeLocal: { balancer } }: Cluster): Finding[] {
  if (distribution !== 'systemd') return [];
  const needs =
    provider === 'kube-vip'
      ? { path: ['endpoint', 'provider'], value: 'endpoint.provider kube-vip', instead: 'endpoint.provider to hale' }
      : provider === 'haproxy-keepalived' && haproxyKeepalived.placement === 'static-pods'
        ? {
            path: ['haproxyKeepalived', 'placement'],
            value: 'haproxyKeepalived.placement static-pods',
            instead: 'haproxyKeepalived.placement to packages',
          }
        : provider === 'node-local' && balancer !== 'hale'
          ? { path: ['nodeLocal', 'balancer'], value: `nodeLocal.balancer ${balancer}`, instead: 'nodeLocal.balancer to hale' }
          : undefined;
  if (needs === undefined) return [];
  const { path, ...facts } = needs;
  return [finding('cluster_kubelet_missing', { path, at: 'value' }, facts)];
}

/** keepalived wants the name of the interface, and does not look for the one with the host's address. */
function carrierInterface({ endpoint }: Cluster): Finding[] {
  if (endpoint.provider !== 'haproxy-keepalived' || endpoint.interface !== undefined) return [];
  return [finding('cluster_interface_needed', { path: ['endpoint'], at: 'key' })];
}

function serviceCarrier({ kubernetes: { kubeProxy, cni } }: Cluster, isWritten: IsWritten): Finding[] {
  if (kubeProxy !== 'none' || cni !== 'flannel') return [];
  const path = [
    ['kubernetes', 'cni'],
    ['kubernetes', 'kubeProxy'],
  ].find(isWritten) ?? ['kubernetes'];
  return [finding('cluster_kube_proxy_missing', { path, at: 'value' }, { cni })];
}
