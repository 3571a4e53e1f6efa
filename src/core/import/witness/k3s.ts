/** What k3s and RKE2 are told, in config.yaml or on their command line. */
import type { Facts } from '../../doctor/facts.ts';
import type { Program } from '../../doctor/read/program.ts';
import { byDefault, type Claim, implies, says } from '../claim.ts';
import { hostAndPort, isLocal, numberOf, oneOrList } from '../values.ts';
import { flagOf, flagsOf, hostOf, variableOf } from './flags.ts';

/** Flags that only a server takes. */
const SERVER_FLAGS =
  /^(cluster-init|tls-san|cluster-cidr|service-cidr|cluster-dns|cluster-domain|disable|disable-.*|etcd-.*|write-kubeconfig.*|secrets-encryption.*|flannel-backend|datastore-.*|advertise-.*|https-listen-port|kube-(apiserver|controller-manager|scheduler)-arg|cni|egress-selector-mode|agent-token|audit-policy-file)$/;

export function* k3sClaims({ programs, documents }: Facts): Generator<Claim> {
  // Manifests that it applies by itself, and static Pods.
  for (const { file, span } of documents) {
    const name = /\/rancher\/(k3s|rke2)\//.exec(file.path)?.[1];
    if (name !== undefined) yield implies('distribution', name, span([]));
  }
  for (const program of programs.filter(({ name }) => name === 'k3s' || name === 'rke2')) {
    const role = roleOf(program);
    if (role === undefined) continue;
    yield says('distribution', program.name, program.at);
    yield* hostClaims(program, role);
    if (role === 'control-plane') yield* serverClaims(program);
    const server = flagOf(program, 'server') ?? variableOf(program, 'K3S_URL') ?? variableOf(program, 'RKE2_URL');
    const url = hostAndPort(server?.text ?? '');
    // RKE2 registers at a port of its own.
    const port = program.name === 'rke2' ? undefined : url?.port;
    if (server !== undefined && url !== undefined) yield { kind: 'endpoint', host: url.host, port, weight: 'implies', at: server.at };
  }
}

/** Undefined for `k3s etcd-snapshot` and other commands. The first server of RKE2 may have no flag that says so; an agent has `server`. */
function roleOf(program: Program): 'control-plane' | 'worker' | undefined {
  const [command] = program.words;
  if (command !== undefined) return { server: 'control-plane' as const, agent: 'worker' as const }[command.text];
  if (program.origin === 'unit' || program.origin === 'script') return undefined;
  if (program.flags.some(({ name }) => SERVER_FLAGS.test(name))) return 'control-plane';
  return flagOf(program, 'server') === undefined && program.flags.length > 0 ? 'control-plane' : 'worker';
}

function* hostClaims(program: Program, role: 'control-plane' | 'worker'): Generator<Claim> {
  const named = flagOf(program, 'node-name');
  const name = named?.text ?? hostOf(program);
  const own = ['node-ip', 'advertise-address', 'bind-address']
    .map((flag) => flagsOf(program, flag).filter(({ text }) => !isLocal(text)))
    .find((found) => found.length > 0);
  const label = flagsOf(program, 'node-label').find(({ text }) => text.startsWith(ZONE));
  const zone = label?.text.slice(ZONE.length);
  const isFirst = flagOf(program, 'cluster-init')?.text === 'true';
  if (name === undefined && own === undefined) return;
  const at = own?.[0]?.at ?? program.at;
  yield {
    kind: 'host',
    name,
    addresses: (own ?? []).map(({ text }) => text),
    role,
    isFirst,
    weight: 'says',
    zone,
    at,
    nameAt: named?.at,
    zoneAt: label?.at,
  };
}

const ZONE = 'topology.kubernetes.io/zone=';

function* serverClaims(program: Program): Generator<Claim> {
  for (const { text, at } of flagsOf(program, 'tls-san')) yield { kind: 'endpoint', host: text.toLowerCase(), weight: 'hints', at };
  for (const [flag, key, usual] of [
    ['cluster-cidr', 'kubernetes.podSubnet', '10.42.0.0/16'],
    ['service-cidr', 'kubernetes.serviceSubnet', '10.43.0.0/16'],
  ] as const) {
    const found = flagsOf(program, flag);
    if (found[0] === undefined) yield byDefault(key, usual, defaultOf(program));
    else yield says(key, oneOrList(found.map(({ text }) => text).join(',')), found[0].at);
  }
  const domain = flagOf(program, 'cluster-domain');
  if (domain !== undefined) yield says('kubernetes.dnsDomain', domain.text, domain.at);
  const port = flagOf(program, 'https-listen-port');
  if (port !== undefined) yield says('apiserver.port', numberOf(port.text) ?? port.text, port.at);
  const proxy = flagOf(program, 'disable-kube-proxy');
  if (proxy?.text === 'true') yield says('kubernetes.kubeProxy', 'none', proxy.at);
  yield* networkClaims(program);
  yield* datastoreClaims(program);
  yield* folderClaims(program);
}

function defaultOf({ name, at }: Program) {
  return { at, because: `the default of ${name === 'k3s' ? 'k3s' : 'RKE2'}` };
}

function* networkClaims(program: Program): Generator<Claim> {
  const cni = flagsOf(program, 'cni').find(({ text }) => ['flannel', 'calico', 'cilium'].includes(text));
  if (cni !== undefined) yield says('kubernetes.cni', cni.text, cni.at);
  const backend = flagOf(program, 'flannel-backend');
  // k3s brings Flannel along; its configuration names it only to change it.
  if (program.name === 'k3s' && backend !== undefined && backend.text !== 'none') yield says('kubernetes.cni', 'flannel', backend.at);
}

/** A data source name may hold a password: nothing of it but the URLs of etcd is repeated. */
function* datastoreClaims(program: Program): Generator<Claim> {
  const urls = flagsOf(program, 'datastore-endpoint');
  const [first] = urls;
  if (first === undefined) return;
  if (!urls.every(({ text }) => /^https?:\/\/[^@]+$/.test(text))) {
    yield { kind: 'note', message: 'the datastore is no etcd, so nothing of it is described', at: first.at };
    return;
  }
  yield says('etcd.topology', 'external', first.at);
  yield says(
    'etcd.endpoints',
    urls.map(({ text }) => text),
    first.at,
  );
  for (const [flag, key] of [
    ['datastore-cafile', 'etcd.caFile'],
    ['datastore-certfile', 'etcd.certFile'],
    ['datastore-keyfile', 'etcd.keyFile'],
  ] as const) {
    const found = flagOf(program, flag);
    if (found !== undefined) yield says(key, found.text, found.at);
  }
}

/** Where a server keeps what hale reads. */
function* folderClaims(program: Program): Generator<Claim> {
  const given = flagOf(program, 'data-dir');
  const folder = given?.text ?? `/var/lib/rancher/${program.name}`;
  const at = (key: string, value: string): Claim =>
    given === undefined ? byDefault(key, value, defaultOf(program)) : implies(key, value, given.at);
  const kubeconfig = flagOf(program, 'write-kubeconfig');
  const usual = `/etc/rancher/${program.name}/${program.name}.yaml`;
  if (kubeconfig === undefined) yield byDefault('kubernetes.kubeconfig', usual, defaultOf(program));
  else yield implies('kubernetes.kubeconfig', kubeconfig.text, kubeconfig.at);
  yield at('apiserver.caFile', `${folder}/server/tls/server-ca.crt`);
  if (flagOf(program, 'datastore-endpoint') !== undefined) return;
  yield at('etcd.caFile', `${folder}/server/tls/etcd/server-ca.crt`);
  yield at('etcd.certFile', `${folder}/server/tls/etcd/client.crt`);
  yield at('etcd.keyFile', `${folder}/server/tls/etcd/client.key`);
  yield at('etcd.dataDir', `${folder}/server/db/etcd`);
}
