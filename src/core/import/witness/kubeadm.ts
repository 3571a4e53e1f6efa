/** What kubeadm's configuration says (kubeadm v1beta2 to v1beta4). */
import type { Facts } from '../../doctor/facts.ts';
import { listAt, mapAt, type Path, textAt, valueAt, type YamlDocument } from '../../doctor/read/yaml.ts';
import { byDefault, type Claim, implies, says } from '../claim.ts';
import type { Said } from './flags.ts';
import { hostAndPort, listed, numberOf, oneOrList, release } from '../values.ts';

export function* kubeadmClaims({ documents }: Facts): Generator<Claim> {
  for (const document of documents.filter(({ apiVersion }) => apiVersion.startsWith('kubeadm.k8s.io/'))) {
    yield says('distribution', 'kubeadm', document.span(['kind']));
    if (document.kind === 'ClusterConfiguration') yield* clusterClaims(document);
    if (document.kind === 'InitConfiguration') yield* nodeClaims(document, { endpoint: ['localAPIEndpoint'], role: 'control-plane' });
    if (document.kind === 'JoinConfiguration') yield* joinClaims(document);
  }
}

const PLAIN: readonly (readonly [Path, string])[] = [
  [['clusterName'], 'name'],
  [['networking', 'dnsDomain'], 'kubernetes.dnsDomain'],
  [['etcd', 'local', 'dataDir'], 'etcd.dataDir'],
  [['etcd', 'external', 'caFile'], 'etcd.caFile'],
  [['etcd', 'external', 'certFile'], 'etcd.certFile'],
  [['etcd', 'external', 'keyFile'], 'etcd.keyFile'],
];

function* clusterClaims(document: YamlDocument): Generator<Claim> {
  const { value, span } = document;
  for (const [path, key] of PLAIN) {
    const found = textAt(value, path);
    if (found !== undefined && found !== '') yield says(key, found, span(path));
  }
  const version = textAt(value, ['kubernetesVersion']);
  if (version !== undefined) yield says('kubernetes.version', release(version) ?? version, span(['kubernetesVersion']));
  for (const [from, key] of [
    ['serviceSubnet', 'kubernetes.serviceSubnet'],
    ['podSubnet', 'kubernetes.podSubnet'],
  ] as const) {
    const found = textAt(value, ['networking', from]);
    if (found) yield says(key, oneOrList(found), span(['networking', from]));
  }
  const at = span(['networking'], 'key');
  yield byDefault('kubernetes.serviceSubnet', '10.96.0.0/12', { at, because: "kubeadm's default" });
  if (valueAt(value, ['proxy', 'disabled']) === true) yield says('kubernetes.kubeProxy', 'none', span(['proxy', 'disabled']));
  yield* etcdClaims(document);
  yield* endpointClaims(document);
}

function* etcdClaims({ value, span }: YamlDocument): Generator<Claim> {
  if (valueAt(value, ['etcd', 'local']) !== undefined) yield implies('etcd.topology', 'stacked', span(['etcd', 'local'], 'key'));
  const endpoints = listAt(value, ['etcd', 'external', 'endpoints']).map(String);
  if (endpoints.length > 0) {
    yield says('etcd.topology', 'external', span(['etcd', 'external'], 'key'));
    yield says('etcd.endpoints', endpoints, span(['etcd', 'external', 'endpoints']));
  }
  const minor = /^v?(3\.\d+)\./.exec(textAt(value, ['etcd', 'local', 'imageTag']) ?? '')?.[1];
  if (minor !== undefined) yield says('etcd.version', minor, span(['etcd', 'local', 'imageTag']));
}

function* endpointClaims({ value, span }: YamlDocument): Generator<Claim> {
  const endpoint = hostAndPort(textAt(value, ['controlPlaneEndpoint']) ?? '');
  if (endpoint !== undefined) yield { kind: 'endpoint', ...endpoint, weight: 'implies', at: span(['controlPlaneEndpoint']) };
  for (const [i, san] of listAt(value, ['apiServer', 'certSANs']).entries())
    yield { kind: 'endpoint', host: String(san).toLowerCase(), weight: 'hints', at: span(['apiServer', 'certSANs', i]) };
  const pki = textAt(value, ['certificatesDir']);
  if (pki === undefined) return;
  const at = span(['certificatesDir']);
  yield implies('apiserver.caFile', `${pki}/ca.crt`, at);
  if (valueAt(value, ['etcd', 'external']) !== undefined) return;
  yield implies('etcd.caFile', `${pki}/etcd/ca.crt`, at);
  yield implies('etcd.certFile', `${pki}/etcd/healthcheck-client.crt`, at);
  yield implies('etcd.keyFile', `${pki}/etcd/healthcheck-client.key`, at);
}

function* joinClaims(document: YamlDocument): Generator<Claim> {
  const { value, span } = document;
  const isControlPlane = Object.hasOwn(mapAt(value, []), 'controlPlane');
  yield* nodeClaims(
    document,
    isControlPlane ? { endpoint: ['controlPlane', 'localAPIEndpoint'], role: 'control-plane' } : { endpoint: [], role: 'worker' },
  );
  const path = ['discovery', 'bootstrapToken', 'apiServerEndpoint'];
  const endpoint = hostAndPort(textAt(value, path) ?? '');
  if (endpoint !== undefined) yield { kind: 'endpoint', ...endpoint, weight: 'implies', at: span(path) };
}

interface Node {
  /** Where its API server's address stands. */
  endpoint: Path;
  role: 'control-plane' | 'worker';
}

function* nodeClaims(document: YamlDocument, { endpoint, role }: Node): Generator<Claim> {
  const { value, span, file, kind } = document;
  const registered = textAt(value, ['nodeRegistration', 'name']);
  const name = registered ?? file.host;
  const advertised = role === 'worker' ? undefined : textAt(value, [...endpoint, 'advertiseAddress']);
  const nodeIp = kubeletArgument(document, 'node-ip');
  const addresses = [...new Set([...listed(advertised), ...listed(nodeIp?.text)])];
  const at = advertised === undefined ? (nodeIp?.at ?? span(['nodeRegistration'])) : span([...endpoint, 'advertiseAddress']);
  const nameAt = registered === undefined ? undefined : span(['nodeRegistration', 'name']);
  const weight = registered === undefined ? 'implies' : 'says';
  const isFirst = kind === 'InitConfiguration';
  if (name !== undefined || addresses.length > 0) yield { kind: 'host', name, addresses, role, isFirst, weight, at, nameAt };
  const port = role === 'worker' ? undefined : numberOf(textAt(value, [...endpoint, 'bindPort']));
  if (port !== undefined) yield says('apiserver.port', port, span([...endpoint, 'bindPort']));
  const socket = textAt(value, ['nodeRegistration', 'criSocket']);
  if (socket) yield says('kubernetes.criSocket', socketUrl(socket), span(['nodeRegistration', 'criSocket']));
  const skipped = listAt(value, ['skipPhases']).indexOf('addon/kube-proxy');
  if (skipped !== -1) yield says('kubernetes.kubeProxy', 'none', span(['skipPhases', skipped]));
}

/** A list of name and value since v1beta4, a mapping before. */
function kubeletArgument({ value, span }: YamlDocument, name: string): Said | undefined {
  const path = ['nodeRegistration', 'kubeletExtraArgs'];
  const i = listAt(value, path).findIndex((arg) => textAt(arg, ['name']) === name);
  const at = i === -1 ? [...path, name] : [...path, i, 'value'];
  const text = textAt(value, at);
  return text === undefined ? undefined : { text, at: span(at) };
}

/** A path alone is what kubeadm took before 1.24. */
export function socketUrl(socket: string): string {
  return socket.startsWith('/') ? `unix://${socket}` : socket;
}
