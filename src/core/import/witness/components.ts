/** What the flags of Kubernetes' own programs and of etcd say, wherever they stand. */
import type { Facts } from '../../doctor/facts.ts';
import type { Program } from '../../doctor/read/program.ts';
import { byDefault, type Claim, implies, says } from '../claim.ts';
import { addressOf, hostAndPort, isLocal, numberOf, oneOrList, release, tagOf } from '../values.ts';
import { flagOf, flagsOf, hostOf, isPod } from './flags.ts';

export function* componentClaims({ programs }: Facts): Generator<Claim> {
  for (const program of programs) {
    const witness = WITNESSES[program.name];
    if (witness === undefined) continue;
    yield* witness(program);
    yield* distributionClaims(program);
  }
}

const WITNESSES: Readonly<Record<string, (program: Program) => Generator<Claim>>> = {
  'kube-apiserver': apiserverClaims,
  'kube-controller-manager': controllerManagerClaims,
  'kube-proxy': proxyClaims,
  kubelet: kubeletClaims,
  etcd: etcdClaims,
};

/** A unit of the API server's own means systemd; kubeadm makes static Pods, but so do others. */
function* distributionClaims(program: Program): Generator<Claim> {
  if (program.name !== 'kube-apiserver') return;
  if (program.origin === 'unit') {
    yield says('distribution', 'systemd', program.at);
    const folder = /^(\/.*)\/kube-apiserver$/.exec(program.file.text.slice(program.at.start, program.at.end))?.[1];
    if (folder !== undefined) yield implies('kubernetes.binDir', folder, program.at);
  } else if (isPod(program) && /kubeadm\.kubernetes\.io/.test(program.file.text))
    yield { kind: 'value', key: 'distribution', value: 'kubeadm', weight: 'implies', at: program.at };
}

function* apiserverClaims(program: Program): Generator<Claim> {
  const port = flagOf(program, 'secure-port');
  if (port !== undefined) yield says('apiserver.port', numberOf(port.text) ?? port.text, port.at);
  const services = flagOf(program, 'service-cluster-ip-range');
  if (services !== undefined) yield says('kubernetes.serviceSubnet', oneOrList(services.text), services.at);
  const advertised = flagOf(program, 'advertise-address');
  const bind = flagOf(program, 'bind-address');
  const address = [advertised, bind].find((said) => said !== undefined && addressOf(said.text) !== undefined && !isLocal(said.text));
  const name = hostOf(program);
  // In kubeadm's extraArgs and the like an address is of no one host.
  if (address !== undefined && (program.complete || name !== undefined))
    yield { kind: 'host', name, addresses: [address.text], role: 'control-plane', weight: 'says', at: address.at };
  if (bind !== undefined) yield says('apiserver.bind', isLocal(bind.text) ? 'all' : 'host', bind.at);
  const issuer = flagOf(program, 'service-account-issuer');
  const domain = /^https:\/\/kubernetes\.default\.svc\.(.+)$/.exec(issuer?.text ?? '')?.[1];
  if (issuer !== undefined && domain !== undefined) yield implies('kubernetes.dnsDomain', domain, issuer.at);
  const version = release(tagOf(program.image?.text ?? '') ?? '');
  if (version !== undefined && program.image !== undefined) yield says('kubernetes.version', version, program.image.span);
  yield* storeClaims(program);
}

/** An API server of stacked etcd names its own member, or those of all control-plane hosts: endpoint.ts tells which when the hosts are known. */
function* storeClaims(program: Program): Generator<Claim> {
  const servers = flagsOf(program, 'etcd-servers');
  const [first] = servers;
  if (first === undefined) return;
  const urls = servers.map(({ text }) => text);
  if (urls.every((url) => isLocal(hostAndPort(url)?.host ?? ''))) {
    yield implies('etcd.topology', 'stacked', first.at);
    return;
  }
  yield implies('etcd.endpoints', urls.toSorted(), first.at);
  // Members of stacked etcd are control-plane hosts of which there may be no other file.
  for (const { text, at } of servers) {
    const host = addressOf(hostAndPort(text)?.host ?? '');
    if (host !== undefined) yield { kind: 'host', addresses: [host], role: 'etcd-member', weight: 'hints', at };
  }
  const ca = flagOf(program, 'etcd-cafile');
  // A unit may name a copy that systemd makes.
  if (ca?.text.startsWith('/')) yield implies('etcd.caFile', ca.text, ca.at);
}

function* controllerManagerClaims(program: Program): Generator<Claim> {
  const pods = flagOf(program, 'cluster-cidr');
  if (pods !== undefined) yield says('kubernetes.podSubnet', oneOrList(pods.text), pods.at);
  const services = flagOf(program, 'service-cluster-ip-range');
  if (services !== undefined) yield says('kubernetes.serviceSubnet', oneOrList(services.text), services.at);
  const name = flagOf(program, 'cluster-name');
  if (name !== undefined) yield says('name', name.text, name.at);
}

function* proxyClaims(program: Program): Generator<Claim> {
  const mode = flagOf(program, 'proxy-mode');
  if (mode !== undefined) yield says('kubernetes.kubeProxy', mode.text, mode.at);
  const pods = flagOf(program, 'cluster-cidr');
  if (pods !== undefined) yield implies('kubernetes.podSubnet', oneOrList(pods.text), pods.at);
}

function* kubeletClaims(program: Program): Generator<Claim> {
  const socket = flagOf(program, 'container-runtime-endpoint');
  if (socket !== undefined) yield says('kubernetes.criSocket', socket.text.replace(/^\//, 'unix:///'), socket.at);
  const driver = flagOf(program, 'cgroup-driver');
  if (driver !== undefined) yield says('kubernetes.cgroupDriver', driver.text, driver.at);
  const addresses = flagsOf(program, 'node-ip').filter(({ text }) => !isLocal(text));
  const named = flagOf(program, 'hostname-override');
  const name = named?.text ?? hostOf(program);
  const [first] = addresses;
  if (first !== undefined && name !== undefined)
    yield { kind: 'host', name, addresses: addresses.map(({ text }) => text), weight: 'says', at: first.at, nameAt: named?.at };
}

function* etcdClaims(program: Program): Generator<Claim> {
  yield* memberClaims(program);
  const folder = flagOf(program, 'data-dir');
  if (folder !== undefined) yield says('etcd.dataDir', folder.text, folder.at);
  const client = flagsOf(program, 'advertise-client-urls')[0];
  const port = hostAndPort(client?.text ?? '')?.port;
  if (client !== undefined && port !== undefined) yield says('etcd.clientPort', port, client.at);
  const minor = /^v?(3\.\d+)/.exec(tagOf(program.image?.text ?? '') ?? '')?.[1];
  if (minor !== undefined && program.image !== undefined) yield says('etcd.version', minor, program.image.span);
  const old = program.flags.find(({ name }) => name.startsWith('experimental-'));
  if (old !== undefined)
    yield byDefault('etcd.version', '3.5', { at: old.span, because: 'guess: flags that begin with experimental are of 3.5 and before' });
  yield* timingClaims(program);
}

/** `cp1=https://10.0.0.11:2380,…` of every member, and this one's own address. */
function* memberClaims(program: Program): Generator<Claim> {
  for (const { text, at } of flagsOf(program, 'initial-cluster')) {
    const [, name, url] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    const host = hostAndPort(url ?? '')?.host;
    if (name !== undefined && host !== undefined) yield { ...memberOf(name, host), at };
  }
  const own = flagOf(program, 'initial-advertise-peer-urls');
  const name = flagOf(program, 'name')?.text;
  const host = hostAndPort(own?.text.split(',')[0] ?? '')?.host;
  if (own !== undefined && name !== undefined && host !== undefined) yield { ...memberOf(name, host), at: own.at };
}

function memberOf(name: string, host: string) {
  const addresses = addressOf(host) === undefined ? [] : [host];
  return { kind: 'host', name: name.toLowerCase(), addresses, role: 'etcd-member', weight: 'hints' } as const;
}

/** Longer ones than etcd's own are for distance; an election that waits much longer than ten heartbeats, for slow disks. */
function* timingClaims(program: Program): Generator<Claim> {
  const heartbeat = flagOf(program, 'heartbeat-interval');
  const election = flagOf(program, 'election-timeout');
  const heartbeatMs = numberOf(heartbeat?.text) ?? 100;
  const electionMs = numberOf(election?.text) ?? 1000;
  if (heartbeat !== undefined && heartbeatMs >= 250) yield implies('etcd.latency', 'region', heartbeat.at);
  if (election !== undefined && electionMs >= 5000 && electionMs >= 20 * heartbeatMs) yield implies('etcd.disk', 'slow', election.at);
}
