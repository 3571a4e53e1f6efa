import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { NodeFacts, PodFacts } from '../../../../src/core/heal/facts.ts';
import { createEtcdAdmin } from '../../../../src/drivers/etcd/admin.ts';
import { createKubernetesClient } from '../../../../src/drivers/kubernetes/client.ts';
import { createFailover } from '../../../../src/drivers/kubernetes/failover.ts';
import { listAll } from '../../../../src/drivers/kubernetes/list.ts';
import { createNodeApi } from '../../../../src/drivers/kubernetes/node-api.ts';
import type { Kubernetes } from '../../../../src/ports/kubernetes.ts';
import type { NodeApi } from '../../../../src/ports/node-api.ts';
import { BUDGETS, ClusterObjects, LEASES, PODS, WITHOUT_ACCOUNTS } from '../../../support/cluster-objects.ts';
import { until } from '../../../support/hale.ts';
import { type ApiserverProcess, type KubernetesCluster, kubernetesProblem, startKubernetes } from '../../../support/kubernetes.ts';
import { RecordedWatch } from '../../../support/recorded-watch.ts';

const problem = kubernetesProblem();
const nameOf = ({ name }: { name: string }) => name;

describe.skipIf(problem !== undefined)(`watches of real kube-apiservers${problem === undefined ? '' : ` (${problem})`}`, () => {
  let cluster: KubernetesCluster;
  /** Is watched, killed and frozen. */
  let first: ApiserverProcess;
  /** Asks the second server, which stays. */
  let admin: Kubernetes;
  let objects: ClusterObjects;
  let opened: { close(): void }[] = [];

  beforeAll(async () => {
    cluster = await startKubernetes({ apiservers: 2, arguments: WITHOUT_ACCOUNTS });
    first = cluster.apiservers[0] as ApiserverProcess;
    admin = clientOf(1);
    objects = new ClusterObjects(admin);
  }, 180_000);
  afterAll(async () => {
    admin?.close();
    await cluster?.close();
  });
  afterEach(async () => {
    for (const one of opened) one.close();
    opened = [];
    for (const path of ['/api/v1/nodes', PODS, BUDGETS, LEASES]) await admin.request('DELETE', path, { body: { gracePeriodSeconds: 0 } });
  });

  function clientOf(server: number): Kubernetes {
    const { address: host, port } = cluster.apiservers[server] as ApiserverProcess;
    return createKubernetesClient({ kubeconfig: cluster.adminConf, connectTo: { host, port } });
  }

  function open(options: { kubernetes?: Kubernetes; silenceMs?: number } = {}): NodeApi {
    const api = createNodeApi({ kubernetes: clientOf(0), ...options });
    opened.push(api);
    return api;
  }

  /** Established to the first server, of this process; each with its timer. */
  function connections(): string[] {
    const listed = execFileSync('ss', ['-Htnpo', 'state', 'established', `dst ${first.address} dport = :${first.port}`], {
      encoding: 'utf8',
    });
    return listed.split('\n').filter((line) => line.includes(`pid=${process.pid},`));
  }

  const noConnection = () => until(connections, (found) => found.length === 0, 'no connection is left');

  async function watchNodes(options: Parameters<typeof open>[0] = {}): Promise<RecordedWatch<NodeFacts>> {
    const nodes = new RecordedWatch<NodeFacts>(nameOf);
    open(options).watchNodes(nodes);
    await nodes.heard('replaced');
    await nodes.heard('alive');
    return nodes;
  }

  test('tells what is there, then what is added, changed and removed, in that order, each once', async () => {
    await objects.node('w1');
    const nodes = await watchNodes();
    expect([...nodes.items.keys()]).toEqual(['w1']);
    await objects.node('w2');
    await objects.changeNode('w1', { metadata: { labels: { zone: 'a' } } });
    await objects.remove('/api/v1/nodes/w2');
    await objects.changeNode('w1', { spec: { unschedulable: true } });
    await until(
      () => nodes.news,
      ({ length }) => length >= 4,
      'four changes',
    );
    expect(nodes.news).toEqual(['changed w2', 'changed w1', 'removed w2', 'changed w1']);
    expect([...nodes.items.values()]).toMatchObject([{ name: 'w1', labels: { zone: 'a' }, unschedulable: true }]);
  });

  test('of each kind what healing looks at, at the same time', async () => {
    await objects.node('w1');
    const api = open();
    const beats = new RecordedWatch<{ node: string; renewedAtMs: number }>(({ node }) => node);
    const budgets = new RecordedWatch<{ name: string; disruptionsAllowed: number }>(nameOf);
    const watched = { all: new RecordedWatch(nameOf), one: new RecordedWatch(nameOf), two: new RecordedWatch<PodFacts>(nameOf) };
    api.watchHeartbeats(beats);
    api.watchBudgets(budgets);
    api.watchPods(watched.all);
    api.watchPods(watched.one, { nodes: ['w1'] });
    api.watchPods(watched.two, { nodes: ['w1', 'w2'] });
    for (const one of [beats, budgets, ...Object.values(watched)]) await one.heard('alive');
    await objects.heartbeat('w1', '2026-11-21T19:00:00.000000Z');
    await objects.heartbeat('w1', '2026-11-21T19:00:10.500000Z');
    await objects.budget('b1', { labels: { app: 'a' }, allowed: 2 });
    for (const [name, node] of Object.entries({ p1: 'w1', p2: 'w2', p3: 'w3' })) await objects.pod(name, { node });
    await objects.remove(`${PODS}/p2`);
    await until(
      () => beats.items.get('w1')?.renewedAtMs,
      (atMs) => atMs === Date.UTC(2026, 10, 21, 19, 0, 10, 500),
      'the heartbeat',
    );
    await budgets.heard('changed b1');
    expect(
      (
        await until(
          () => budgets.items.get('b1'),
          (budget) => budget?.disruptionsAllowed === 2,
          'the count',
        )
      )?.disruptionsAllowed,
    ).toBe(2);
    await watched.all.heard('removed p2');
    await watched.two.heard('removed p2');
    const pods = () => Object.values(watched).map(({ items }) => [...items.values()].map(({ name }) => name).toSorted());
    await until(pods, ([, one]) => one?.length === 1, 'the Pod of one node');
    expect(pods()).toEqual([['p1', 'p3'], ['p1'], ['p1']]);
    expect(watched.two.items.get('p1')).toMatchObject({ node: 'w1', phase: 'Running', isReady: true });
  });

  test('each has a connection of its own that the kernel keeps an eye on, requests go on beside them, and stop closes them', async () => {
    const api = open();
    const [nodes, pods, budgets] = [new RecordedWatch(nameOf), new RecordedWatch(nameOf), new RecordedWatch(nameOf)];
    const stopNodes = api.watchNodes(nodes);
    api.watchPods(pods);
    api.watchBudgets(budgets);
    for (const one of [nodes, pods, budgets]) await one.heard('alive');
    await objects.node('w1');
    expect(await api.nodes()).toMatchObject([{ name: 'w1' }]);
    expect(connections()).toHaveLength(4);
    expect(connections().every((line) => line.includes('timer:(keepalive'))).toBe(true);
    await nodes.heard('changed w1');
    stopNodes();
    await until(connections, ({ length }) => length === 3, 'one less');
    nodes.told = [];
    await objects.changeNode('w1', { spec: { unschedulable: true } });
    expect(await api.node('w1')).toMatchObject({ unschedulable: true });
    expect(nodes.told).toEqual([]);
    api.close();
    await noConnection();
  });

  test('a server that is killed and runs again: it says so, and what was changed and removed meanwhile is known afterwards', async () => {
    await objects.node('w1');
    await objects.node('w2');
    const nodes = await watchNodes();
    await first.kill();
    await nodes.heard(/^broken GET .*ECONNREFUSED/);
    await objects.changeNode('w1', { metadata: { labels: { changed: 'meanwhile' } } });
    await objects.remove('/api/v1/nodes/w2');
    await objects.node('w3');
    first.start();
    await first.untilReady();
    await until(
      () => nodes.items.has('w3'),
      (known) => known,
      'what was made meanwhile',
    );
    await until(
      () => nodes.items.has('w2'),
      (known) => !known,
      'what was removed meanwhile',
    );
    expect(nodes.items.get('w1')?.labels).toEqual({ changed: 'meanwhile' });
    // And it goes on.
    nodes.told = [];
    await objects.remove('/api/v1/nodes/w3');
    await nodes.heard('removed w3');
  });

  test('goes on at another server where it was, without a list: no word is missing, and none comes twice', async () => {
    await objects.node('w1');
    const nodes = await watchNodes({ kubernetes: createFailover([clientOf(0), clientOf(1)]) });
    await objects.node('w2');
    await nodes.heard('changed w2');
    await first.kill();
    try {
      await objects.changeNode('w1', { spec: { unschedulable: true } });
      await objects.remove('/api/v1/nodes/w2');
      await nodes.heard(/^broken/);
      await until(
        () => nodes.news.filter((word) => !word.startsWith('broken')),
        ({ length }) => length >= 2,
        'both changes',
      );
      expect(nodes.news.filter((word) => !word.startsWith('broken'))).toEqual(['changed w1', 'removed w2']);
    } finally {
      first.start();
      await first.untilReady();
    }
  });

  test('a frozen server is noticed by its silence, and after the thaw all is known', async () => {
    await objects.node('w1');
    const nodes = await watchNodes({ silenceMs: 1000 });
    first.freeze();
    try {
      await nodes.heard(/^broken GET .*no answer within the deadline/);
      await objects.node('w2');
    } finally {
      first.thaw();
    }
    await until(
      () => nodes.items.has('w2'),
      (known) => known,
      'what was made meanwhile',
    );
    await nodes.heard('replaced');
  });

  test('a host that vanishes is noticed by the kernel, long before the silence', async () => {
    await objects.node('w1');
    const nodes = await watchNodes();
    const nft = (...command: string[]) => execFileSync('nft', command);
    nft('add', 'table', 'inet', 'vanished');
    nft('add', 'chain', 'inet', 'vanished', 'out', '{ type filter hook output priority 0; }');
    try {
      nft('add', 'rule', 'inet', 'vanished', 'out', `ip daddr ${first.address} tcp dport ${first.port} drop`);
      await nodes.heard(/^broken GET .*ETIMEDOUT/);
      await objects.node('w2');
    } finally {
      nft('delete', 'table', 'inet', 'vanished');
    }
    await nodes.heard('changed w2');
  });

  test('silence of a server that is well is no trouble: it is looked at anew', async () => {
    await objects.node('w1');
    const nodes = await watchNodes({ silenceMs: 300 });
    await nodes.heard('replaced');
    await nodes.heard('replaced');
    expect(nodes.told.filter((word) => word.startsWith('broken'))).toEqual([]);
    await objects.node('w2');
    await until(
      () => nodes.items.has('w2'),
      (known) => known,
      'the new node',
    );
  });

  test('410 after compaction: everything anew', async () => {
    await objects.node('w1');
    const nodes = await watchNodes();
    const before = nodes.items.get('w1')?.version as string;
    await first.kill();
    await nodes.heard(/^broken/);
    await objects.changeNode('w1', { metadata: { labels: { changed: 'meanwhile' } } });
    await objects.node('w2');
    await compact();
    first.start();
    await first.untilReady();
    const documents: unknown[] = [];
    const asked = clientOf(0);
    opened.push(asked);
    const end = await asked.watch(`/api/v1/nodes?watch=1&resourceVersion=${before}`, {
      signal: new AbortController().signal,
      silenceMs: 30_000,
      onOpen: () => {},
      onDocument: (document) => documents.push(document),
    });
    expect([end.kind, documents]).toEqual([
      'finished',
      [expect.objectContaining({ type: 'ERROR', object: expect.objectContaining({ code: 410 }) })],
    ]);
    await nodes.heard('replaced');
    expect([...nodes.items.values()]).toMatchObject([{ name: 'w1', labels: { changed: 'meanwhile' } }, { name: 'w2' }]);
  });

  async function compact(): Promise<void> {
    const etcd = createEtcdAdmin(cluster.etcd);
    try {
      await etcd.compact((await etcd.range(Buffer.from('none'))).revision);
    } finally {
      etcd.close();
    }
  }

  test('a list comes in pages, and anew when they have expired', async () => {
    const names = ['w1', 'w2', 'w3', 'w4', 'w5'];
    for (const name of names) await objects.node(name);
    await compact();
    // One that has just begun has no pictures of earlier revisions; etcd has none either.
    await first.kill();
    first.start();
    await first.untilReady();
    const asked = clientOf(0);
    opened.push(asked);
    const expired = Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: 1, start: 'w1\u0000' })).toString('base64url');
    const collection = {
      path: '/api/v1/nodes',
      page: 2,
      read: (object: unknown) => (object as { metadata: { name: string } }).metadata.name,
    };
    const list = async (expiredTimes: number) => {
      const paths: string[] = [];
      let left = expiredTimes;
      const meddled: Kubernetes = {
        watch: () => Promise.reject(new Error('a list does not watch')),
        close() {},
        request(method, path, options) {
          paths.push(path.replace(/continue=.+/, 'continue'));
          return asked.request(method, left-- > 0 ? path.replace(/(continue=).+/, `$1${expired}`) : path, options);
        },
      };
      return { listed: await listAll(meddled, { collection }), paths };
    };
    const [page, more] = ['/api/v1/nodes?limit=2', '/api/v1/nodes?limit=2&continue'];
    expect(await list(0)).toMatchObject({ listed: { kind: 'listed', items: names }, paths: [page, more, more] });
    expect(await list(2)).toMatchObject({ listed: { kind: 'listed', items: names }, paths: [page, more, page, more, more] });
    expect(await list(9)).toMatchObject({ listed: { kind: 'refused', answer: { status: 410 } }, paths: [page, more, page, more] });
  });

  test('who may not look is told why, and stop ends the attempts', async () => {
    const kubeconfig = await cluster.writeKubeconfig({ file: 'nobody.conf', commonName: 'nobody' });
    const api = open({ kubernetes: createKubernetesClient({ kubeconfig }) });
    const nodes = new RecordedWatch(nameOf);
    const stop = api.watchNodes(nodes);
    await nodes.heard(/^broken \/api\/v1\/nodes: HTTP 403: nodes is forbidden/);
    stop();
    nodes.told = [];
    await expect(api.nodes()).rejects.toMatchObject({
      code: 'kubernetes_refused',
      message: expect.stringMatching(/^GET \/api\/v1\/nodes is answered with HTTP 403: .*"nobody"/),
      remedy: expect.stringContaining('ClusterRole'),
    });
    expect(nodes.told).toEqual([]);
  });
});
