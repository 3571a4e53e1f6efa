import type { Cluster } from '../cluster/schema.ts';
import type { RenderedFile } from './file.ts';
import { K3S_STATIC_POD_DIR, RKE2_STATIC_POD_DIR, STATIC_POD_DIR } from './paths.ts';
import { explainedYaml } from './yaml.ts';

/** Folder whose Pods a node's kubelet runs by itself, without an API. */
const STATIC_POD_DIRS: Record<Cluster['distribution'], string> = {
  kubeadm: STATIC_POD_DIR,
  k3s: K3S_STATIC_POD_DIR,
  rke2: RKE2_STATIC_POD_DIR,
  // There is no kubelet; a check refuses what needs one.
  systemd: STATIC_POD_DIR,
};

/** A file or folder of the host, at the same path in the container unless `mountPath` says another. */
export interface HostPath {
  name: string;
  path: string;
  type: 'File' | 'Directory' | 'DirectoryOrCreate';
  mountPath?: string;
}

export interface StaticPod {
  name: string;
  /** Lines for whoever reads only this file. */
  why: string;
  container: Record<string, unknown>;
  hostPaths: readonly HostPath[];
  spec?: Record<string, unknown>;
}

/** The manifest of a Pod that kubelet runs by itself, in the host's network, and evicts last. */
export function staticPodFile({ distribution }: Pick<Cluster, 'distribution'>, pod: StaticPod): RenderedFile {
  const { name, why, hostPaths } = pod;
  const { volumeMounts = [], ...container } = pod.container as { volumeMounts?: unknown[] };
  const { volumes = [], ...spec } = (pod.spec ?? {}) as { volumes?: unknown[] };
  const mounts = hostPaths.map(({ name: volume, path, mountPath = path }) => ({ name: volume, mountPath, readOnly: true }));
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'kube-system', labels: { 'app.kubernetes.io/name': name, 'app.kubernetes.io/managed-by': 'hale' } },
    spec: {
      hostNetwork: true,
      priorityClassName: 'system-node-critical',
      ...spec,
      containers: [{ name, ...container, volumeMounts: [...mounts, ...volumeMounts] }],
      volumes: [...hostPaths.map(({ name: volume, path, type }) => ({ name: volume, hostPath: { path, type } })), ...volumes],
    },
  };
  return { path: `${STATIC_POD_DIRS[distribution]}/${name}.yaml`, text: explainedYaml(why, [manifest]), mode: 0o600 };
}
