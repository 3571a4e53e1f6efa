import { hostname } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { NodeFacts } from '../../../../src/core/heal/facts.ts';
import { NODE_API_RULES } from '../../../../src/core/heal/rbac.ts';
import { createKubernetesClient } from '../../../../src/drivers/kubernetes/client.ts';
import { createNodeApi } from '../../../../src/drivers/kubernetes/node-api.ts';
import type { Kubernetes } from '../../../../src/ports/kubernetes.ts';
import type { ChangeResult, NodeApi } from '../../../../src/ports/node-api.ts';
import { BUDGETS, ClusterObjects, PODS, WITHOUT_ACCOUNTS } from '../../../support/cluster-objects.ts';
import { type KubernetesCluster, kubectl, kubernetesProblem, startKubernetes } from '../../../support/kubernetes.ts';
import { RecordedWatch } from '../../../support/recorded-watch.ts';

const problem = kubernetesProblem('kubectl');
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

describe.skipIf(problem !== undefined)(`Nodes and Pods of a real kube-apiserver${problem === undefined ? '' : ` (${problem})`}`, () => {
  let cluster: KubernetesCluster;
  let admin: Kubernetes;
  let objects: ClusterObjects;
  /** Of a user who may do what hale asks to be allowed, and nothing else. */
  let api: NodeApi;

  beforeAll(async () => {
    cluster = await startKubernetes({ arguments: WITHOUT_ACCOUNTS });
    admin = createKubernetesClient({ kubeconfig: cluster.adminConf });
    objects = new ClusterObjects(admin);
    const kubeconfig = await cluster.writeKubeconfig({ file: 'heal.conf', commonName: 'hale-heal' });
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'hale-heal' };
    const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'hale-heal' }];
    for (const [path, body] of Object.entries({
      clusterroles: { metadata: { name: 'hale-heal' }, rules: NODE_API_RULES },
      clusterrolebindings: { metadata: { name: 'hale-heal' }, roleRef, subjects },
    })) {
      expect(await admin.request('POST', `${RBAC}/${path}`, { body })).toMatchObject({ status: 201 });
    }
    api = createNodeApi({ kubernetes: createKubernetesClient({ kubeconfig }) });
  }, 180_000);
  afterAll(async () => {
    api?.close();
    admin?.close();
    await cluster?.close();
  });
  afterEach(async () => {
    for (const path of ['/api/v1/nodes', PODS, BUDGETS]) await admin.request('DELETE', path, { body: { gracePeriodSeconds: 0 } });
  });

  /** An API with a user whom nobody has allowed anything. */
  async function refusedApi(): Promise<NodeApi> {
    return createNodeApi({
      kubernetes: createKubernetesClient({ kubeconfig: await cluster.writeKubeconfig({ file: 'nobody.conf', commonName: 'nobody' }) }),
    });
  }

  test('looks at all there is, by what the rules in rbac.ts allow; watches too', async () => {
    expect(await api.ready()).toEqual({ ok: true });
    await objects.node('w1');
    await objects.heartbeat('w1', '2026-11-21T19:00:00.000000Z');
    await objects.pod('p1', { node: 'w1', labels: { app: 'a' } });
    await objects.pod('p2', { node: 'w2' });
    await objects.budget('b1', { labels: { app: 'a' }, allowed: 1 });
    expect(await api.nodes()).toMatchObject([{ name: 'w1', taints: [{ key: 'node.kubernetes.io/not-ready' }] }]);
    expect(await api.node('w1')).toEqual((await api.nodes())[0]);
    expect(await api.node('none')).toBeUndefined();
    expect(await api.heartbeats()).toEqual([{ node: 'w1', renewedAtMs: Date.UTC(2026, 10, 21, 19) }]);
    expect((await api.pods()).map(({ name }) => name)).toEqual(['p1', 'p2']);
    expect(await api.pods({ node: 'w2' })).toMatchObject([{ name: 'p2', node: 'w2', isReady: true }]);
    expect(await api.budgets()).toMatchObject([
      { namespace: 'default', name: 'b1', selector: { matchLabels: { app: 'a' } }, disruptionsAllowed: 1, expectedPods: 2 },
    ]);
    const watches = Array.from({ length: 4 }, () => new RecordedWatch(() => ''));
    const stops = [
      api.watchNodes(watches[0] as RecordedWatch<unknown>),
      api.watchHeartbeats(watches[1] as RecordedWatch<unknown>),
      api.watchPods(watches[2] as RecordedWatch<unknown>),
      api.watchBudgets(watches[3] as RecordedWatch<unknown>),
    ];
    for (const watch of watches) await watch.heard('alive');
    for (const stop of stops) stop();
  });

  test('changes a Node, and sees what it has become', async () => {
    await objects.node('w1', { annotations: { old: 'x', kept: 'y' } });
    const changed = nodeOf(await api.changeNode('w1', { unschedulable: true, annotations: { old: null, 'hale.dev/step': 'cordon' } }));
    expect(changed).toMatchObject({ unschedulable: true, annotations: { kept: 'y', 'hale.dev/step': 'cordon' } });
    expect(changed.annotations).not.toHaveProperty('old');
    expect(await api.node('w1')).toEqual(changed);
    expect(nodeOf(await api.changeNode('w1', { unschedulable: false })).unschedulable).toBe(false);
  });

  test('replaces the taints of the version that it has seen, with all that stands in them, and never those of another', async () => {
    await objects.node('w1');
    const timeAdded = '2026-11-21T19:00:00Z';
    await objects.changeNode('w1', { spec: { taints: [{ key: 'theirs', effect: 'NoExecute', timeAdded }] } });
    const seen = (await api.node('w1')) as NodeFacts;
    const own = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' } as const;
    const change = { taints: [...seen.taints, own], version: seen.version };
    const { taints } = nodeOf(await api.changeNode('w1', change));
    expect(taints).toEqual([{ key: 'theirs', value: '', effect: 'NoExecute', timeAdded }, own]);
    expect(await api.changeNode('w1', change)).toEqual({ kind: 'conflict' });
    await expect(api.changeNode('w1', { taints: [] })).rejects.toThrow('version');
    expect((await api.node('w1'))?.taints).toEqual(taints);
  });

  test('a Node that is not there: gone', async () => {
    expect(await api.changeNode('w1', { unschedulable: true })).toEqual({ kind: 'gone' });
    expect(await api.node('w1')).toBeUndefined();
  });

  test('evicts as budgets allow: blocked names the budget, accepted ends the Pod, and then it is gone', async () => {
    const labels = { app: 'a' };
    const pod = await objects.pod('p1', { node: 'w1', labels });
    await objects.budget('b1', { labels, allowed: 0 });
    expect(await api.evict(pod)).toEqual({
      kind: 'blocked',
      budget: 'b1',
      reason: 'The disruption budget b1 needs 1 healthy pods and has 1 currently',
      retryAfterMs: undefined,
    });
    await objects.allow('b1', 1);
    expect(await api.evict(pod)).toEqual({ kind: 'accepted' });
    const [ending] = await api.pods();
    expect(ending).toMatchObject({ name: 'p1', graceSeconds: 30 });
    expect(ending?.deletionAtMs).toBeGreaterThan(0);
    expect(await api.deletePod(pod, { graceSeconds: 0 })).toEqual({ kind: 'accepted' });
    expect(await api.pods()).toEqual([]);
    expect([await api.evict(pod), await api.deletePod(pod)]).toEqual([{ kind: 'gone' }, { kind: 'gone' }]);
  });

  test('a budget that the controller manager has not counted yet blocks, and says for how long', async () => {
    const pod = await objects.pod('p1', { node: 'w1', labels: { app: 'a' } });
    await admin.request('POST', BUDGETS, {
      body: { metadata: { name: 'b1' }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'a' } } } },
    });
    expect(await api.evict(pod)).toMatchObject({ kind: 'blocked', budget: 'b1', retryAfterMs: 10_000 });
  });

  test('two budgets for one Pod block, in words', async () => {
    const pod = await objects.pod('p1', { node: 'w1', labels: { app: 'a' } });
    for (const name of ['b1', 'b2']) await objects.budget(name, { labels: { app: 'a' }, allowed: 1 });
    expect(await api.evict(pod)).toMatchObject({
      kind: 'blocked',
      budget: undefined,
      reason: expect.stringContaining('more than one PodDisruptionBudget'),
    });
  });

  test('never another Pod with the name, and the grace period that is given', async () => {
    const pod = await objects.pod('p1', { node: 'w1' });
    const before = { ...pod, uid: 'another' };
    expect([await api.deletePod(before, { graceSeconds: 0 }), await api.evict(before)]).toEqual([{ kind: 'gone' }, { kind: 'gone' }]);
    expect(await api.pods()).toMatchObject([{ name: 'p1', deletionAtMs: null }]);
    const beginMs = Date.now();
    expect(await api.evict(pod, { graceSeconds: 3600 })).toEqual({ kind: 'accepted' });
    expect((await api.pods())[0]?.deletionAtMs).toBeGreaterThan(beginMs + 3_000_000);
  });

  test('an Event that kubectl shows for the Node, and among all Events', async () => {
    const node = { name: 'w1', uid: await objects.node('w1') };
    const reason = 'HealBegan';
    const event = { node, type: 'Warning', reason, action: 'Cordon', note: 'Ready is Unknown\nfor 60 s' } as const;
    expect(await api.record(event)).toEqual({ ok: true });
    const described = await kubectl(cluster, 'describe', 'node', 'w1');
    expect(described.slice(described.indexOf('Events:'))).toMatch(/Warning +HealBegan +\S+ +hale\.dev\/heal +Ready is Unknown for 60 s/);
    expect(await kubectl(cluster, 'get', 'events')).toMatch(/Warning +HealBegan +node\/w1 +Ready is Unknown for 60 s/);
    const [made] = JSON.parse(await kubectl(cluster, 'get', 'events.events.k8s.io', '--output=json')).items;
    expect(made).toMatchObject({ reportingInstance: hostname(), action: 'Cordon', regarding: { kind: 'Node', ...node } });
    expect(new Date(made.eventTime).toISOString()).toBe(made.eventTime.replace('000Z', 'Z'));
  });

  test('a note that is too long is cut at a whole character', async () => {
    const node = { name: 'w1', uid: await objects.node('w1') };
    expect(await api.record({ node, type: 'Normal', reason: 'Long', action: 'Drain', note: `x${'ä'.repeat(1024)}` })).toEqual({ ok: true });
    const { items } = JSON.parse(await kubectl(cluster, 'get', 'events.events.k8s.io', '--output=json'));
    expect(items.find(({ reason }: { reason: string }) => reason === 'Long').note).toBe(`x${'ä'.repeat(511)}`);
  });

  test('what is refused is a value that says so, and a look throws', async () => {
    const node = { name: 'w1', uid: await objects.node('w1') };
    const pod = await objects.pod('p1', { node: 'w1' });
    const nobody = await refusedApi();
    const failed = { kind: 'failed', reason: expect.stringMatching(/^HTTP 403: .*"nobody"/) };
    expect(await nobody.changeNode('w1', { unschedulable: true })).toEqual(failed);
    expect(await nobody.evict(pod)).toEqual(failed);
    expect(await nobody.deletePod(pod)).toEqual(failed);
    const not = { ok: false, reason: expect.stringMatching(/^HTTP 403: /) };
    expect(await nobody.record({ node, type: 'Normal', reason: 'R', action: 'A', note: 'n' })).toEqual(not);
    for (const look of [nobody.nodes(), nobody.node('w1'), nobody.heartbeats(), nobody.pods(), nobody.budgets()]) {
      await expect(look).rejects.toMatchObject({ code: 'kubernetes_refused', remedy: expect.stringContaining('ClusterRole') });
    }
    nobody.close();
  });

  test('without a server a change fails as a value, and a look throws', async () => {
    const server = 'https://10.99.0.1:1';
    const kubeconfig = await cluster.writeKubeconfig({ file: 'nowhere.conf', commonName: 'x', server });
    const nowhere = createNodeApi({ kubernetes: createKubernetesClient({ kubeconfig }) });
    const reason = expect.stringContaining('ECONNREFUSED');
    expect(await nowhere.changeNode('w1', { unschedulable: true })).toEqual({ kind: 'failed', reason });
    expect(await nowhere.evict({ namespace: 'default', name: 'p1', uid: 'u' })).toEqual({ kind: 'failed', reason });
    expect(await nowhere.ready()).toEqual({ ok: false, reason });
    await expect(nowhere.nodes()).rejects.toMatchObject({ code: 'kubernetes_unreachable' });
    nowhere.close();
  });
});

function nodeOf(result: ChangeResult): NodeFacts {
  if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
  return result.node;
}
