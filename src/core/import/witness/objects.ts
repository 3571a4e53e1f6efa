/** What Kubernetes objects, kubeconfigs and the configuration of kubelet and kube-proxy say. */
import type { Facts } from '../../doctor/facts.ts';
import { listAt, mapAt, textAt, type YamlDocument } from '../../doctor/read/yaml.ts';
import { type Claim, implies, says } from '../claim.ts';
import { addressAndLength, hostAndPort, isLocal, oneOrList, release } from '../values.ts';
import { socketUrl } from './kubeadm.ts';

export function* objectClaims({ documents }: Facts): Generator<Claim> {
  for (const document of documents) {
    const witness = WITNESSES[`${document.apiVersion.replace(/\/.*$/, '')} ${document.kind}`];
    if (witness !== undefined) yield* witness(document);
  }
}

const WITNESSES: Readonly<Record<string, (document: YamlDocument) => Generator<Claim>>> = {
  'v1 Node': nodeClaims,
  'v1 Config': kubeconfigClaims,
  'apps DaemonSet': networkClaims,
  'operator.tigera.io Installation': calicoClaims,
  'kubelet.config.k8s.io KubeletConfiguration': kubeletClaims,
  'kubeproxy.config.k8s.io KubeProxyConfiguration': proxyClaims,
  'hale.dev Cluster': haleClaims,
};

const CONTROL_PLANE = /^node-role\.kubernetes\.io\/(control-plane|master)$/;

const ZONES = ['topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/zone'];

function* nodeClaims(document: YamlDocument): Generator<Claim> {
  const { value, span } = document;
  const labels = mapAt(value, ['metadata', 'labels']);
  const role = Object.keys(labels).some((label) => CONTROL_PLANE.test(label)) ? 'control-plane' : 'worker';
  const found = listAt(value, ['status', 'addresses']);
  const inside = found.flatMap((one, i) => (textAt(one, ['type']) === 'InternalIP' ? [{ text: textAt(one, ['address']) ?? '', i }] : []));
  const name = textAt(value, ['metadata', 'name']);
  const at = inside[0] === undefined ? span(['metadata', 'name']) : span(['status', 'addresses', inside[0].i, 'address']);
  const zoneLabel = ZONES.find((label) => Object.hasOwn(labels, label)) ?? '';
  const zone = textAt(labels, [zoneLabel]);
  yield {
    kind: 'host',
    name,
    addresses: inside.map(({ text }) => text),
    role,
    zone,
    weight: 'says',
    at,
    nameAt: span(['metadata', 'name']),
    zoneAt: span(['metadata', 'labels', zoneLabel]),
  };
  const annotations = mapAt(value, ['metadata', 'annotations']);
  for (const key of ['projectcalico.org/IPv4Address', 'projectcalico.org/IPv6Address']) {
    const calico = addressAndLength(textAt(annotations, [key]) ?? '');
    if (calico?.length !== undefined)
      yield {
        kind: 'host',
        addresses: [calico.address],
        length: calico.length,
        weight: 'says',
        at: span(['metadata', 'annotations', key]),
      };
  }
  if (role === 'control-plane') yield* releaseClaims(document);
  const socket = textAt(annotations, ['kubeadm.alpha.kubernetes.io/cri-socket']);
  if (socket !== undefined)
    yield says('kubernetes.criSocket', socketUrl(socket), span(['metadata', 'annotations', 'kubeadm.alpha.kubernetes.io/cri-socket']));
}

/** k3s and RKE2 say so in the version of their kubelet. */
function* releaseClaims({ value, span }: YamlDocument): Generator<Claim> {
  const path = ['status', 'nodeInfo', 'kubeletVersion'];
  const text = textAt(value, path);
  const version = release(text ?? '');
  if (text === undefined || version === undefined) return;
  yield implies('kubernetes.version', version, span(path));
  const flavour = /\+(k3s|rke2)/.exec(text)?.[1];
  if (flavour !== undefined) yield says('distribution', flavour, span(path));
}

/** Kubeconfigs of a control-plane host's own programs lead to that host: endpoint.ts leaves them out. */
function* kubeconfigClaims({ value, span }: YamlDocument): Generator<Claim> {
  for (const [i, cluster] of listAt(value, ['clusters']).entries()) {
    const server = hostAndPort(textAt(cluster, ['cluster', 'server']) ?? '');
    const at = span(['clusters', i, 'cluster', 'server']);
    if (server !== undefined && !isLocal(server.host))
      yield { kind: 'endpoint', ...server, port: server.port ?? 443, weight: 'implies', at };
    const name = textAt(cluster, ['name']);
    if (name !== undefined) yield { kind: 'value', key: 'name', value: name, weight: 'hints', at: span(['clusters', i, 'name']) };
  }
}

const PLUGINS: readonly (readonly [RegExp, string])[] = [
  [/^kube-flannel(-ds.*)?$/, 'flannel'],
  [/^(calico|canal)-node$/, 'calico'],
  [/^cilium$/, 'cilium'],
];

function* networkClaims({ value, span }: YamlDocument): Generator<Claim> {
  const name = textAt(value, ['metadata', 'name']) ?? '';
  const plugin = PLUGINS.find(([pattern]) => pattern.test(name))?.[1];
  if (plugin !== undefined) yield says('kubernetes.cni', plugin, span(['metadata', 'name']));
}

function* calicoClaims({ span }: YamlDocument): Generator<Claim> {
  yield says('kubernetes.cni', 'calico', span(['kind']));
}

function* kubeletClaims({ value, span }: YamlDocument): Generator<Claim> {
  for (const [from, key] of [
    ['cgroupDriver', 'kubernetes.cgroupDriver'],
    ['clusterDomain', 'kubernetes.dnsDomain'],
    ['containerRuntimeEndpoint', 'kubernetes.criSocket'],
  ] as const) {
    const found = textAt(value, [from]);
    if (found) yield says(key, from === 'containerRuntimeEndpoint' ? socketUrl(found) : found, span([from]));
  }
}

function* proxyClaims({ value, span }: YamlDocument): Generator<Claim> {
  const mode = textAt(value, ['mode']);
  // Empty is the default of Linux.
  if (mode !== undefined) yield says('kubernetes.kubeProxy', mode === '' ? 'iptables' : mode, span(['mode']));
  const pods = textAt(value, ['clusterCIDR']);
  if (pods) yield implies('kubernetes.podSubnet', oneOrList(pods), span(['clusterCIDR']));
}

function* haleClaims({ span }: YamlDocument): Generator<Claim> {
  yield { kind: 'note', message: "this is hale's own cluster.yaml already; it was left out of account", at: span(['kind']) };
}
