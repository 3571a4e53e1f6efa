/** keepalived and HAProxy on the hosts of a lab, as kubeadm's "Options for Software Load Balancing" sets them up. */
import { join } from 'node:path';
import { hostPort } from '../src/base/address.ts';
import { all } from '../src/lab/command.ts';
import { writePlain } from '../src/lab/folder.ts';
import type { LabHost } from '../src/lab/host.ts';
import type { Lab } from '../src/lab/lab.ts';
import { APISERVER_PORT, withPrefixLength } from '../src/lab/plan.ts';
import { primaryAddress } from '../src/lab/services.ts';
import { awaitPeer } from './peer.ts';
import { requireProgram } from './program.ts';

/** /etc/hale is of the host alone; keepalived and HAProxy have no folder of their own there. */
const FOLDER = 'etc/hale';
const PRIORITIES = [150, 140, 130];

export interface VrrpSettings {
  version: 2 | 3;
  /** Seconds. */
  advertInterval: number;
}

export interface HostVrrp extends VrrpSettings {
  host: LabHost;
  priority: number;
}

/** Starts both on every control-plane host, waits until one host has the address and a request to it is answered, and returns that host. */
export async function startKeepalived(lab: Lab, vrrp: VrrpSettings): Promise<LabHost> {
  await all(lab.controlPlane.map((host, i) => startKeepalivedOn(lab, { ...vrrp, host, priority: PRIORITIES[i] as number })));
  return await awaitPeer(lab, { name: 'keepalived with HAProxy', daemons: KEEPALIVED_DAEMONS });
}

export const KEEPALIVED_DAEMONS = ['haproxy', 'keepalived'];

export async function startKeepalivedOn(lab: Lab, { host, ...vrrp }: HostVrrp): Promise<void> {
  const programs = { haproxy: requireProgram('haproxy'), keepalived: requireProgram('keepalived') };
  writePlain(join(host.folder, FOLDER, 'haproxy.cfg'), { text: haproxyConfig(lab), mode: 0o644 });
  writePlain(join(host.folder, FOLDER, 'keepalived.conf'), { text: keepalivedConfig(lab, vrrp), mode: 0o644 });
  await host.spawn('haproxy', [programs.haproxy, '-db', '-f', `/${FOLDER}/haproxy.cfg`]);
  // VRRP only: nobody here asks for IPVS, and not every kernel has it. The lab's own note of the process is /run/keepalived.pid.
  const how = ['--vrrp', '--dont-fork', '--log-console', '--pid=/run/keepalived-own.pid', `--use-file=/${FOLDER}/keepalived.conf`];
  await host.spawn('keepalived', [programs.keepalived, ...how]);
}

function keepalivedConfig(lab: Lab, settings: Omit<HostVrrp, 'host'>): string {
  const address = lab.plan.endpoint.addresses[0] as string;
  return `global_defs {
  vrrp_version ${settings.version}
}
vrrp_instance apiserver {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id 51
  priority ${settings.priority}
  advert_int ${settings.advertInterval}
  virtual_ipaddress {
    ${withPrefixLength(address)} dev eth0
  }
}
`;
}

/** kubeadm's own example, with /readyz, which the stand-in serves, for the deprecated /healthz. */
function haproxyConfig(lab: Lab): string {
  const servers = lab.controlPlane.map(
    (host) => `  server ${host.name} ${hostPort(primaryAddress(host), APISERVER_PORT)} check verify none`,
  );
  return `global
  maxconn 4000
defaults
  mode tcp
  option redispatch
  retries 1
  timeout queue 20s
  timeout connect 5s
  timeout client 35s
  timeout server 35s
  timeout check 10s
frontend apiserver
  bind *:${lab.plan.endpoint.port}
  default_backend apiservers
backend apiservers
  option httpchk
  http-check connect ssl
  http-check send meth GET uri /readyz
  http-check expect status 200
  balance roundrobin
${servers.join('\n')}
`;
}
