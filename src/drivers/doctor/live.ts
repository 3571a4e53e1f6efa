/** A live cluster for hale doctor: the objects that decide whether its control plane survives, as text. Never Secrets. */
import { stringify } from 'yaml';
import { refusalText } from '../../core/apiserver/refusal.ts';
import type { Trouble } from '../../core/doctor/read/trouble.ts';
import { type TextFile, topOf } from '../../core/doctor/text-file.ts';
import type { Kubernetes } from '../../ports/kubernetes.ts';
import { listAll } from '../kubernetes/list.ts';
import type { Found } from './files.ts';

/** A list to ask for, and the kind of its items, which lists leave out. */
interface Wanted {
  path: string;
  kind: string;
  apiVersion: string;
  /** Of the items; all when absent. */
  only?: (object: KubernetesObject) => boolean;
}

interface KubernetesObject {
  metadata?: { name?: string; namespace?: string; annotations?: Record<string, string>; managedFields?: unknown };
  spec?: { nodeName?: string };
  status?: { images?: unknown };
}

const CONFIG_MAPS = ['kubeadm-config', 'kubelet-config', 'kube-proxy', 'coredns', 'cluster-info'];

/** Of the Pods only those that kubelets run from files: the others are their controllers'. */
const isMirror = ({ metadata }: KubernetesObject): boolean => metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined;
const isConfig = ({ metadata }: KubernetesObject): boolean => CONFIG_MAPS.includes(metadata?.name ?? '');

const core = (path: string, kind: string): Wanted => ({ path: `/api/v1/${path}`, kind, apiVersion: 'v1' });
const grouped = (apiVersion: string, path: string, kind: string): Wanted => ({ path: `/apis/${apiVersion}/${path}`, kind, apiVersion });

const WANTED: readonly Wanted[] = [
  core('nodes', 'Node'),
  { ...core('namespaces/kube-system/pods', 'Pod'), only: isMirror },
  { ...core('namespaces/kube-system/configmaps', 'ConfigMap'), only: isConfig },
  { ...core('namespaces/kube-public/configmaps', 'ConfigMap'), only: isConfig },
  grouped('apps/v1', 'namespaces/kube-system/daemonsets', 'DaemonSet'),
  grouped('apps/v1', 'namespaces/kube-system/deployments', 'Deployment'),
  grouped('coordination.k8s.io/v1', 'namespaces/kube-system/leases', 'Lease'),
  {
    ...grouped('discovery.k8s.io/v1', 'namespaces/default/endpointslices', 'EndpointSlice'),
    only: ({ metadata }) => metadata?.name === 'kubernetes',
  },
  grouped('storage.k8s.io/v1', 'storageclasses', 'StorageClass'),
  grouped('policy/v1', 'poddisruptionbudgets', 'PodDisruptionBudget'),
  grouped('admissionregistration.k8s.io/v1', 'validatingwebhookconfigurations', 'ValidatingWebhookConfiguration'),
  grouped('admissionregistration.k8s.io/v1', 'mutatingwebhookconfigurations', 'MutatingWebhookConfiguration'),
];

/** Reads what is wanted of the cluster. HaleError `kubernetes_unreachable` when it does not answer; what it refuses is among the troubles. */
export async function readLive(client: Kubernetes): Promise<Found> {
  const found: Found = { files: [], troubles: [], passedOver: 0 };
  // One after another: there is one connection.
  for (const wanted of WANTED) {
    const { path, only = () => true } = wanted;
    const read = (object: unknown) => (only(object as KubernetesObject) ? (object as KubernetesObject) : undefined);
    const listed = await listAll(client, { collection: { path, read } });
    if (listed.kind === 'refused') found.troubles.push(refused(wanted, refusalText(listed.answer)));
    else found.files.push(...listed.items.map((item) => ({ file: textOf(item, wanted), isNamed: false })));
  }
  return found;
}

function refused({ path, kind }: Wanted, detail: string): Trouble {
  const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1];
  return { kind: 'refused', at: topOf({ path: namespace === undefined ? kind : `${namespace}/${kind}`, text: '' }), detail };
}

/** Without what is long and says nothing of the configuration. */
function textOf(object: KubernetesObject, { kind, apiVersion }: Wanted): TextFile {
  const { managedFields: _managed, annotations = {}, ...metadata } = object.metadata ?? {};
  const { 'kubectl.kubernetes.io/last-applied-configuration': _applied, ...own } = annotations;
  const { images: _images, ...status } = object.status ?? {};
  const plain = { apiVersion, kind, ...object, metadata: { ...metadata, annotations: own }, status };
  const { namespace, name } = metadata;
  const host = kind === 'Node' ? name : object.spec?.nodeName;
  return {
    path: [...(namespace === undefined ? [] : [namespace]), kind, name].join('/'),
    text: stringify(plain, { lineWidth: 0, aliasDuplicateObjects: false }),
    ...(host !== undefined && { host }),
  };
}
