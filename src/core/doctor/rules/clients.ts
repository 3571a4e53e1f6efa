import type { Facts } from '../facts.ts';
import { endpoints, nodeAddresses, virtualAddresses } from '../look/addresses.ts';
import { documentsOf } from '../look/documents.ts';
import { valueAtFlag } from '../look/flags.ts';
import { hostAndPort, isAddress, isLoopback } from '../look/values.ts';
import { listAt, textAt } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';
import { clusterConfiguration, kubeadm, kubeVip } from './examples.ts';

/* How clients reach the API: kubeconfigs, and network plugins without kube-proxy. */

/** Of kubeadm's own files, these lead to the API server of their node on purpose. */
const LOCAL_USERS = /^(?:system:kube-controller-manager|system:kube-scheduler)/;

/** Addresses of one control-plane node each, where the set also knows an endpoint. */
function singleNodes(facts: Facts): Set<string> {
  const shared = new Set([...endpoints(facts), ...virtualAddresses(facts)].map(({ host }) => host));
  return new Set(shared.size === 0 ? [] : nodeAddresses(facts).flatMap(({ host }) => (shared.has(host) || isLoopback(host) ? [] : [host])));
}

function* singleServers(facts: Facts): Iterable<Hit> {
  const nodes = singleNodes(facts);
  for (const document of documentsOf(facts, 'v1', 'Config')) {
    const users = listAt(document.value, ['users']).map((user) => textAt(user, ['name']) ?? '');
    // On control-plane nodes, kubelet.conf leads to the node's own API server since 1.35.
    if (users.some((user) => LOCAL_USERS.test(user)) || /kubelet/.test(document.file.path)) continue;
    for (const [i, cluster] of listAt(document.value, ['clusters']).entries()) {
      const host = hostAndPort(textAt(cluster, ['cluster', 'server']) ?? '')?.host;
      if (host !== undefined && nodes.has(host))
        yield {
          at: document.span(['clusters', i, 'cluster', 'server']),
          message: `the server is ${host}, one control-plane node, and not the endpoint`,
        };
    }
  }
}

/** Where a network plugin without kube-proxy is told how to reach the API. */
function* pluginServers(facts: Facts): Iterable<{ host: string; at: Span; name: string }> {
  for (const { env, document, name } of facts.programs) {
    const variable = env.find((one) => one.name === 'KUBERNETES_SERVICE_HOST');
    const host = hostAndPort(variable?.value ?? '')?.host;
    if (variable !== undefined && host !== undefined && document !== undefined && name !== 'kube-vip')
      yield { host, at: valueAtFlag(variable), name };
  }
  for (const document of documentsOf(facts, 'v1', 'ConfigMap')) {
    const name = textAt(document.value, ['metadata', 'name']) ?? '';
    const key = name === 'kubernetes-services-endpoint' ? 'KUBERNETES_SERVICE_HOST' : undefined;
    const host = key === undefined ? undefined : hostAndPort(textAt(document.value, ['data', key]) ?? '')?.host;
    if (key !== undefined && host !== undefined) yield { host, at: document.span(['data', key]), name: 'Calico' };
  }
}

const CONFIG = (server: string, more = '') =>
  `apiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster: {server: "https://${server}:6443"${more}}\n`;
const CLUSTER = `${kubeadm('InitConfiguration', 'localAPIEndpoint: {advertiseAddress: 10.0.0.1}\n')}---\n${clusterConfiguration('controlPlaneEndpoint: 10.0.0.100:6443\n')}`;
const CILIUM = (host: string) =>
  `apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: cilium}\nspec:\n  template:\n    spec:\n      containers:\n      - name: cilium-agent\n        image: quay.io/cilium/cilium:v1.18.0\n        env: [{name: KUBERNETES_SERVICE_HOST, value: ${host}}]\n`;

export const clientRules: readonly Rule[] = [
  {
    id: 'kubeconfig-single-node',
    severity: 'warning',
    title: 'a kubeconfig leads to one control-plane node',
    why: 'When that node is away its owner has no API, though the cluster has: usually noticed by whoever has to repair it.',
    fix: 'Set server to the endpoint of the cluster.',
    sources: ['kubernetes.io/docs/setup/production-environment/tools/kubeadm/high-availability'],
    examples: {
      bad: [{ 'admin.conf': CONFIG('10.0.0.1'), 'kubeadm.yaml': CLUSTER }],
      good: [
        { 'admin.conf': CONFIG('10.0.0.100'), 'kubeadm.yaml': CLUSTER },
        { 'controller-manager.conf': `${CONFIG('10.0.0.1')}users: [{name: "system:kube-controller-manager"}]\n`, 'kubeadm.yaml': CLUSTER },
      ],
    },
    check: singleServers,
  },
  {
    id: 'kubeconfig-unverified',
    severity: 'error',
    title: 'a kubeconfig does not check whom it talks to',
    why: 'Whoever stands between sees and changes everything, the credentials among it. It also hides that an address is missing in the certificate.',
    fix: "Remove insecure-skip-tls-verify, and give certificate-authority-data; add the missing name to the API server's certificate.",
    sources: ['kubernetes.io/docs/reference/config-api/kubeconfig.v1'],
    examples: {
      bad: [{ 'config.yaml': CONFIG('10.0.0.100', ', insecure-skip-tls-verify: true') }],
      good: [{ 'config.yaml': CONFIG('10.0.0.100', ', certificate-authority: ca.crt') }],
    },
    *check(facts) {
      for (const document of documentsOf(facts, 'v1', 'Config'))
        for (const [i, cluster] of listAt(document.value, ['clusters']).entries()) {
          const path = ['cluster', 'insecure-skip-tls-verify'];
          if (textAt(cluster, path) === 'true')
            yield { at: document.span(['clusters', i, ...path]), message: 'insecure-skip-tls-verify is true' };
        }
    },
  },
  {
    id: 'network-plugin-single-node',
    severity: 'error',
    title: 'the network plugin reaches the API at one control-plane node',
    why: 'Without kube-proxy, the plugin cannot use the Service kubernetes. When that one node is away, no Pod anywhere gets a network.',
    fix: 'Set it to the endpoint: the virtual address, or the balancer on each node (k8sServiceHost and k8sServicePort of Cilium).',
    sources: ['cilium #9018', 'cilium #19038'],
    examples: {
      bad: [{ 'cilium.yaml': CILIUM('10.0.0.1'), 'kubeadm.yaml': CLUSTER }],
      good: [{ 'cilium.yaml': CILIUM('10.0.0.100'), 'kubeadm.yaml': CLUSTER, 'kube-vip.yaml': kubeVip() }],
    },
    *check(facts) {
      const nodes = new Set(nodeAddresses(facts).map(({ host }) => host));
      const moving = new Set(virtualAddresses(facts).map(({ host }) => host));
      for (const { host, at, name } of pluginServers(facts))
        if (isAddress(host) && nodes.has(host) && !moving.has(host))
          yield { at, message: `${name} reaches the API at ${host}, one control-plane node` };
    },
  },
];
