/** What kube-vip is told, by variables or by flags (kube-vip's pkg/kubevip/config_envvar.go and cmd/kube-vip.go). */
import type { Facts } from '../../doctor/facts.ts';
import type { Program } from '../../doctor/read/program.ts';
import { type Claim, says, type Value } from '../claim.ts';
import { addressAndLength, hostAndPort, numberOf, secondsOf } from '../values.ts';
import { flagOf, isDaemonSet, isPod, type Said, variableOf } from './flags.ts';

export function* kubeVipClaims({ programs }: Facts): Generator<Claim> {
  for (const program of programs.filter((one) => one.name === 'kube-vip' && isForControlPlane(one))) {
    yield { kind: 'carrier', carrier: 'kube-vip', isPod: true, at: program.at };
    yield* addressClaims(program);
    yield* modeClaims(program);
    yield* settingClaims(program);
  }
}

/** By the variable, or the flag; variables win in kube-vip itself. */
function setting(program: Program, [variable, flag]: readonly [string, string]): Said | undefined {
  return variableOf(program, variable) ?? flagOf(program, flag);
}

/** kube-vip may also serve nothing but Services. */
function isForControlPlane(program: Program): boolean {
  return setting(program, ['cp_enable', 'controlplane'])?.text === 'true';
}

function* addressClaims(program: Program): Generator<Claim> {
  const address = setting(program, ['address', 'address']) ?? setting(program, ['vip_address', 'vip']);
  for (const text of (address?.text ?? '').split(',')) {
    const found = addressAndLength(text);
    const host = found?.address ?? hostAndPort(text)?.host;
    if (address !== undefined && host !== undefined)
      yield { kind: 'endpoint', host, length: lengthOf(program), weight: 'says', at: address.at };
  }
  const port = setting(program, ['port', 'port']);
  if (port !== undefined) yield says('endpoint.port', numberOf(port.text) ?? port.text, port.at);
  // Without the balancer of its own, connections to the address meet the API server of the host itself.
  if (port !== undefined && setting(program, ['lb_enable', 'enableLoadBalancer'])?.text !== 'true')
    yield { kind: 'value', key: 'apiserver.port', value: numberOf(port.text) ?? port.text, weight: 'hints', at: port.at };
  const nic = setting(program, ['vip_interface', 'interface']);
  if (nic !== undefined && nic.text !== 'lo') yield says('endpoint.interface', nic.text, nic.at);
}

/** `vip_subnet`, before 0.9 `vip_cidr`; 32 says nothing about the hosts' own. */
function lengthOf(program: Program): number | undefined {
  const text = variableOf(program, 'vip_subnet')?.text ?? variableOf(program, 'vip_cidr')?.text;
  const length = numberOf(text?.split(',')[0]?.replace(/^\//, ''));
  return length === 32 || length === 128 ? undefined : length;
}

function* modeClaims(program: Program): Generator<Claim> {
  const bgp = setting(program, ['bgp_enable', 'bgp']);
  const arp = setting(program, ['vip_arp', 'arp']);
  if (bgp?.text === 'true') yield says('kubeVip.mode', 'bgp', bgp.at);
  else if (arp?.text === 'true') yield says('kubeVip.mode', 'arp', arp.at);
  // A DaemonSet is one manifest for all; a Pod that a DaemonSet made says whose it is.
  if (isPod(program)) yield says('kubeVip.runAs', isDaemonSet(program) ? 'daemonset' : 'static-pod', program.at);
  if (bgp?.text !== 'true') return;
  const as = setting(program, ['bgp_as', 'localAS']);
  if (as !== undefined) yield says('kubeVip.bgp.localAs', numberOf(as.text) ?? as.text, as.at);
  yield* peerClaims(program);
}

/** `address:AS:password:multihop`, with commas between them; or the variables of a single peer. */
function* peerClaims(program: Program): Generator<Claim> {
  const several = setting(program, ['bgp_peers', 'bgppeers']);
  if (several !== undefined && several.text !== '') {
    const peers = several.text.split(',').map(peerOf);
    const known = peers.filter((one) => one !== undefined);
    if (known.length > 0) yield says('kubeVip.bgp.peers', known, several.at);
    if (known.length < peers.length)
      yield { kind: 'note', message: 'a BGP peer is written in a form that is not imported', at: several.at };
    if (several.text.split(',').some(hasPassword)) yield passwordNote(several.at);
    return;
  }
  const address = setting(program, ['bgp_peeraddress', 'peerAddress']);
  const as = setting(program, ['bgp_peeras', 'peerAS']);
  if (address === undefined || address.text === '') return;
  const multihop = setting(program, ['bgp_multihop', 'multihop'])?.text === 'true';
  yield says('kubeVip.bgp.peers', [router(address.text, { as: numberOf(as?.text) ?? 65_000, multihop })], address.at);
  const password = setting(program, ['bgp_peerpass', 'peerPass']);
  if (password !== undefined && password.text !== '') yield passwordNote(password.at);
}

const PEER = /^(\[[^\]]+\]|[^:]+):(\d+)(?::([^:]*))?(?::(true|false))?/;

function peerOf(text: string): Value | undefined {
  const [, address, as, , multihop] = PEER.exec(text) ?? [];
  const found = addressAndLength((address ?? '').replace(/^\[(.*)\]$/, '$1'));
  return found === undefined ? undefined : router(found.address, { as: Number(as), multihop: multihop === 'true' });
}

function router(address: string, { as, multihop }: { as: number; multihop: boolean }): Value {
  return { address, as, ...(multihop && { multihop }) };
}

const hasPassword = (text: string): boolean => (PEER.exec(text)?.[3] ?? '') !== '';

function passwordNote(at: Said['at']): Claim {
  return { kind: 'note', message: 'the password of a BGP peer is not imported, because cluster.yaml holds no secrets', at };
}

const LEASE = [
  ['vip_leaseduration', 'leaseDuration', 'kubeVip.leaseDurationSeconds'],
  ['vip_renewdeadline', 'leaseRenewDuration', 'kubeVip.renewDeadlineSeconds'],
  ['vip_retryperiod', 'leaseRetry', 'kubeVip.retryPeriodSeconds'],
] as const;

function* settingClaims(program: Program): Generator<Claim> {
  for (const [variable, flag, key] of LEASE) {
    const found = setting(program, [variable, flag]);
    if (found !== undefined) yield says(key, secondsOf(found.text) ?? found.text, found.at);
  }
  if (program.image !== undefined && isPod(program)) yield says('kubeVip.image', program.image.text, program.image.span);
}
