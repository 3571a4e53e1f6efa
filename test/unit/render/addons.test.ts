import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { addonsPart } from '../../../src/core/render/addons/part.ts';
import { renderedHosts } from '../../../src/core/render/cluster.ts';
import { toDescription } from '../../../src/core/render/description.ts';
import { clusterFrom, SECRETS } from '../../support/rendered.ts';

const BUDGETS = 'addons/disruption-budgets.yaml';
const SPREAD = 'addons/coredns-spread.yaml';
const STORAGE = 'addons/storage-classes.yaml';

const filesOf = (keys: Record<string, unknown> = {}) => addonsPart.clusterFiles?.({ cluster: clusterFrom(keys), secrets: SECRETS }) ?? [];
const pathsOf = (keys: Record<string, unknown> = {}) => filesOf(keys).map(({ path }) => path);
const commandsOf = (keys: Record<string, unknown> = {}) => addonsPart.steps?.(clusterFrom(keys)).flatMap(({ commands }) => commands) ?? [];

function objectsOf(keys: Record<string, unknown>, path: string) {
  const text = filesOf(keys).find((file) => file.path === path)?.text as string;
  return parseAllDocuments(text).map((document) => document.toJS() as Record<string, unknown>);
}

const NO_ZONES = {
  controlPlane: { hosts: [1, 2, 3].map((i) => ({ name: `cp${i}`, address: `10.0.0.1${i}/24` })) },
  workers: { hosts: [] },
};

describe('budgets', () => {
  test('let one of each go, whatever is the matter with the others', () => {
    expect(objectsOf({}, BUDGETS).map(({ metadata, spec }) => [metadata, spec])).toEqual([
      [
        { name: 'coredns', namespace: 'kube-system' },
        { maxUnavailable: 1, selector: { matchLabels: { 'k8s-app': 'kube-dns' } }, unhealthyPodEvictionPolicy: 'AlwaysAllow' },
      ],
      [
        { name: 'metrics-server', namespace: 'kube-system' },
        { maxUnavailable: 1, selector: { matchLabels: { 'k8s-app': 'metrics-server' } }, unhealthyPodEvictionPolicy: 'AlwaysAllow' },
      ],
    ]);
  });

  test("none that the network plugin's chart or operator makes: two for one Pod let nobody evict it", () => {
    for (const cni of ['calico', 'cilium']) expect(objectsOf({ kubernetes: { cni } }, BUDGETS)).toHaveLength(2);
  });

  test("RKE2's metrics-server has a label of its own", () => {
    expect(objectsOf({ distribution: 'rke2' }, BUDGETS)[1]).toMatchObject({
      spec: { selector: { matchLabels: { 'app.kubernetes.io/name': 'rke2-metrics-server' } } },
    });
  });
});

describe('CoreDNS', () => {
  test('over hosts and zones, where hosts have zones', () => {
    const [patch] = objectsOf({}, SPREAD) as [{ spec: { template: { spec: { topologySpreadConstraints: Record<string, unknown>[] } } } }];
    const constraints = patch.spec.template.spec.topologySpreadConstraints;
    expect(constraints.map(({ topologyKey, whenUnsatisfiable, maxSkew }) => [topologyKey, whenUnsatisfiable, maxSkew])).toEqual([
      ['kubernetes.io/hostname', 'DoNotSchedule', 1],
      ['topology.kubernetes.io/zone', 'ScheduleAnyway', 1],
    ]);
    for (const { labelSelector } of constraints) expect(labelSelector).toEqual({ matchLabels: { 'k8s-app': 'kube-dns' } });
    expect(pathsOf(NO_ZONES)).toEqual([BUDGETS]);
  });

  test('k3s spreads it itself, and starts only one', () => {
    expect(pathsOf({ distribution: 'k3s' })).toEqual([BUDGETS]);
    expect(commandsOf({ distribution: 'k3s' })).toContain('kubectl -n kube-system scale deployment coredns --replicas=2');
  });

  test('RKE2 takes it as values of its chart, on servers', () => {
    const cluster = clusterFrom({ distribution: 'rke2' });
    expect(pathsOf({ distribution: 'rke2' })).toEqual([BUDGETS]);
    const files = renderedHosts(cluster).map(
      (node) => addonsPart.hostFiles?.({ cluster, description: toDescription(''), node, secrets: SECRETS }) ?? [],
    );
    expect(files.map((of) => of.length)).toEqual([1, 1, 1, 0, 0]);
    const config = parse(files[0]?.[0]?.text as string);
    expect(config.metadata.name).toBe('rke2-coredns');
    expect(parse(config.spec.valuesContent).topologySpreadConstraints).toHaveLength(2);
  });
});

describe('StorageClasses', () => {
  const storageClasses = [
    {
      name: 'regional',
      provisioner: 'pd.csi.storage.gke.io',
      zoneKey: 'topology.gke.io/zone',
      zones: ['europe-west1-b', 'europe-west1-c'],
      parameters: [
        { name: 'type', value: 'pd-balanced' },
        { name: 'replication-type', value: 'regional-pd' },
      ],
      default: true,
    },
    { name: 'anywhere', provisioner: 'csi.example.com' },
  ];

  test('wait for a Pod, in the zones that were named', () => {
    expect(objectsOf({ storageClasses }, STORAGE)).toEqual([
      {
        apiVersion: 'storage.k8s.io/v1',
        kind: 'StorageClass',
        metadata: { name: 'regional', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
        provisioner: 'pd.csi.storage.gke.io',
        parameters: { type: 'pd-balanced', 'replication-type': 'regional-pd' },
        reclaimPolicy: 'Delete',
        allowVolumeExpansion: true,
        volumeBindingMode: 'WaitForFirstConsumer',
        allowedTopologies: [{ matchLabelExpressions: [{ key: 'topology.gke.io/zone', values: ['europe-west1-b', 'europe-west1-c'] }] }],
      },
      {
        apiVersion: 'storage.k8s.io/v1',
        kind: 'StorageClass',
        metadata: { name: 'anywhere' },
        provisioner: 'csi.example.com',
        reclaimPolicy: 'Delete',
        allowVolumeExpansion: true,
        volumeBindingMode: 'WaitForFirstConsumer',
      },
    ]);
  });

  test('none, no file', () => expect(pathsOf()).not.toContain(STORAGE));
});

describe('steps', () => {
  test('name every file', () => {
    const keys = { storageClasses: [{ name: 'fast', provisioner: 'csi.example.com' }] };
    for (const path of pathsOf(keys)) expect(commandsOf(keys).join('\n')).toContain(` _cluster/${path}`);
  });
});
