import type { Cluster, ClusterHost } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import { authorityFile } from '../authority.ts';
import { KUBERNETES_DIR } from '../paths.ts';
import { staticPodFile } from '../static-pod.ts';
import { because, explainedYaml } from '../yaml.ts';
import { environment, HEALTH_CA, OWN_API } from './environment.ts';

export const ADMIN = `${KUBERNETES_DIR}/admin.conf`;
export const SUPER_ADMIN = `${KUBERNETES_DIR}/super-admin.conf`;
const NAME = 'kube-vip-ds';

/** The administrator's credentials on a host with a control plane. */
const KUBECONFIGS: Record<Cluster['distribution'], string> = {
  kubeadm: ADMIN,
  k3s: '/etc/rancher/k3s/k3s.yaml',
  rke2: '/etc/rancher/rke2/rke2.yaml',
  systemd: ADMIN,
};

/**
 * From 1.29 on admin.conf has no rights until `kubeadm init` has given them, for which it waits for the address; so on the host that starts the
 * cluster kube-vip takes super-admin.conf. From 1.37 on init asks its own API server and gives the rights without the address.
 */
export function startsAsSuperAdmin({ distribution, kubernetes: { version } }: Cluster): boolean {
  const minor = Number(/^v1\.(\d+)/.exec(version)?.[1]);
  return distribution === 'kubeadm' && minor >= 29 && minor < 37;
}

export function staticPod(cluster: Cluster, node: { host: ClusterHost; index: number }): RenderedFile {
  const asSuperAdmin = node.index === 0 && startsAsSuperAdmin(cluster);
  const kubeconfig = asSuperAdmin ? SUPER_ADMIN : KUBECONFIGS[cluster.distribution];
  const why = [
    `kube-vip of ${node.host.name}: ${announces(cluster)}`,
    'It asks the API server of its own host (hostAliases), or it would need the address in order to elect who has it.',
    ...(asSuperAdmin ? SUPER_ADMIN_NOTE : []),
  ];
  return staticPodFile(cluster, {
    name: 'kube-vip',
    why: why.join('\n'),
    container: { ...container(cluster), env: environment(cluster, node) },
    hostPaths: [
      { name: 'kubeconfig', path: kubeconfig, type: 'File', mountPath: ADMIN },
      ...(cluster.kubeVip.mode === 'bgp' ? [authority(cluster)] : []),
    ],
    spec: { hostAliases: ALIASES },
  });
}

const SUPER_ADMIN_NOTE = [
  'super-admin.conf only until kubeadm init is over: before that admin.conf has no rights, and init waits for the address. Then switch it to admin.conf,',
  'as STEPS.md says; super-admin.conf is for emergencies and passes by all authorization. Copying this file again brings it back.',
];

const ALIASES = because(
  "kube-vip asks https://kubernetes, a name that every API server's certificate has: here the API server of this host.",
  [{ ip: '127.0.0.1', hostnames: [OWN_API] }],
);

/** What stands in the comment: how the address comes to a host, and when it leaves. */
function announces({ kubeVip }: Cluster): string {
  const { mode, leaseDurationSeconds: duration, retryPeriodSeconds: retry } = kubeVip;
  return mode === 'bgp'
    ? 'every control-plane host announces the address to the routers while its own API server is ready.'
    : `one leader has the address and answers ARP for it; after a crash another takes it within ${duration + retry} s. The leader is elected by a Lease in the API:\nwithout etcd's majority nobody can renew it, and the address goes.`;
}

function container(cluster: Cluster): Record<string, unknown> {
  return {
    image: cluster.kubeVip.image,
    imagePullPolicy: 'IfNotPresent',
    args: ['manager'],
    // Addresses and routes, and raw sockets for ARP and neighbour discovery.
    securityContext: { capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] } },
  };
}

function authority(cluster: Cluster) {
  return { name: 'authority', path: authorityFile(cluster), type: 'File', mountPath: HEALTH_CA } as const;
}

/** A DaemonSet on the control-plane hosts, with the rights that it needs, for a cluster that starts without the address. */
export function daemonSetText(cluster: Cluster): string {
  const labels = { 'app.kubernetes.io/name': NAME };
  const isBgp = cluster.kubeVip.mode === 'bgp';
  const { name, path, type, mountPath } = authority(cluster);
  const pod = {
    hostNetwork: true,
    serviceAccountName: 'kube-vip',
    priorityClassName: 'system-node-critical',
    // The health check asks by a name that the certificate has.
    ...(isBgp ? { hostAliases: ALIASES } : {}),
    tolerations: ['NoSchedule', 'NoExecute'].map((effect) => ({ effect, operator: 'Exists' })),
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: CONTROL_PLANE } } },
    containers: [
      {
        name: 'kube-vip',
        ...container(cluster),
        env: environment(cluster),
        ...(isBgp ? { volumeMounts: [{ name, mountPath, readOnly: true }] } : {}),
      },
    ],
    ...(isBgp ? { volumes: [{ name, hostPath: { path, type } }] } : {}),
  };
  const daemonSet = {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: NAME, namespace: 'kube-system', labels },
    spec: {
      selector: { matchLabels: { 'app.kubernetes.io/name': NAME } },
      // One host at a time: two at once could leave nobody to take the address.
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
      template: { metadata: { labels }, spec: pod },
    },
  };
  const why = `kube-vip: ${announces(cluster)}\nIt serves the address of the API alone: Services of type LoadBalancer (svc_enable) would meet MetalLB, cloud controllers and the balancer of k3s.`;
  return explainedYaml(why, [...RIGHTS, daemonSet]);
}

/** Either label; older clusters have the first. */
const CONTROL_PLANE = ['master', 'control-plane'].map((role) => ({
  matchExpressions: [{ key: `node-role.kubernetes.io/${role}`, operator: 'Exists' }],
}));

const rule = (apiGroups: string[], resources: string[], verbs: string[]) => ({ apiGroups, resources, verbs });

const RIGHTS = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'kube-vip', namespace: 'kube-system' } },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'system:kube-vip-role' },
    rules: [
      rule([''], ['services/status'], ['update']),
      rule([''], ['services', 'endpoints'], ['list', 'get', 'watch', 'update']),
      rule([''], ['nodes'], ['list', 'get', 'watch', 'update', 'patch']),
      rule(['coordination.k8s.io'], ['leases'], ['list', 'get', 'watch', 'update', 'create']),
      rule(['discovery.k8s.io'], ['endpointslices'], ['list', 'get', 'watch', 'update']),
      rule([''], ['pods'], ['list']),
    ],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'system:kube-vip-binding' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:kube-vip-role' },
    subjects: [{ kind: 'ServiceAccount', name: 'kube-vip', namespace: 'kube-system' }],
  },
];
