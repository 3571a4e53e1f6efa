/** `hale etcd keys` and `get` on what a real kube-apiserver stores. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ObjectMeta } from '../../../src/core/etcd/kubernetes/object-meta.ts';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import { startEtcdCluster } from '../../support/etcd-cluster.ts';
import { accessFlags } from '../../support/etcd-command.ts';
import { HALE, hale, haleJson, untilWithin } from '../../support/hale.ts';
import { kubectl, type KubernetesCluster, kubernetesProblem, startKubernetes } from '../../support/kubernetes.ts';
import { inspected } from '../../support/inspected.ts';

const problem = kubernetesProblem('kubectl');
const PASSWORD = 'correct-horse-battery-staple';

const OBJECTS = [
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace: 'default', labels: { app: 'web' }, finalizers: ['example.org/hold'] },
    data: { a: 'b' },
  },
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'login', namespace: 'default' }, stringData: { password: PASSWORD } },
  { apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'limits', namespace: 'default' }, spec: { limits: [] } },
  {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.org' },
    spec: {
      group: 'example.org',
      scope: 'Namespaced',
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  },
];
const WIDGET = { apiVersion: 'example.org/v1', kind: 'Widget', metadata: { name: 'one', namespace: 'default' }, spec: { colour: 'green' } };

interface Got {
  isSecret: boolean;
  value: {
    form: string;
    kind?: string;
    apiVersion?: string;
    metadata?: ObjectMeta;
    json?: typeof WIDGET;
    provider?: string;
    keyName?: string;
  };
}

describe.skipIf(problem !== undefined)(`keys of a real API server${problem === undefined ? '' : ` (${problem})`}`, () => {
  let own: string;
  let cluster: KubernetesCluster;
  let flags: string[];
  async function apply(...objects: unknown[]): Promise<void> {
    const file = join(own, 'objects.json');
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    await kubectl(cluster, 'apply', '-f', file);
  }
  const get = (key: string) => haleJson<Got>(['etcd', 'get', key, ...flags]);

  beforeAll(async () => {
    own = mkdtempSync(join(tmpdir(), 'hale-keys-'));
    const encryption = join(own, 'encryption.json');
    const key = { name: 'first', secret: Buffer.alloc(32, 1).toString('base64') };
    const resources = [{ resources: ['limitranges'], providers: [{ aescbc: { keys: [key] } }, { identity: {} }] }];
    writeFileSync(encryption, JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'EncryptionConfiguration', resources }));
    cluster = await startKubernetes({ arguments: [`--encryption-provider-config=${encryption}`] });
    const { caFile, certFile, keyFile } = cluster.etcd.files;
    flags = [
      '--endpoints',
      cluster.etcd.endpoints.join(','),
      '--cacert',
      caFile,
      '--cert',
      certFile,
      '--key',
      keyFile,
      '--timeout',
      '20000',
    ];
    await apply(...OBJECTS);
    await untilWithin(60_000, {
      look: () =>
        apply(WIDGET).then(
          () => true,
          () => false,
        ),
      wanted: (isApplied) => isApplied,
      what: 'the API server serves the custom resource',
    });
  }, 240_000);

  afterAll(async () => {
    await cluster?.close();
    rmSync(own, { recursive: true, force: true });
  });

  test('an object in protobuf is told by its type and metadata, as kubectl tells it', async () => {
    const { isSecret, value } = await get('/registry/configmaps/default/settings');
    const stdout = await kubectl(cluster, 'get', 'configmap', 'settings', '-o', 'json');
    const { metadata } = JSON.parse(stdout) as { metadata: { uid: string; creationTimestamp: string } };
    expect({ isSecret, form: value.form, apiVersion: value.apiVersion, kind: value.kind }).toEqual({
      isSecret: false,
      form: 'protobuf',
      apiVersion: 'v1',
      kind: 'ConfigMap',
    });
    expect(value.metadata).toMatchObject({
      name: 'settings',
      namespace: 'default',
      uid: metadata.uid,
      creationTimestamp: metadata.creationTimestamp.replace('Z', '.000Z'),
      labels: { app: 'web' },
      finalizers: ['example.org/hold'],
      managers: ['kubectl-client-side-apply'],
    });
  });

  test('a custom resource is JSON, what is encrypted is said to be', async () => {
    const widget = await get('/registry/example.org/widgets/default/one');
    expect(widget.value).toMatchObject({ form: 'json', json: { kind: 'Widget', spec: { colour: 'green' } } });
    expect((await get('/registry/limitranges/default/limits')).value).toEqual({
      form: 'encrypted',
      provider: 'aescbc v1',
      keyName: 'first',
    });
  });

  test('nothing of what a Secret holds is shown, although kubectl noted it in an annotation; raw, it is written', async () => {
    const key = '/registry/secrets/default/login';
    const raw = execFileSync(HALE, ['etcd', 'get', key, ...flags, '--raw']);
    const inBase64 = Buffer.from(PASSWORD).toString('base64');
    expect(raw.includes(PASSWORD) && raw.includes('last-applied-configuration')).toBe(true);
    for (const more of [[], ['--json']]) {
      const { code, stdout } = await hale(['etcd', 'get', key, ...flags, ...more]);
      expect(code).toBe(0);
      expect(stdout).toContain('login');
      expect(stdout).not.toContain(PASSWORD);
      expect(stdout).not.toContain(inBase64);
    }
  });

  test('a key that is not there is a finding', async () => {
    expect(await hale(['etcd', 'get', '/registry/none', ...flags])).toMatchObject({ code: 1, stdout: '' });
  });

  test('resources are counted as kubectl counts them, live and in a snapshot alike', async () => {
    interface Keys {
      revision: number;
      resources: { name: string; keys: number; bytes: number }[];
      folder: { keys: number; bytes: number; folders: { name: string; keys: number }[] };
    }
    const keys = await haleJson<Keys>(['etcd', 'keys', ...flags, '--top', '1000']);
    const keysOf = (name: string) => keys.resources.find((resource) => resource.name === name)?.keys;
    for (const resource of ['configmaps', 'clusterroles', 'secrets', 'widgets.example.org', 'services']) {
      const kind = resource === 'clusterroles' ? 'clusterroles.rbac.authorization.k8s.io' : resource;
      const stdout = await kubectl(cluster, 'get', kind, '--all-namespaces', '-o', 'name');
      expect({ resource, keys: keysOf(resource) }).toEqual({ resource, keys: stdout.trim().split('\n').length });
    }
    const etcd = createEtcdAdmin({ ...cluster.etcd, timeoutMs: 20_000 });
    const parts: Uint8Array[] = [];
    for await (const { blob } of etcd.snapshot(cluster.etcd.endpoints[0] as string, new AbortController().signal)) parts.push(blob);
    etcd.close();
    const file = Buffer.concat(parts);
    expect(createHash('sha256').update(file.subarray(0, -32)).digest().equals(file.subarray(-32))).toBe(true);
    const { problems, content } = inspected(file.subarray(0, -32));
    expect(problems).toEqual([]);
    // Leases and events change at any time; what a user made does not.
    const stored = content?.groups.find(({ resource }) => resource === 'clusterroles');
    expect(stored).toMatchObject({
      keys: keysOf('clusterroles'),
      bytes: keys.resources.find(({ name }) => name === 'clusterroles')?.bytes,
    });
  });

  test('below a prefix, without sizes, by folder', async () => {
    const { code, stdout } = await hale(['etcd', 'keys', '/registry/configmaps', ...flags, '--no-sizes']);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^KEYS +SIZE +FOLDER\n\d+ +- +\/registry\/\n\d+ +- + configmaps\/\n(?:\d+ +- + {4}\S+\/\n)*\d+ +- + {4}default\/\n/,
    );
  });
});

test('without a quorum, one member still says what it has', async () => {
  const cluster = await startEtcdCluster({ members: 3 });
  try {
    const etcd = createEtcdAdmin({ ...cluster, timeoutMs: 10_000 });
    for (let i = 0; i < 250; i++) await etcd.put(Buffer.from(`/a/b/${i}`), Buffer.alloc(i));
    await untilWithin(20_000, {
      look: () => etcd.range(Buffer.from('/a/b/249'), { serializable: true }),
      wanted: ({ kvs }) => kvs.length === 1,
      what: 'the member that is asked has the last key',
    });
    etcd.close();
    const [first, second, third] = cluster.members;
    await Promise.all([second?.kill(), third?.kill()]);
    const flags = accessFlags({ ...cluster, endpoints: [first?.clientUrl as string] });
    const read = await haleJson<{ folder: { keys: number; bytes: number } }>([
      'etcd',
      'keys',
      '/a/',
      ...flags,
      '--serializable',
      '--timeout',
      '10000',
    ]);
    const names = Array.from({ length: 250 }, (_, i) => `/a/b/${i}`.length + i);
    expect(read.folder).toMatchObject({ keys: 250, bytes: names.reduce((sum, size) => sum + size, 0) });
    expect(await hale(['etcd', 'keys', '/a/', ...flags, '--timeout', '1000'])).toMatchObject({ code: 3 });
  } finally {
    await cluster.close();
  }
});
