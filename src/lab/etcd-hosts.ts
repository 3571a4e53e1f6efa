import { dirname, join } from 'node:path';
import { hostPort } from '../base/address.ts';
import { HaleError } from '../base/error.ts';
import type { MemberPlace } from '../core/etcd/rebuild/restore-plan.ts';
import type { HostService } from '../core/etcd/rebuild/step.ts';
import { packageFolder } from '../drivers/program.ts';
import type { EtcdStopSignal } from '../ports/etcd.ts';
import type { Host, HostRunOptions, HostRunResult, HostServiceState } from '../ports/host.ts';
import { all } from './command.ts';
import { clusterOf } from './configuration.ts';
import type { LabHost } from './host.ts';
import type { Lab } from './lab.ts';
import { APISERVER_PORT } from './plan.ts';
import { awaitReadyArgv, primaryAddress } from './services.ts';
import { stopDaemon } from './stop.ts';

const PKI = '/etc/kubernetes/pki';
const DAEMONS = {
  etcd: ['etcd'],
  apiserver: ['apiserver'],
  controllers: ['controller-manager', 'scheduler'],
} as const satisfies Record<HostService, readonly string[]>;

/** The control-plane hosts of a lab, for operations on etcd. */
export function labHosts(lab: Lab): Host[] {
  return lab.controlPlane.map(toHost);
}

function toHost(host: LabHost): Host {
  const daemonsOf = (service: HostService) => DAEMONS[service].filter((name) => host.has(name));
  return {
    name: host.name,
    hale: [join(packageFolder, 'hale')],
    run: async (argv, options) => await run(host, argv, options ?? { timeoutMs: 0 }),
    state: async (service) => await stateOf(host, { service, daemons: daemonsOf(service) }),
    stop: async (service) => {
      requireOn(host);
      for (const name of daemonsOf(service)) host.hold(name);
      await all(daemonsOf(service).map((name) => stopDaemon(host, name)));
    },
    start: async (service, options = {}) => {
      requireOn(host);
      for (const name of daemonsOf(service)) await host.release(name, options.arguments);
    },
  };
}

function requireOn(host: LabHost): void {
  if (host.isOn()) return;
  throw new HaleError({
    code: 'host_unreachable',
    kind: 'world',
    message: `${host.name} is switched off`,
    remedy: 'switch it on, then run the command again',
  });
}

async function run(host: LabHost, argv: readonly string[], { input, timeoutMs, signal }: HostRunOptions): Promise<HostRunResult> {
  requireOn(host);
  const controller = new AbortController();
  const stop = () => controller.abort();
  const late = setTimeout(stop, timeoutMs);
  signal?.addEventListener('abort', stop);
  try {
    const result = await host.exec(argv, { signal: controller.signal, ...(input === undefined ? {} : { input }) });
    if (!controller.signal.aborted || signal?.aborted) return result;
  } finally {
    clearTimeout(late);
    signal?.removeEventListener('abort', stop);
  }
  throw new HaleError({
    code: 'host_silent',
    kind: 'world',
    message: `${host.name}: ${argv.slice(0, 3).join(' ')} has not ended within ${timeoutMs / 1000} s`,
  });
}

async function stateOf(
  host: LabHost,
  { service, daemons }: { service: HostService; daemons: readonly string[] },
): Promise<HostServiceState> {
  if (daemons.length === 0) return 'absent';
  requireOn(host);
  if (!daemons.every((name) => host.running(name))) return 'stopped';
  if (service === 'controllers') return 'ready';
  const address = primaryAddress(host);
  const answers = async (port: number, path: string, { dir, name }: { dir: string; name: string }) => {
    const files = { ca: `${dir}/ca.crt`, cert: `${dir}/${name}.crt`, key: `${dir}/${name}.key` };
    const { code } = await host.exec(awaitReadyArgv({ urls: [`https://${hostPort(address, port)}/${path}`], ...files, timeoutMs: 0 }));
    return code === 0;
  };
  if (service === 'apiserver')
    return (await answers(APISERVER_PORT, 'readyz', { dir: PKI, name: 'apiserver-kubelet-client' })) ? 'ready' : 'running';
  const [clients, peers] = await Promise.all([
    answers(2379, 'health', { dir: `${PKI}/etcd`, name: 'healthcheck-client' }),
    answers(2380, 'version', { dir: `${PKI}/etcd`, name: 'peer' }),
  ]);
  return clients ? 'ready' : peers ? 'answers-peers' : 'running';
}

/** Where each member has its data, and what else its host runs. */
export function labMembers(lab: Lab): MemberPlace[] {
  const { dataDir } = clusterOf(lab.plan).etcd;
  const services = Object.keys(DAEMONS) as HostService[];
  return lab.controlPlane.map((host) => ({
    host: host.name,
    peerUrl: `https://${hostPort(primaryAddress(host), 2380)}`,
    dataDir,
    version: lab.plan.etcd.version,
    services: services.filter((service) => service !== 'etcd' && DAEMONS[service].some((name) => host.has(name))),
  }));
}

/** Where programs of etcd are looked for before PATH: beside etcd. */
export function labToolFolders(lab: Lab): string[] {
  return [dirname(lab.plan.etcd.path)];
}

/** Whether agents hold the shared address, so that a client can ask there. */
export function hasAgents(lab: Lab): boolean {
  return lab.controlPlane.some((host) => host.has('agent'));
}

/** Why the client of the lab gets no answer at the shared address; undefined when it gets one. */
export async function askLabAddress(lab: Lab, signal: EtcdStopSignal): Promise<string | undefined> {
  const { dnsName, port } = lab.plan.endpoint;
  const files = { ca: `${PKI}/ca.crt`, cert: `${PKI}/admin.crt`, key: `${PKI}/admin.key` };
  const argv = awaitReadyArgv({ urls: [`https://${dnsName}:${port}/readyz`], ...files, timeoutMs: 0 });
  const { code, stderr } = await run(lab.client, argv, { timeoutMs: 10_000, signal });
  return code === 0 ? undefined : stderr.trim() || `the client's question ended with ${code}`;
}

/** Where journals of operations on a lab are. */
export function labOperations(lab: Lab): string {
  return join(lab.folder, 'operations');
}
