import type { Facts } from '../facts.ts';
import { documentsOf, nameOf } from '../look/documents.ts';
import { list } from '../look/values.ts';
import { listAt, mapAt, textAt, type YamlDocument } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';

/* Objects of a cluster whose mistakes show when a node or a zone is away. */

/** Drivers whose volumes are in one zone. */
const ZONAL = /^(?:pd\.csi\.storage\.gke\.io|ebs\.csi\.aws\.com|disk\.csi\.azure\.com|cinder\.csi\.openstack\.org)$/;

function zonesOf(document: YamlDocument): string[] {
  return listAt(document.value, ['allowedTopologies']).flatMap((term) =>
    listAt(term, ['matchLabelExpressions']).flatMap((one) =>
      textAt(one, ['key'])?.endsWith('zone') === true ? listAt(one, ['values']).map(String) : [],
    ),
  );
}

const classes = (facts: Facts) => documentsOf(facts, 'storage.k8s.io/', 'StorageClass');
const isRegional = ({ value }: YamlDocument): boolean => textAt(value, ['parameters', 'replication-type']) === 'regional-pd';

/** Parameters of drivers that stand beside `parameters` instead of in it, as when indentation was lost. */
const PARAMETERS = [
  'replication-type',
  'type',
  'fsType',
  'csi.storage.k8s.io/fstype',
  'iopsPerGB',
  'encrypted',
  'skuName',
  'matchLabelExpressions',
];

function* blocked(facts: Facts): Iterable<Hit> {
  for (const budget of documentsOf(facts, 'policy/', 'PodDisruptionBudget')) {
    const most = textAt(budget.value, ['spec', 'maxUnavailable']);
    const least = textAt(budget.value, ['spec', 'minAvailable']);
    if (most === '0' || most === '0%') yield { at: budget.span(['spec', 'maxUnavailable']), message: `maxUnavailable is ${most}` };
    else if (least === '100%') yield { at: budget.span(['spec', 'minAvailable']), message: 'minAvailable is 100%' };
    const replicas = replicasFor(facts, budget);
    if (replicas !== undefined && /^\d+$/.test(least ?? '') && Number(least) >= replicas)
      yield {
        at: budget.span(['spec', 'minAvailable']),
        message: `minAvailable is ${least}, and there ${replicas === 1 ? 'is 1 replica' : `are ${replicas} replicas`}`,
      };
  }
}

/** Replicas of the Deployment or StatefulSet of the set whose Pods a budget is for. */
function replicasFor(facts: Facts, budget: YamlDocument): number | undefined {
  const wanted = Object.entries(mapAt(budget.value, ['spec', 'selector', 'matchLabels']));
  const namespace = textAt(budget.value, ['metadata', 'namespace']);
  const owner = documentsOf(facts, 'apps/', 'Deployment', 'StatefulSet').find(({ value }) => {
    const labels = mapAt(value, ['spec', 'template', 'metadata', 'labels']);
    return (
      wanted.length > 0 && textAt(value, ['metadata', 'namespace']) === namespace && wanted.every(([key, text]) => labels[key] === text)
    );
  });
  const replicas = owner === undefined ? undefined : Number(textAt(owner.value, ['spec', 'replicas']) ?? 1);
  return Number.isInteger(replicas) ? replicas : undefined;
}

/** What a cluster cannot do without, of the core group. */
const VITAL = /^(?:\*|\*\/\*|pods(?:\/\*)?|nodes(?:\/\*)?|endpoints|services|leases|configmaps|secrets)$/;

function* closedWebhooks(facts: Facts): Iterable<Hit> {
  for (const document of documentsOf(
    facts,
    'admissionregistration.k8s.io/',
    'ValidatingWebhookConfiguration',
    'MutatingWebhookConfiguration',
  ))
    for (const [i, webhook] of listAt(document.value, ['webhooks']).entries()) {
      const policy = textAt(webhook, ['failurePolicy']) ?? 'Fail';
      const isNarrowed =
        ['namespaceSelector', 'objectSelector'].some((key) => Object.keys(mapAt(webhook, [key])).length > 0) ||
        listAt(webhook, ['matchConditions']).length > 0;
      const resources = listAt(webhook, ['rules']).flatMap((rule) => {
        const groups = listAt(rule, ['apiGroups']);
        return groups.includes('') || groups.includes('*') || groups.includes('coordination.k8s.io')
          ? listAt(rule, ['resources']).map(String)
          : [];
      });
      const vital = resources.find((resource) => VITAL.test(resource));
      if (policy === 'Fail' && !isNarrowed && vital !== undefined && textAt(webhook, ['clientConfig', 'url']) === undefined)
        yield {
          at: document.span(['webhooks', i, 'name']),
          message: `${textAt(webhook, ['name']) ?? 'the webhook'} decides on ${vital} in every namespace, and refuses when it is away`,
        };
    }
}

const CLASS = (lines: string) =>
  `apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: regional}\nprovisioner: pd.csi.storage.gke.io\n${lines}`;
const ZONES = (...zones: string[]) =>
  `allowedTopologies:\n- matchLabelExpressions: [{key: topology.gke.io/zone, values: [${zones.join(', ')}]}]\n`;
const REGIONAL = 'parameters: {type: pd-balanced, replication-type: regional-pd}\nvolumeBindingMode: WaitForFirstConsumer\n';
const BUDGET = (spec: string) =>
  `apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: coredns, namespace: kube-system}\nspec: {selector: {matchLabels: {k8s-app: kube-dns}}, ${spec}}\n`;
const COREDNS = (replicas: number) =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: coredns, namespace: kube-system}\nspec:\n  replicas: ${replicas}\n  template: {metadata: {labels: {k8s-app: kube-dns}}}\n`;
const WEBHOOK = (lines: string) =>
  `apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: policy}\nwebhooks:\n- name: policy.example.com\n  rules: [{apiGroups: ["*"], apiVersions: ["*"], operations: [CREATE], resources: ["*"]}]\n${lines}`;

export const objectRules: readonly Rule[] = [
  {
    id: 'storage-regional-zones',
    severity: 'error',
    title: 'a regional disk is not allowed in exactly two zones',
    why: 'A regional persistent disk has two copies in two zones. With another number, volumes are not made, or in zones that nobody chose.',
    fix: 'Name exactly two zones in allowedTopologies.',
    sources: ['cloud.google.com/kubernetes-engine/docs/how-to/persistent-volumes/regional-pd'],
    examples: {
      bad: [{ 'class.yaml': CLASS(REGIONAL + ZONES('a', 'b', 'c')) }],
      good: [{ 'class.yaml': CLASS(REGIONAL + ZONES('a', 'b')) }],
    },
    *check(facts) {
      for (const document of classes(facts)) {
        const zones = zonesOf(document);
        if (isRegional(document) && zones.length > 0 && zones.length !== 2)
          yield {
            at: document.span(['allowedTopologies'], 'key'),
            message: `allowedTopologies names ${zones.length} zones: ${list(zones)}`,
          };
      }
    },
  },
  {
    id: 'storage-binding-immediate',
    severity: 'warning',
    title: 'volumes are made before it is known where their Pod will run',
    why: 'The volume lands in a zone by chance. When the Pod cannot run there, because it is full, away or excluded, it stays Pending for ever.',
    fix: 'Set volumeBindingMode: WaitForFirstConsumer (in a new StorageClass; the field cannot be changed).',
    sources: ['kubernetes.io/docs/concepts/storage/storage-classes, volume binding mode'],
    examples: {
      bad: [
        { 'class.yaml': CLASS('volumeBindingMode: Immediate\n') },
        { 'class.yaml': CLASS(`parameters: {replication-type: regional-pd}\n${ZONES('a', 'b')}`) },
      ],
      good: [{ 'class.yaml': CLASS('volumeBindingMode: WaitForFirstConsumer\n') }],
    },
    *check(facts) {
      for (const document of classes(facts)) {
        const mode = textAt(document.value, ['volumeBindingMode']);
        const isZonal = ZONAL.test(textAt(document.value, ['provisioner']) ?? '') || zonesOf(document).length > 0;
        if (isZonal && mode !== 'WaitForFirstConsumer')
          yield {
            at: document.span(['volumeBindingMode'], mode === undefined ? 'key' : 'value'),
            message: `volumeBindingMode is ${mode ?? 'not set, so Immediate'}`,
          };
      }
    },
  },
  {
    id: 'storage-parameters-outside',
    severity: 'error',
    title: 'a parameter of the driver stands outside of parameters',
    why: 'The API server drops or refuses it, and volumes are made without it: a disk that was to be in two zones is in one.',
    fix: 'Indent it below parameters.',
    sources: ['kubernetes.io/docs/concepts/storage/storage-classes'],
    examples: { bad: [{ 'class.yaml': CLASS('replication-type: regional-pd\n') }], good: [{ 'class.yaml': CLASS(REGIONAL) }] },
    *check(facts) {
      for (const document of classes(facts))
        for (const key of PARAMETERS)
          if (mapAt(document.value, [])[key] !== undefined)
            yield { at: document.span([key], 'key'), message: `${key} stands beside parameters, not in it` };
    },
  },
  {
    id: 'budget-blocks-drain',
    severity: 'warning',
    title: 'a PodDisruptionBudget lets no Pod go',
    why: 'kubectl drain, and every upgrade that uses it, waits at this Pod for ever; somebody then deletes it by force at night.',
    fix: 'Allow one to be away (maxUnavailable: 1), and run at least two replicas.',
    sources: ['kubernetes.io/docs/tasks/run-application/configure-pdb'],
    examples: {
      bad: [{ 'pdb.yaml': BUDGET('maxUnavailable: 0') }, { 'pdb.yaml': BUDGET('minAvailable: 2'), 'coredns.yaml': COREDNS(2) }],
      good: [{ 'pdb.yaml': BUDGET('maxUnavailable: 1') }, { 'pdb.yaml': BUDGET('minAvailable: 1'), 'coredns.yaml': COREDNS(2) }],
    },
    check: blocked,
  },
  {
    id: 'coredns-single',
    severity: 'warning',
    title: 'one replica answers for all names of the cluster',
    why: 'When its node fails, no Pod resolves a name until it was evicted and started elsewhere: about six minutes.',
    fix: 'Run two or more, spread over nodes by topologySpreadConstraints, with a PodDisruptionBudget.',
    sources: ['kubernetes.io/docs/tasks/administer-cluster/dns-horizontal-autoscaling'],
    examples: { bad: [{ 'coredns.yaml': COREDNS(1) }], good: [{ 'coredns.yaml': COREDNS(2) }] },
    *check(facts) {
      for (const document of documentsOf(facts, 'apps/', 'Deployment'))
        if (nameOf(document).endsWith('coredns') && textAt(document.value, ['spec', 'replicas']) === '1')
          yield { at: document.span(['spec', 'replicas']), message: `${nameOf(document)} has 1 replica` };
    },
  },
  {
    id: 'webhook-closed-everywhere',
    severity: 'warning',
    title: 'a webhook can stop the whole cluster',
    why: 'When its Pods are away, as after a power cut, nothing that it decides on can be made, not even the Pods that would run it or the network plugin.',
    fix: 'Exclude kube-system and its own namespace by namespaceSelector (kubernetes.io/metadata.name NotIn), or set failurePolicy: Ignore.',
    sources: ['kubernetes.io/docs/concepts/cluster-administration/admission-webhooks-good-practices'],
    examples: {
      bad: [{ 'webhook.yaml': WEBHOOK('') }],
      good: [
        { 'webhook.yaml': WEBHOOK('  failurePolicy: Ignore\n') },
        {
          'webhook.yaml': WEBHOOK(
            '  namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}]}\n',
          ),
        },
      ],
    },
    check: closedWebhooks,
  },
  {
    id: 'storage-in-tree',
    severity: 'warning',
    title: 'the plugin of this class is no part of Kubernetes any more',
    why: 'Its calls are passed to a CSI driver of the same cloud: without that driver no volume is made, and parameters that only the old plugin knew are refused.',
    fix: 'Name the CSI driver as provisioner, such as pd.csi.storage.gke.io or ebs.csi.aws.com.',
    sources: ['kubernetes.io/docs/concepts/storage/volumes, migrating to CSI drivers'],
    examples: {
      bad: [{ 'class.yaml': CLASS('volumeBindingMode: WaitForFirstConsumer\n').replace('pd.csi.storage.gke.io', 'kubernetes.io/gce-pd') }],
      good: [{ 'class.yaml': CLASS('volumeBindingMode: WaitForFirstConsumer\n') }],
    },
    *check(facts) {
      for (const document of classes(facts)) {
        const provisioner = textAt(document.value, ['provisioner']) ?? '';
        if (/^kubernetes\.io\/(?:gce-pd|aws-ebs|azure-(?:disk|file)|cinder|vsphere-volume)$/.test(provisioner))
          yield { at: document.span(['provisioner']), message: `the provisioner is ${provisioner}` };
      }
    },
  },
  {
    id: 'storage-zone-label',
    severity: 'warning',
    title: 'zones are chosen by a label that nodes do not have any more',
    why: 'No node fits, so no volume is made and every Pod that wants one stays Pending.',
    fix: 'Use the key of the driver (topology.gke.io/zone), or topology.kubernetes.io/zone.',
    sources: ['kubernetes.io/docs/reference/labels-annotations-taints, failure-domain.beta.kubernetes.io/zone'],
    examples: {
      bad: [{ 'class.yaml': CLASS(ZONES('a', 'b').replace('topology.gke.io/zone', 'failure-domain.beta.kubernetes.io/zone')) }],
      good: [{ 'class.yaml': CLASS(ZONES('a', 'b')) }],
    },
    *check(facts) {
      for (const document of classes(facts))
        for (const [i, topology] of listAt(document.value, ['allowedTopologies']).entries())
          for (const [j, expression] of listAt(topology, ['matchLabelExpressions']).entries())
            if (textAt(expression, ['key'])?.startsWith('failure-domain.beta.kubernetes.io/') === true)
              yield {
                at: document.span(['allowedTopologies', i, 'matchLabelExpressions', j, 'key']),
                message: `${textAt(expression, ['key'])} is gone`,
              };
    },
  },
];
