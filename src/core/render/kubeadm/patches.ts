/** Changes to static Pods that kubeadm's format has no key for (kubernetes.io, "Customizing components with the kubeadm API", patches). */
import { APISERVER_STOP_SECONDS } from '../apiserver-flags.ts';
import type { RenderedFile } from '../file.ts';
import type { HostInput } from '../part.ts';
import { KUBERNETES_DIR } from '../paths.ts';
import { explainedYaml } from '../yaml.ts';

export const PATCHES_DIR = `${KUBERNETES_DIR}/patches`;

export function patchFiles({ cluster, node }: HostInput): RenderedFile[] {
  const draining = explainedYaml(
    'From SIGTERM to SIGKILL. The API server first serves on, then ends watches, then what is under way (its shutdown-* flags);\nwith the 30 seconds of other Pods it would be killed in the middle of that.',
    [{ spec: { terminationGracePeriodSeconds: APISERVER_STOP_SECONDS } }],
  );
  const binding = explainedYaml(
    "apiserver.bind is host: it listens on this host's own address alone. kubeadm's flags are the same for all hosts.",
    [[{ op: 'add', path: '/spec/containers/0/command/-', value: `--bind-address=${node.host.addresses[0]?.address}` }]],
  );
  return [
    { path: `${PATCHES_DIR}/kube-apiserver0+strategic.yaml`, text: draining, mode: 0o644 },
    ...(cluster.apiserver.bind === 'host' ? [{ path: `${PATCHES_DIR}/kube-apiserver1+json.yaml`, text: binding, mode: 0o644 }] : []),
  ];
}
