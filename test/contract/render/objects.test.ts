import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { createKubernetesClient } from '../../../src/drivers/kubernetes/client.ts';
import type { Kubernetes } from '../../../src/ports/kubernetes.ts';
import { kubectl, type KubernetesCluster, kubernetesProblem, startKubernetes } from '../../support/kubernetes.ts';
import { DISTRIBUTIONS, matrix, PROVIDERS } from '../../support/render-matrix.ts';
import { renderAll } from '../../support/rendered.ts';

/*
 * Every Kubernetes object of every rendering is one that a real API server takes, with no field that it does not know. What is not the API server's is
 * listed here, so that nothing escapes by accident.
 */

/** Read by other programs than the API server, or by it as its own configuration; and resources whose definitions come with what they configure. */
const OTHERS = [
  'hale.dev/v1alpha1',
  'audit.k8s.io/v1',
  'apiserver.config.k8s.io/v1',
  'apiserver.config.k8s.io/v1beta1',
  'kubeadm.k8s.io/v1beta3',
  'kubeadm.k8s.io/v1beta4',
  'kubelet.config.k8s.io/v1beta1',
  'kubeproxy.config.k8s.io/v1alpha1',
  'operator.tigera.io/v1',
  'helm.cattle.io/v1',
];

/** YAML that is no object: values of charts, configuration of programs, patches. */
const NO_OBJECTS = [
  /^network\/(flannel|cilium)-values\.yaml$/,
  /^monitoring\/(prometheus|rules)\.yml$/,
  /^addons\/coredns-spread\.yaml$/,
  /^\/etc\/kubernetes\/patches\//,
  /^\/etc\/rancher\/(k3s|rke2)\/.*\.yaml$/,
];

const STORAGE = {
  storageClasses: [
    {
      name: 'regional',
      provisioner: 'pd.csi.storage.gke.io',
      zoneKey: 'topology.gke.io/zone',
      zones: ['a', 'b'],
      parameters: [{ name: 'replication-type', value: 'regional-pd' }],
      default: true,
    },
  ],
};

/** The whole matrix, and each distribution with every plugin and with releases that have other formats. */
const VARIANTS: { name: string; keys: Record<string, unknown> }[] = [
  ...matrix().map(({ name, keys }) => ({ name, keys: { ...keys, ...STORAGE } })),
  ...DISTRIBUTIONS.flatMap((distribution) => [
    ...['flannel', 'calico', 'cilium'].map((cni) => ({ name: `${distribution}, ${cni}`, keys: { distribution, kubernetes: { cni } } })),
    ...['calico', 'cilium'].map((cni) => ({
      name: `${distribution}, ${cni} without kube-proxy`,
      keys: { distribution, kubernetes: { cni, kubeProxy: 'none' } },
    })),
    { name: `${distribution}, 1.30`, keys: { distribution, kubernetes: { version: 'v1.30.14' } } },
  ]),
];

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

interface Rendered {
  /** Cluster and file that it was first seen in. */
  from: string;
  path: string;
  object: Partial<Manifest>;
}

/** Each object once, from all variants. */
function renderedObjects(): Rendered[] {
  const seen = new Map<string, Rendered>();
  for (const { name, keys } of VARIANTS)
    for (const { path, text } of filesOf(keys))
      for (const document of parseAllDocuments(text)) {
        expect(document.errors, path).toEqual([]);
        const object = (document.toJS() ?? {}) as Partial<Manifest>;
        const key = JSON.stringify(object);
        if (!seen.has(key)) seen.set(key, { from: `${name}: ${path}`, path, object });
      }
  return [...seen.values()];
}

function filesOf(keys: Record<string, unknown>): { path: string; text: string }[] {
  const files = [...renderAll(keys).values()].flatMap((byPath) => [...byPath.values()]);
  return files.filter(({ path }) => /\.ya?ml$/.test(path));
}

const problem = kubernetesProblem('kubectl');

describe.skipIf(problem !== undefined)(
  `objects of renderings and a real kube-apiserver${problem === undefined ? '' : ` (${problem})`}`,
  () => {
    const rendered = renderedObjects();
    const objects = rendered.filter(({ object }) => object.apiVersion !== undefined && !OTHERS.includes(object.apiVersion));
    let cluster: KubernetesCluster;
    let client: Kubernetes;

    beforeAll(async () => {
      // Static Pods have no ServiceAccount, and no controller makes the default one here. Privileged ones are allowed, as by kubeadm.
      cluster = await startKubernetes({ arguments: ['--disable-admission-plugins=ServiceAccount', '--allow-privileged=true'] });
      client = createKubernetesClient({ kubeconfig: cluster.adminConf });
      // Made by a step before.
      await client.request('POST', '/api/v1/namespaces', { body: { metadata: { name: 'tigera-operator' } } });
    }, 180_000);
    afterAll(async () => {
      client?.close();
      await cluster?.close();
    });

    /** Where objects of a kind are made. */
    async function pathOf({ apiVersion, kind, metadata: { namespace } }: Manifest): Promise<string> {
      const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
      const { body } = await client.request('GET', group);
      const { resources = [] } = body as { resources?: { name: string; kind: string; namespaced: boolean }[] };
      const resource = resources.find((one) => one.kind === kind && !one.name.includes('/'));
      if (resource === undefined) throw new Error(`this API server has no ${kind} in ${apiVersion}`);
      return `${group}${resource.namespaced ? `/namespaces/${namespace ?? 'default'}` : ''}/${resource.name}`;
    }

    /** Why the API server does not take it. */
    async function refusal(object: Manifest): Promise<string | undefined> {
      const { status, body } = await client.request('POST', `${await pathOf(object)}?dryRun=All&fieldValidation=Strict`, { body: object });
      return status === 201 ? undefined : `${status} ${(body as { message?: string }).message ?? JSON.stringify(body)}`;
    }

    test('the matrix has every distribution and every provider', () => {
      expect(new Set(matrix().map(({ distribution }) => distribution))).toEqual(new Set(DISTRIBUTIONS));
      expect(new Set(matrix().map(({ provider }) => provider))).toEqual(new Set(Object.keys(PROVIDERS)));
    });

    test('what has no apiVersion is known to be no object', () => {
      const strays = rendered.filter(
        ({ path, object }) => object.apiVersion === undefined && !NO_OBJECTS.some((known) => known.test(path)),
      );
      expect(strays.map(({ from }) => from)).toEqual([]);
    });

    test('every object is taken, strictly', async () => {
      expect(objects.length).toBeGreaterThan(20);
      const refused: string[] = [];
      for (const { from, object } of objects) {
        const why = await refusal(object as Manifest);
        if (why !== undefined) refused.push(`${from}: ${object.kind}: ${why}`);
      }
      expect(refused).toEqual([]);
      const kinds = new Set(objects.map(({ object }) => object.kind));
      for (const kind of [
        'Pod',
        'DaemonSet',
        'ClusterRole',
        'ClusterRoleBinding',
        'PodDisruptionBudget',
        'StorageClass',
        'ConfigMap',
        'Secret',
      ])
        expect(kinds).toContain(kind);
    });

    test('a field that it does not know, or a value that it does not take, is refused', async () => {
      const budget = objects.find(({ object }) => object.kind === 'PodDisruptionBudget')?.object as Manifest & { spec: object };
      expect(await refusal({ ...budget, spec: { ...budget.spec, maxUnavailabel: 1 } } as Manifest)).toMatch(
        /unknown field "spec\.maxUnavailabel"/,
      );
      expect(await refusal({ ...budget, spec: { ...budget.spec, unhealthyPodEvictionPolicy: 'Always' } } as Manifest)).toMatch(
        /Unsupported value/,
      );
    });

    test("CoreDNS' spread, as kubectl patches it in", async () => {
      const labels = { 'k8s-app': 'kube-dns' };
      const containers = [{ name: 'coredns', image: 'registry.k8s.io/coredns/coredns:v1.13.1' }];
      const deployment = {
        metadata: { name: 'coredns' },
        spec: { replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
      };
      await client.request('POST', '/apis/apps/v1/namespaces/kube-system/deployments', { body: deployment });
      const patch = join(cluster.dir, 'coredns-spread.yaml');
      writeFileSync(patch, filesOf({}).find(({ path }) => path.endsWith('coredns-spread.yaml'))?.text as string);
      const words = ['patch', 'deployment', 'coredns', '--dry-run=server', '--patch-file', patch, '-o', 'json'];
      const patched = JSON.parse(await kubectl(cluster, '--namespace=kube-system', '--warnings-as-errors', ...words));
      const { topologySpreadConstraints } = patched.spec.template.spec;
      expect(topologySpreadConstraints.map(({ topologyKey }: { topologyKey: string }) => topologyKey)).toEqual([
        'kubernetes.io/hostname',
        'topology.kubernetes.io/zone',
      ]);
    });
  },
);
