import { familyOf, hostPort } from '../../../base/address.ts';
import type { Cluster } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import { haproxyConfig, RKE2_REGISTRATION_PORT } from '../haproxy.ts';
import { CA_COPY, HAPROXY_DIR } from './paths.ts';

const LAST_PRIVILEGED_PORT = 1023;

/** Whether HAProxy shares its port with the API server of its host, which has it on the host's own address: then it takes only the address that moves. */
export function bindsAddressAlone({ endpoint, apiserver, haproxyKeepalived }: Cluster): boolean {
  return haproxyKeepalived.placement !== 'balancers' && apiserver.bind === 'host' && endpoint.port === apiserver.port;
}

/** Whether what it binds takes rights that an ordinary process has not. */
export function bindNeedsRights(cluster: Cluster): boolean {
  return bindsAddressAlone(cluster) || cluster.endpoint.port <= LAST_PRIVILEGED_PORT;
}

export function haproxyFile(cluster: Cluster): RenderedFile {
  const { endpoint, distribution, haproxyKeepalived } = cluster;
  const text = haproxyConfig(cluster, {
    binds: binds(cluster, endpoint.port),
    registrationBinds: distribution === 'rke2' && haproxyKeepalived.placement === 'balancers' ? binds(cluster, RKE2_REGISTRATION_PORT) : [],
    healthPort: haproxyKeepalived.healthPort,
    caFile: CA_COPY,
    global: haproxyKeepalived.placement === 'static-pods' ? [] : CONFINED,
    whyBinds: bindsAddressAlone(cluster)
      ? [
          "Only the address that moves, because the API server has this port on the host's own. transparent: it can be bound while another host holds it.",
        ]
      : [
          'On all addresses, so that it listens before this host holds the shared one, and so that the check of each host can ask the others.',
        ],
  });
  return { path: `${HAPROXY_DIR}/haproxy.cfg`, text, mode: 0o644 };
}

/** The image runs it as a user of its own already. */
const CONFINED = ['# Nothing to read or write once it runs.', 'chroot /var/lib/haproxy', 'user haproxy', 'group haproxy'];

function binds(cluster: Cluster, port: number): string[] {
  const { addresses } = cluster.endpoint;
  if (bindsAddressAlone(cluster)) return addresses.map((address) => `${hostPort(address, port)} transparent`);
  return addresses.map((address) => (familyOf(address) === 'IPv4' ? `0.0.0.0:${port}` : `[::]:${port} v6only`));
}
