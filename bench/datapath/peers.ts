/** What hale's datapaths are compared with. */
import { runOrFail } from '../../src/lab/command.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { withPrefixLength } from '../../src/lab/plan.ts';
import { requireProgram } from '../program.ts';
import { awaitListening, endDaemon, ownAddress, type Rig, writeConfig } from './rig.ts';
import type { Service, Subject, Target } from './subject.ts';

const TABLE = 'ip bench';

/** No balancer: the client chooses among the backends' own addresses. */
export const direct: Subject = {
  name: 'direct',
  up: (_rig, service) => Promise.resolve(own(service)),
  down: () => Promise.resolve(),
};

/** The holder as a router, both ways, without NAT: what the hop costs by itself. */
export const forwarding: Subject = {
  name: 'forwarding',
  async up(rig, service) {
    await rig.holder.exec([
      'sysctl',
      '-qw',
      'net.ipv4.ip_forward=1',
      'net.ipv4.conf.all.send_redirects=0',
      'net.ipv4.conf.eth0.send_redirects=0',
    ]);
    for (const { from, to } of routesOverHolder(rig)) await inHost(from, ['ip', 'route', 'add', to, 'via', ownAddress(rig.holder)]);
    return own(service);
  },
  async down(rig) {
    for (const { from, to } of routesOverHolder(rig)) await from.exec(['ip', 'route', 'del', to, 'via', ownAddress(rig.holder)]);
    await rig.holder.exec(['sysctl', '-qw', 'net.ipv4.ip_forward=0']);
  },
};

function own({ backends, port }: Service): Target {
  return { addresses: backends.map(ownAddress), port };
}

function routesOverHolder(rig: Rig): { from: LabHost; to: string }[] {
  return rig.hosts
    .filter((host) => host !== rig.holder)
    .flatMap((host) => [
      { from: rig.client, to: ownAddress(host) },
      { from: host, to: ownAddress(rig.client) },
    ]);
}

/** DNAT and masquerade as people write them by hand. */
export const dnat: Subject = {
  name: 'dnat',
  async up(rig, service) {
    const { backends, port, frontendPort } = service;
    await holdAddress(rig);
    await rig.holder.exec(['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    const map = backends.map((host, i) => `${i} : ${ownAddress(host)}`).join(', ');
    await inHost(
      rig.holder,
      ['nft', '-f', '-'],
      `table ${TABLE} {
      chain prerouting {
        type nat hook prerouting priority dstnat;
        ip daddr ${rig.address} tcp dport ${frontendPort} dnat to numgen inc mod ${backends.length} map { ${map} } : ${port}
      }
      chain postrouting {
        type nat hook postrouting priority srcnat;
        ct status dnat oifname "eth0" masquerade
      }
    }`,
    );
    return shared(rig, service);
  },
  async down(rig) {
    await rig.holder.exec(['nft', 'delete', 'table', ...TABLE.split(' ')]);
    await rig.holder.exec(['sysctl', '-qw', 'net.ipv4.ip_forward=0']);
    await leaveAddress(rig);
  },
};

/** TCP mode with splice, as a careful administrator would have it. */
export const haproxy: Subject = {
  name: 'haproxy',
  async up(rig, service) {
    await holdAddress(rig);
    const config = writeConfig(rig.holder, 'haproxy.cfg', haproxyConfig(rig, service));
    await rig.holder.spawn('haproxy', [requireProgram('haproxy'), '-db', '-f', config]);
    await awaitListening(rig.holder, 'haproxy', service.frontendPort);
    return shared(rig, service);
  },
  async down(rig) {
    await endDaemon(rig.holder, 'haproxy');
    await leaveAddress(rig);
  },
};

/** `maxconn` as in kubeadm's example: two files for each connection, and those of the pipes, stay below the usual limits. No health checks, which would only cost. */
function haproxyConfig(rig: Rig, { backends, port, frontendPort }: Service): string {
  return `global
  maxconn 4000
  nbthread 2
defaults
  mode tcp
  option splice-auto
  option splice-request
  option splice-response
  timeout connect 5s
  timeout client 35s
  timeout server 35s
frontend bench
  bind ${rig.address}:${frontendPort} backlog 4096
  default_backend hosts
backend hosts
  balance roundrobin
${backends.map((host) => `  server ${host.name} ${ownAddress(host)}:${port}\n`).join('')}`;
}

export function shared(rig: Rig, { frontendPort }: Service): Target {
  return { addresses: [rig.address], port: frontendPort };
}

export async function holdAddress(rig: Rig): Promise<void> {
  await inHost(rig.holder, ['ip', 'addr', 'add', withPrefixLength(rig.address), 'dev', 'eth0']);
}

export async function leaveAddress(rig: Rig): Promise<void> {
  await rig.holder.exec(['ip', 'addr', 'del', withPrefixLength(rig.address), 'dev', 'eth0']);
}

async function inHost(host: LabHost, argv: readonly string[], input = ''): Promise<string> {
  return await runOrFail(host.command(argv), { input });
}
