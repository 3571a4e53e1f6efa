/** kube-vip on the hosts of a lab, as its own manifest for a control plane sets it up: ARP, and a Lease at the API server of its host. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { all, run } from '../../src/lab/command.ts';
import { findProgram } from '../../src/lab/find-program.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { kubernetesCache } from '../../src/lab/kubernetes/programs.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { APISERVER_PORT } from '../../src/lab/plan.ts';
import { awaitPeer } from '../peer.ts';

/** Seconds; client-go's leader election. */
export interface LeaseSettings {
  duration: number;
  renewDeadline: number;
  retryPeriod: number;
}

export interface KubeVip {
  path: string;
  version: string;
}

/** Undefined where it is neither on PATH nor in the cache of `npm run kubernetes:get`. */
export async function findKubeVip(): Promise<KubeVip | undefined> {
  const path = findProgram('kube-vip') ?? findProgram('kube-vip', [kubernetesCache()]);
  if (path === undefined) return undefined;
  const { stdout } = await run([path, 'version']);
  return { path, version: /^Version:\s*(\S+)/m.exec(stdout)?.[1] ?? 'of unknown version' };
}

/** Starts it on every control-plane host, waits until one host has the address and a request to it is answered, and returns that host. */
export async function startKubeVip(lab: Lab, { path, lease }: KubeVip & { lease: LeaseSettings }): Promise<LabHost> {
  await all(
    lab.controlPlane.map(async (host) => {
      // It talks to `kubernetes`, which its manifest makes a name of the host itself, so that it does not need the address it is to bring up.
      appendFileSync(join(host.folder, 'etc/hosts'), '127.0.0.1 kubernetes\n');
      await host.spawn('kube-vip', [path, 'manager'], { env: environment(lab, { host, lease }) });
    }),
  );
  return await awaitPeer(lab, { name: 'kube-vip', daemons: ['kube-vip'] });
}

/** What `kube-vip manifest pod --controlplane --arp --leaderElection` writes, in its order (kube-vip, pkg/kubevip/config_generator.go). */
function environment(lab: Lab, { host, lease }: { host: LabHost; lease: LeaseSettings }): Record<string, string> {
  return {
    vip_arp: 'true',
    port: String(APISERVER_PORT),
    vip_nodename: host.name,
    vip_interface: 'eth0',
    vip_subnet: '32',
    dns_mode: 'first',
    cp_enable: 'true',
    cp_namespace: 'kube-system',
    vip_leaderelection: 'true',
    vip_leasename: 'plndr-cp-lock',
    vip_leaseduration: String(lease.duration),
    vip_renewdeadline: String(lease.renewDeadline),
    vip_retryperiod: String(lease.retryPeriod),
    address: lab.plan.endpoint.addresses[0] as string,
    prometheus_server: ':2112',
  };
}
