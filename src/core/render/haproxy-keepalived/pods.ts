import type { Cluster } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import { staticPodFile } from '../static-pod.ts';
import { bindNeedsRights, bindsAddressAlone } from './haproxy.ts';
import { HAPROXY_DIR, KEEPALIVED_DIR } from './paths.ts';

/** HAProxy and keepalived as Pods that kubelet runs without an API. Folders are mounted, not files: a file that is replaced would stay the old one in the container. */
export function podFiles(cluster: Cluster): RenderedFile[] {
  return [haproxyPod(cluster), keepalivedPod(cluster)];
}

export function haproxyContainer(options: {
  image: string;
  healthPort: number;
  folder: string;
  rights?: readonly string[];
}): Record<string, unknown> {
  const { image, healthPort, folder, rights = [] } = options;
  const get = (path: string) => ({ httpGet: { host: '127.0.0.1', path, port: healthPort } });
  return {
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['haproxy'],
    args: ['-W', '-db', '-f', `${folder}/haproxy.cfg`],
    securityContext: {
      ...(rights.length === 0 ? {} : { runAsUser: 0 }),
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], ...(rights.length === 0 ? {} : { add: rights }) },
    },
    livenessProbe: { ...get('/live'), periodSeconds: 10, failureThreshold: 3 },
    readinessProbe: { ...get('/healthz'), periodSeconds: 5 },
    resources: { requests: { cpu: '50m', memory: '64Mi' } },
    volumeMounts: [{ name: 'run', mountPath: '/run/haproxy' }],
  };
}

/** Of the control socket; in memory. */
export const HAPROXY_RUN = { name: 'run', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } };

function haproxyPod(cluster: Cluster): RenderedFile {
  const { haproxyImage: image, healthPort } = cluster.haproxyKeepalived;
  const rights = [...(bindNeedsRights(cluster) ? ['NET_BIND_SERVICE'] : []), ...(bindsAddressAlone(cluster) ? ['NET_ADMIN'] : [])];
  return staticPodFile(cluster, {
    name: 'haproxy',
    why: 'HAProxy in front of the Kubernetes API. kubelet restarts it when it hangs (/live), not when no API server is ready (/healthz):\na restart would help none of them, and break what is left.',
    container: haproxyContainer({ image, healthPort, folder: HAPROXY_DIR, rights }),
    hostPaths: [{ name: 'config', path: HAPROXY_DIR, type: 'Directory' }],
    spec: { volumes: [HAPROXY_RUN] },
  });
}

function keepalivedPod(cluster: Cluster): RenderedFile {
  return staticPodFile(cluster, {
    name: 'keepalived',
    why: 'Which host has the address of the Kubernetes API. The image must have curl, which the check runs.',
    container: {
      image: cluster.haproxyKeepalived.keepalivedImage,
      imagePullPolicy: 'IfNotPresent',
      // The image's own start script would write a configuration of its own.
      command: ['keepalived'],
      args: ['--dont-fork', '--log-console', '--vrrp', `--use-file=${KEEPALIVED_DIR}/keepalived.conf`],
      // Addresses; broadcast and raw sockets of VRRP and ARP; the priority that it raises when the host is busy, memory that is not swapped out; the groups of the check.
      securityContext: {
        capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_BROADCAST', 'NET_RAW', 'SYS_NICE', 'IPC_LOCK', 'SETGID'] },
      },
      resources: { requests: { cpu: '20m', memory: '32Mi' } },
    },
    hostPaths: [
      { name: 'config', path: KEEPALIVED_DIR, type: 'Directory' },
      { name: 'authority', path: HAPROXY_DIR, type: 'Directory' },
    ],
  });
}
