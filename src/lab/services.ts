import { join } from 'node:path';
import { hostPort } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import type { Service } from '../core/render/service.ts';
import { renderSystemdHost, type SystemdHost } from '../core/render/systemd/host.ts';
import { packageFolder, programFile } from '../drivers/program.ts';
import { clusterOf } from './configuration.ts';
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

/** The command line of a control plane's daemon: what its systemd unit would run on a real host. */
export function serviceArgv(plan: LabPlan, host: HostPlan, name: Service['name']): string[] {
  const service = systemdHost(plan, host).services.find((candidate) => candidate.name === name);
  assert(service !== undefined, `the rendering has ${name}`);
  return [programPath(plan, service.program), ...service.arguments];
}

/** What hale renders for a host of `distribution: systemd`. */
export function systemdHost(plan: LabPlan, host: HostPlan): SystemdHost {
  const cluster = clusterOf(plan);
  const member = cluster.controlPlane.hosts.find(({ name }) => name === host.name);
  assert(member !== undefined, 'every control-plane host is in cluster.yaml');
  return renderSystemdHost(cluster, member, plan.secrets);
}

function programPath(plan: LabPlan, program: string): string {
  if (program === 'etcd') return plan.etcd.path;
  assert('programs' in plan.kubernetes, 'a lab of stand-ins runs none of Kubernetes');
  return plan.kubernetes.programs[program as keyof typeof plan.kubernetes.programs];
}

/** kube-apiserver, or the stand-in. */
export function apiserverArgv(plan: LabPlan, host: HostPlan): string[] {
  if ('programs' in plan.kubernetes) return serviceArgv(plan, host, 'kube-apiserver');
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
