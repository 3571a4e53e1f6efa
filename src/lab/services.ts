import { join } from 'node:path';
import { hostPort } from '../base/address.ts';
import { HaleError } from '../base/error.ts';
import { packageFolder, programFile } from '../drivers/program.ts';
import { runOrFail } from './command.ts';
import { findProgram } from './find-program.ts';
import { APISERVER_PORT, bindOf, type HostPlan, type LabPlan } from './plan.ts';

const PKI = '/etc/kubernetes/pki';
export const AGENT_SOCKET = 'run/hale/agent.sock';

/** A program of this repository, run by the Node that runs this one. */
function programArgv(path: string): string[] {
  return [process.execPath, programFile(path)];
}

export function primaryAddress(host: HostPlan): string {
  return host.addresses[0] as string;
}

/** Flags that etcd 3.4 to 3.7 understand; clients and peers show a certificate or are refused. */
export function etcdArgv(plan: LabPlan, host: HostPlan): string[] {
  const pki = `${PKI}/etcd`;
  const clientUrls = host.addresses.map((address) => `https://${hostPort(address, 2379)}`);
  return [
    plan.etcd.path,
    `--name=${host.name}`,
    '--data-dir=/var/lib/etcd',
    `--listen-peer-urls=${peerUrl(host)}`,
    `--initial-advertise-peer-urls=${peerUrl(host)}`,
    `--listen-client-urls=${['https://127.0.0.1:2379', ...clientUrls].join(',')}`,
    `--advertise-client-urls=${clientUrls.join(',')}`,
    `--initial-cluster=${plan.controlPlane.map((member) => `${member.name}=${peerUrl(member)}`).join(',')}`,
    `--initial-cluster-token=${plan.etcdToken}`,
    '--initial-cluster-state=new',
    '--client-cert-auth',
    `--trusted-ca-file=${pki}/ca.crt`,
    `--cert-file=${pki}/server.crt`,
    `--key-file=${pki}/server.key`,
    '--peer-client-cert-auth',
    `--peer-trusted-ca-file=${pki}/ca.crt`,
    `--peer-cert-file=${pki}/peer.crt`,
    `--peer-key-file=${pki}/peer.key`,
    // Defaults since 3.5; without pre-vote a member that returns from isolation throws the leader out.
    ...(plan.etcd.version.startsWith('3.4.') ? ['--logger=zap', '--pre-vote'] : []),
  ];
}

function peerUrl(member: HostPlan): string {
  return `https://${hostPort(primaryAddress(member), 2380)}`;
}

export function apiserverArgv(plan: LabPlan, host: HostPlan): string[] {
  if ('programs' in plan.kubernetes) return kubeApiserverArgv(plan.kubernetes.programs['kube-apiserver'], plan, host);
  return [
    ...programArgv('lab/standin/main'),
    `--name=${host.name}`,
    `--listen=${listenAddresses(plan, host)
      .map((address) => hostPort(address, APISERVER_PORT))
      .join(',')}`,
    `--tls-cert=${PKI}/apiserver.crt`,
    `--tls-key=${PKI}/apiserver.key`,
    '--etcd=https://127.0.0.1:2379',
    `--etcd-ca=${PKI}/etcd/ca.crt`,
    `--etcd-cert=${PKI}/apiserver-etcd-client.crt`,
    `--etcd-key=${PKI}/apiserver-etcd-client.key`,
  ];
}

/** `::` takes IPv4 as well (ipv6(7), IPV6_V6ONLY). */
function listenAddresses(plan: LabPlan, host: HostPlan): readonly string[] {
  if (bindOf(plan) === 'host') return host.addresses;
  return [plan.families === '4' ? '0.0.0.0' : '::'];
}

/** Not tried against a real binary yet: none was at hand. It takes a single address to listen on: the first one, where it cannot be all. */
function kubeApiserverArgv(path: string, plan: LabPlan, host: HostPlan): string[] {
  return [
    path,
    `--bind-address=${listenAddresses(plan, host)[0]}`,
    `--advertise-address=${primaryAddress(host)}`,
    `--secure-port=${APISERVER_PORT}`,
    '--etcd-servers=https://127.0.0.1:2379',
    `--etcd-cafile=${PKI}/etcd/ca.crt`,
    `--etcd-certfile=${PKI}/apiserver-etcd-client.crt`,
    `--etcd-keyfile=${PKI}/apiserver-etcd-client.key`,
    `--client-ca-file=${PKI}/ca.crt`,
    `--tls-cert-file=${PKI}/apiserver.crt`,
    `--tls-private-key-file=${PKI}/apiserver.key`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${PKI}/sa.pub`,
    `--service-account-signing-key-file=${PKI}/sa.key`,
    `--service-cluster-ip-range=${primaryAddress(host).includes(':') ? 'fd67::/112' : '10.96.0.0/16'}`,
    '--authorization-mode=Node,RBAC',
    '--anonymous-auth=true',
  ];
}

export function agentArgv(): string[] {
  return [join(packageFolder, 'hale'), 'agent', '--config', '/etc/hale/cluster.yaml'];
}

/** Arguments of the program that waits, in the client host, until all URLs answer 200. */
export function awaitReadyArgv(options: { urls: readonly string[]; ca: string; cert: string; key: string; timeoutMs: number }): string[] {
  return [...programArgv('lab/await-ready'), JSON.stringify(options)];
}

export function undoArgv(options: { lab: string; fault: string }): string[] {
  return [...programArgv('lab/undo'), options.lab, options.fault];
}

export async function findEtcd(): Promise<LabPlan['etcd']> {
  const path = findProgram('etcd');
  if (path === undefined) {
    throw new HaleError({
      code: 'lab_etcd_not_found',
      kind: 'world',
      message: 'the program etcd is not installed',
      remedy: 'apt-get install etcd-server',
    });
  }
  return { path, version: /etcd Version: (\S+)/.exec(await runOrFail([path, '--version']))?.[1] ?? 'unknown' };
}
