import type { Cluster } from '../core/cluster/schema.ts';
import { openSocketSteering, type SteeringOpened } from '../drivers/linux/socket/steering.ts';
import type { Log } from '../ports/log.ts';

/** Steers the connections that begin on this machine; `self` is the index of the control-plane host that it is, if it is one. */
export function steerSockets({ cluster, self, log }: { cluster: Cluster; self?: number; log: Log }): SteeringOpened {
  const { endpoint, controlPlane, apiserver } = cluster;
  return openSocketSteering({
    addresses: endpoint.addresses,
    port: endpoint.port,
    backends: controlPlane.hosts.map((host) => ({
      name: host.name,
      addresses: host.addresses.map(({ address }) => address),
      port: apiserver.port,
    })),
    ...(self !== undefined && { self }),
    log,
  });
}
