/** Draining on a real kube-apiserver, kube-controller-manager and kube-scheduler, beside kubectl; kwok stands in for kubelets. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HealCluster, healProblem, startHealCluster } from '../../support/heal-cluster.ts';
import { type Stage, stageOf } from '../../support/heal-stage.ts';
import { barePod, type Workload } from '../../support/heal-workload.ts';

const NODES = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'];
const PATIENCE_MS = 120_000;
const problem = healProblem();

describe.skipIf(problem !== undefined)(`draining${problem === undefined ? '' : ` (${problem})`}`, () => {
  let cluster: HealCluster;
  let on: Stage;

  beforeAll(async () => {
    cluster = await startHealCluster(...NODES);
    on = stageOf(cluster, NODES);
  }, PATIENCE_MS);
  afterAll(() => cluster?.close());

  test('hale node drain and kubectl drain leave the same behind on two equal nodes', async () => {
    const apps = (node: string): Workload[] => [
      { name: `web-${node}`, kind: 'Deployment', replicas: 3, budget: { maxUnavailable: 2 } },
      { name: `db-${node}`, kind: 'StatefulSet', replicas: 2 },
      { name: `scratch-${node}`, kind: 'Deployment', emptyDir: true },
    ];
    await on.place({ name: 'everywhere', kind: 'DaemonSet' });
    for (const node of ['n3', 'n4']) await on.placeOn(node, ...apps(node));
    await cluster.apply(barePod('bare-n3', 'n3'), barePod('bare-n4', 'n4'));
    const config = cluster.describe('drain', {});
    const kubectlDrain = ['drain', 'n4', '--ignore-daemonsets', '--timeout=60s'];

    // Neither begins while there are Pods that nobody allowed to end.
    const refused = await cluster.hale(config, 'node', 'drain', 'n3', '--yes');
    expect(refused).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('default/bare-n3: no controller makes it anew, so it would be gone'),
    });
    expect(refused.stdout).toMatch(/scratch-n3-\S+: the data of its emptyDir volume scratch would be gone/);
    await expect(cluster.kubectl(...kubectlDrain)).rejects.toThrow('cannot delete');
    expect(await on.whatIsOn('n3')).toEqual((await on.whatIsOn('n4')).map((name) => name.replaceAll('n4', 'n3')));

    const drained = await cluster.hale(config, 'node', 'drain', 'n3', '--yes', '--force', '--delete-emptydir-data');
    expect(drained).toMatchObject({ code: 0, stdout: expect.stringMatching(/^drained: 7 Pods left n3 within/m) });
    await cluster.kubectl(...kubectlDrain, '--force', '--delete-emptydir-data');
    expect(await on.whatIsOn('n3')).toEqual(['everywhere']);
    expect(await on.whatIsOn('n4')).toEqual(['everywhere']);
    expect((await on.nodeIs('n3')).cordoned).toBe(true);
    expect(await cluster.hale(config, 'node', 'uncordon', 'n3', 'n4')).toMatchObject({ code: 0, stdout: 'n3 uncordoned\nn4 uncordoned\n' });
    expect(on.isUntouched(await on.nodeIs('n3'))).toBe(true);
    await on.remove('web-n3', 'web-n4', 'db-n3', 'db-n4', 'scratch-n3', 'scratch-n4', 'everywhere');
  }, 300_000);

  test('hale node why names the budget, the owner and the missing capacity, and a drain that times out says the same', async () => {
    await on.placeOn('n5', { name: 'never', kind: 'Deployment', replicas: 2, budget: { minAvailable: 2 } });
    await cluster.apply(barePod('bare', 'n5'));
    const config = cluster.describe('why', {});
    const why = await cluster.hale(config, 'node', 'why', 'n5');
    expect(why.code).toBe(1);
    expect(why.stdout).toMatch(
      /default\/never-\S+ \(ReplicaSet never-\S+\)\n {2}PodDisruptionBudget default\/never allows none now: 2 healthy, 2 needed\n {2}way out: it never allows one/,
    );
    expect(why.stdout).toContain('default/bare\n  no controller makes it anew');
    const late = await cluster.hale(config, 'node', 'drain', 'n5', '--yes', '--force', '--timeout', '5');
    expect(late).toMatchObject({ code: 1, stdout: expect.stringContaining('the deadline passed with Pods left: default/never-') });
    expect((await cluster.hale(config, 'node', 'why', 'n6')).stdout).toBe('nothing blocks a drain of n6: 0 Pods would go\n');
    await cluster.hale(config, 'node', 'uncordon', 'n5');
    await on.remove('never', 'bare');
  }, 300_000);
});
