import { formatPrefix } from '../../../base/address.ts';
import type { Cluster } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import type { ClusterFile, Part, Step } from '../part.ts';
import { RKE2_MANIFESTS_DIR } from '../paths.ts';
import { comment, yamlDocuments, yamlText } from '../yaml.ts';
import { apiAddress } from './api-address.ts';
import { calicoEndpoint, calicoInstallation, calicoResources } from './calico.ts';
import { ciliumValues } from './cilium.ts';
import { flannelValues } from './flannel.ts';

type Plugin = Exclude<Cluster['kubernetes']['cni'], 'none'>;

/** The Pods' network. k3s brings Flannel itself, RKE2 all of them: it takes their values as a HelmChartConfig in its manifests. */
export const networkPart: Part = {
  hostFiles: ({ cluster, node }) => (cluster.distribution === 'rke2' && node.role === 'control-plane' ? rke2Files(cluster) : []),
  clusterFiles: ({ cluster }) => {
    const plugin = pluginToInstall(cluster);
    return plugin === undefined ? [] : FILES[plugin](cluster);
  },
  steps: (cluster) => {
    const plugin = pluginToInstall(cluster);
    return plugin === undefined ? [] : STEPS[plugin](cluster);
  },
};

function pluginToInstall({ distribution, kubernetes: { cni } }: Cluster): Plugin | undefined {
  if (cni === 'none' || distribution === 'rke2' || (distribution === 'k3s' && cni === 'flannel')) return undefined;
  return cni;
}

const FILES: Record<Plugin, (cluster: Cluster) => ClusterFile[]> = {
  flannel: (cluster) => [file('flannel-values.yaml', about('flannel', cluster), yamlText(flannelValues(cluster)))],
  calico: (cluster) => [
    file('calico-installation.yaml', about('calico', cluster), yamlDocuments(calicoResources(cluster))),
    ...(cluster.kubernetes.kubeProxy === 'none'
      ? [file('calico-endpoint.yaml', endpointComment(cluster), yamlText(calicoEndpoint(cluster)))]
      : []),
  ],
  cilium: (cluster) => [file('cilium-values.yaml', about('cilium', cluster), yamlText(ciliumValues(cluster)))],
};

function file(name: string, head: string, text: string): ClusterFile {
  return { path: `network/${name}`, text: comment(head) + text, mode: 0o644 };
}

const MADE = 'Made by hale from cluster.yaml.';

const KINDS: Record<Plugin, string> = {
  flannel: "Values of Flannel's Helm chart, 0.28.",
  calico: 'What the Tigera operator of Calico 3.32 is to install.',
  cilium: "Values of Cilium's Helm chart, 1.18 to 1.20.",
};

function about(plugin: Plugin, cluster: Cluster): string {
  const { kubernetes } = cluster;
  const pods = kubernetes.podSubnets.map(formatPrefix).join(' and ');
  const lines: Record<Plugin, string> = {
    flannel: `podCidr must be the podSubnet that kube-controller-manager gives nodes their parts of: ${pods}.
VXLAN takes UDP port 8472 between all nodes.`,
    calico: `linuxDataplane fits kube-proxy, which is ${kubernetes.kubeProxy}${kubernetes.kubeProxy === 'none' ? ': Calico carries the Services, see calico-endpoint.yaml' : ''}.
The pools are the podSubnet of the cluster: kube-proxy and the API servers tell Pods by it.
No BGP: VXLAN (UDP port 4789) only between nodes of different subnets, plain routes within one, and port 179 stays free for others.
No PodDisruptionBudget: the operator makes that of Typha itself, and a second one would make every eviction fail.`,
    cilium: `ipam.mode kubernetes: kube-controller-manager gives each node its part of ${pods}; with cluster-pool Cilium would have a second, own idea of it.
Two operators, of which one leads, and a budget that a drain takes only one of them away at a time.${endpointLines(cluster)}`,
  };
  return `${MADE} ${KINDS[plugin]}\n${lines[plugin]}`;
}

function endpointLines(cluster: Cluster): string {
  if (cluster.kubernetes.kubeProxy !== 'none')
    return '\nkube-proxy carries the Services, so Cilium finds the API at the Service kubernetes, at any API server.';
  return `\nWithout kube-proxy Cilium carries the Services, so it cannot find the API by one: it gets an address.\n${apiAddress(cluster).why}`;
}

function endpointComment(cluster: Cluster): string {
  return `${MADE} For Calico 3.32, before its operator is installed.
Without kube-proxy Calico carries the Services, so it cannot find the API by one: it gets an address.
${apiAddress(cluster).why}`;
}

const READY = 'kubectl get nodes   # Ready on each node that has joined';

const STEPS: Record<Plugin, (cluster: Cluster) => Step[]> = {
  flannel: () =>
    step("Install Flannel: until there is a Pods' network, nodes are not Ready.", [
      'kubectl create namespace kube-flannel',
      'kubectl label namespace kube-flannel pod-security.kubernetes.io/enforce=privileged',
      'helm install flannel flannel --repo https://flannel-io.github.io/flannel/ --namespace kube-flannel --values _cluster/network/flannel-values.yaml',
      READY,
    ]),
  calico: ({ kubernetes: { kubeProxy } }) =>
    step("Install Calico's operator, then what it is to install: until there is a Pods' network, nodes are not Ready.", [
      ...(kubeProxy === 'none'
        ? [
            'kubectl create namespace tigera-operator   # the operator reads the address when it starts',
            'kubectl apply -f _cluster/network/calico-endpoint.yaml',
          ]
        : []),
      'for file in v1_crd_projectcalico_org tigera-operator; do kubectl apply --server-side -f https://raw.githubusercontent.com/projectcalico/calico/v3.32.2/manifests/$file.yaml; done',
      'kubectl apply -f _cluster/network/calico-installation.yaml',
      READY,
    ]),
  cilium: () =>
    step("Install Cilium: until there is a Pods' network, nodes are not Ready.", [
      'helm install cilium cilium --repo https://helm.cilium.io/ --namespace kube-system --values _cluster/network/cilium-values.yaml',
      READY,
    ]),
};

function step(text: string, commands: readonly string[]): Step[] {
  return [{ moment: 'first', where: 'where these files are', text, commands }];
}

/** In a folder where RKE2 looks when it starts; the same on every server (docs.rke2.io, "Basic Network Options"). */
function rke2Files(cluster: Cluster): RenderedFile[] {
  const plugin = cluster.kubernetes.cni;
  if (plugin === 'none') return [];
  const values: Record<Plugin, () => object> = {
    flannel: () => flannelValues(cluster),
    calico: () => ({ installation: calicoInstallation(cluster), ...operatorEndpoint(cluster) }),
    cilium: () => ciliumValues(cluster),
  };
  const config = {
    apiVersion: 'helm.cattle.io/v1',
    kind: 'HelmChartConfig',
    metadata: { name: `rke2-${plugin}`, namespace: 'kube-system' },
    spec: { valuesContent: yamlText(values[plugin]()) },
  };
  const head = `${about(plugin, cluster)}\nRKE2 installs the chart itself (cni: ${plugin}) and reads this before; the file is the same on every server.`;
  return [{ path: `${RKE2_MANIFESTS_DIR}/rke2-${plugin}-config.yaml`, text: comment(head) + yamlText(config), mode: 0o600 }];
}

/** The chart makes the ConfigMap of calico-endpoint.yaml from it. */
function operatorEndpoint(cluster: Cluster): object {
  if (cluster.kubernetes.kubeProxy !== 'none') return {};
  const { host, port } = apiAddress(cluster);
  return { kubernetesServiceEndpoint: { host, port: `${port}` } };
}
