import { hostPort } from '../../../base/address.ts';
import { apiserverTargets } from '../../cluster/names.ts';
import type { Cluster } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import { staticPodFile } from '../static-pod.ts';

const IMAGE = 'ghcr.io/labring/lvscare:v5.0.1';

/** Arguments of lvscare for one address of the endpoint. `health-schem` is spelled so. */
export function lvscareArguments(cluster: Cluster, address: string): string[] {
  const { endpoint, nodeLocal } = cluster;
  return [
    'care',
    `--vs=${hostPort(address, endpoint.port)}`,
    '--mode=link',
    `--iface=${nodeLocal.lvscareInterface}`,
    '--health-schem=https',
    '--health-path=/readyz',
    ...apiserverTargets(cluster).map(({ address: server, port }) => `--rs=${hostPort(server, port)}`),
  ];
}

export function lvscarePod(cluster: Cluster): RenderedFile {
  return staticPodFile(cluster, {
    name: 'kube-lvscare',
    why: [
      "IPVS on this node: connections to the address of the Kubernetes API go to an API server that is ready, in the kernel. lvscare asks every 5 s and sets a server's",
      'weight to 0, then removes it. It does not verify certificates when it asks. kube-proxy in IPVS mode needs ipvs.excludeCIDRs with the address, or it deletes these rules.',
    ].join('\n'),
    container: {
      image: cluster.nodeLocal.image ?? IMAGE,
      imagePullPolicy: 'IfNotPresent',
      command: ['/usr/bin/lvscare'],
      args: lvscareArguments(cluster, cluster.endpoint.addresses[0] as string),
      // Loads ip_vs, and makes interface and rules.
      securityContext: { privileged: true },
    },
    hostPaths: [{ name: 'modules', path: '/lib/modules', type: 'Directory' }],
  });
}
