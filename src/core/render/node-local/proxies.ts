import { familyOf, hostPort } from '../../../base/address.ts';
import { apiserverTargets } from '../../cluster/names.ts';
import type { Cluster } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import { haproxyConfig } from '../haproxy.ts';
import { HAPROXY_RUN, haproxyContainer } from '../haproxy-keepalived/pods.ts';
import { staticPodFile } from '../static-pod.ts';
import { loopbacks } from './names.ts';

/** Of its own, so that nothing here meets a web server or balancer of the node. */
const FOLDER = '/etc/hale/api-proxy';
const NGINX_IMAGE = 'docker.io/library/nginx:1.28';
/** kubeadm join puts it there. */
const CA_FILE = '/etc/kubernetes/pki/ca.crt';

const binds = ({ endpoint }: Cluster): string[] => loopbacks(endpoint.addresses).map((address) => hostPort(address, endpoint.port));

export function haproxyFiles(cluster: Cluster): RenderedFile[] {
  const { healthPort, haproxyImage } = cluster.haproxyKeepalived;
  const text = haproxyConfig(cluster, {
    binds: loopbacks(cluster.endpoint.addresses).map(
      (address) => `${hostPort(address, cluster.endpoint.port)}${familyOf(address) === 'IPv6' ? ' v6only' : ''}`,
    ),
    healthPort,
    caFile: CA_FILE,
    global: [],
    whyBinds: ["For this node's own connections alone."],
  });
  const pod = staticPodFile(cluster, {
    name: 'api-proxy',
    why: "HAProxy on 127.0.0.1, for this node's own connections to the Kubernetes API.",
    container: haproxyContainer({ image: cluster.nodeLocal.image ?? haproxyImage, healthPort, folder: FOLDER }),
    hostPaths: [
      { name: 'config', path: FOLDER, type: 'Directory' },
      { name: 'authority', path: CA_FILE, type: 'File' },
    ],
    spec: { volumes: [HAPROXY_RUN] },
  });
  return [{ path: `${FOLDER}/haproxy.cfg`, text, mode: 0o644 }, pod];
}

export function nginxFiles(cluster: Cluster): RenderedFile[] {
  const pod = staticPodFile(cluster, {
    name: 'api-proxy',
    why: "nginx on 127.0.0.1, for this node's own connections to the Kubernetes API.",
    container: {
      image: cluster.nodeLocal.image ?? NGINX_IMAGE,
      imagePullPolicy: 'IfNotPresent',
      command: ['nginx'],
      args: ['-c', `${FOLDER}/nginx.conf`, '-g', 'daemon off;'],
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        // Its workers are of a user without rights.
        capabilities: { drop: ['ALL'], add: ['SETUID', 'SETGID', ...(cluster.endpoint.port < 1024 ? ['NET_BIND_SERVICE'] : [])] },
      },
      livenessProbe: { tcpSocket: { host: '127.0.0.1', port: cluster.endpoint.port }, periodSeconds: 10, failureThreshold: 3 },
      resources: { requests: { cpu: '25m', memory: '32Mi' } },
      volumeMounts: [{ name: 'run', mountPath: '/var/run' }],
    },
    hostPaths: [{ name: 'config', path: FOLDER, type: 'Directory' }],
    spec: { volumes: [{ name: 'run', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }] },
  });
  return [{ path: `${FOLDER}/nginx.conf`, text: nginxConfig(cluster), mode: 0o644 }, pod];
}

function nginxConfig(cluster: Cluster): string {
  const servers = apiserverTargets(cluster).map(
    ({ address, port }) => `        server ${hostPort(address, port)} max_fails=2 fail_timeout=10s;`,
  );
  return `# Made by hale from cluster.yaml: nginx in front of the Kubernetes API, for this node alone. TLS ends at the API server.
worker_processes 1;
pid /var/run/nginx.pid;
error_log stderr notice;

events {
    worker_connections 4096;
}

stream {
    upstream kubernetes-apiservers {
        # Passive checks only: nginx without NGINX Plus never asks /readyz. A server that does not accept connections is left out for a while; one that accepts them and
        # is not ready, for example without etcd, is not noticed, and connections to a host that died hang until the client gives up. hale and HAProxy notice both.
        least_conn;
${servers.join('\n')}
    }

    server {
${binds(cluster)
  .map((bind) => `        listen ${bind};`)
  .join('\n')}
        proxy_pass kubernetes-apiservers;
        proxy_connect_timeout 2s;
        # Watches may be silent for long; clients ping every 30 s and end what is dead themselves.
        proxy_timeout 4h;
        # A peer that vanished is noticed by the kernel.
        proxy_socket_keepalive on;
        proxy_next_upstream on;
    }
}
`;
}
