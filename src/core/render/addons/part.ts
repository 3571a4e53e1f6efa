import type { Cluster } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import type { ClusterFile, Part, Step } from '../part.ts';
import { RKE2_MANIFESTS_DIR } from '../paths.ts';
import { comment, yamlDocuments, yamlText } from '../yaml.ts';
import { budgetComment, disruptionBudgets } from './budgets.ts';
import { hasZones, isPatched, spreadConstraints, spreadPatch } from './coredns.ts';
import { STORAGE_CLASS_COMMENT, storageClassObjects } from './storage-classes.ts';

/** What makes add-ons survive the loss of a host or a zone. */
export const addonsPart: Part = {
  hostFiles: ({ cluster, node }) =>
    cluster.distribution === 'rke2' && node.role === 'control-plane' && hasZones(cluster) ? [rke2CoreDns()] : [],
  clusterFiles: ({ cluster }) => files(cluster),
  steps,
};

const BUDGETS = 'addons/disruption-budgets.yaml';
const SPREAD = 'addons/coredns-spread.yaml';
const STORAGE = 'addons/storage-classes.yaml';

function files(cluster: Cluster): ClusterFile[] {
  const budgets = { path: BUDGETS, text: comment(budgetComment(cluster)) + yamlDocuments(disruptionBudgets(cluster)), mode: 0o644 };
  const spread = { path: SPREAD, text: comment(SPREAD_COMMENT) + yamlText(spreadPatch()), mode: 0o644 };
  const storage = { path: STORAGE, text: comment(STORAGE_CLASS_COMMENT) + yamlDocuments(storageClassObjects(cluster)), mode: 0o644 };
  return [budgets, ...(isPatched(cluster) ? [spread] : []), ...(cluster.storageClasses.length > 0 ? [storage] : [])];
}

const SPREAD_REASON = `Two of CoreDNS on one host, or in one zone, fail together, and with them every name in the cluster.
Hosts must differ (DoNotSchedule), zones should (ScheduleAnyway): while a zone is gone its share runs in the others.`;
const SPREAD_COMMENT = `Made by hale from cluster.yaml. A patch: kubectl -n kube-system patch deployment coredns --patch-file _cluster/${SPREAD}
${SPREAD_REASON}
kubeadm upgrade keeps it; where something installs CoreDNS anew, patch again.`;

/** The chart of CoreDNS, which RKE2 installs itself, takes the constraints as values: a patch would last until its next installation. */
function rke2CoreDns(): RenderedFile {
  const config = {
    apiVersion: 'helm.cattle.io/v1',
    kind: 'HelmChartConfig',
    metadata: { name: 'rke2-coredns', namespace: 'kube-system' },
    spec: { valuesContent: yamlText({ topologySpreadConstraints: spreadConstraints() }) },
  };
  const head = comment(`Made by hale from cluster.yaml. Values of the chart rke2-coredns, the same on every server.\n${SPREAD_REASON}`);
  return { path: `${RKE2_MANIFESTS_DIR}/rke2-coredns-config.yaml`, text: head + yamlText(config), mode: 0o600 };
}

function steps(cluster: Cluster): Step[] {
  const finish = (text: string, commands: readonly string[]): Step => ({
    moment: 'finish',
    where: 'where these files are',
    text,
    commands,
  });
  return [
    finish('Let drains take add-ons away one at a time.', [`kubectl apply -f _cluster/${BUDGETS}`]),
    ...(isPatched(cluster)
      ? [
          finish('Spread CoreDNS over hosts and zones.', [
            `kubectl -n kube-system patch deployment coredns --patch-file _cluster/${SPREAD}`,
          ]),
        ]
      : []),
    // k3s itself spreads them over hosts, and starts one.
    ...(cluster.distribution === 'k3s' && cluster.controlPlane.hosts.length + cluster.workers.hosts.length > 1
      ? [
          finish('One CoreDNS is a single point of failure: start a second.', [
            'kubectl -n kube-system scale deployment coredns --replicas=2',
          ]),
        ]
      : []),
    ...(cluster.storageClasses.length > 0 ? [finish('Make the StorageClasses.', [`kubectl apply -f _cluster/${STORAGE}`])] : []),
  ];
}
