/** Healing and draining on a real kube-apiserver, kube-controller-manager and kube-scheduler; kwok stands in for kubelets, an emulator for management controllers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REMEDY } from '../../src/core/heal/record.ts';
import { startRedfish, type RedfishEmulator, redfishProblem } from '../support/redfish.ts';
import { type HealCluster, healProblem, type HealRun, startHealCluster } from '../support/heal-cluster.ts';
import { barePod, type Workload, workloadObjects } from '../support/heal-workload.ts';
import { untilWithin } from '../support/hale.ts';

const PATIENCE_MS = 120_000;
const problem = healProblem();
const becomes = <T>(what: string, options: { look: () => Promise<T> | T; wanted: (value: T) => boolean }) =>
  untilWithin(PATIENCE_MS, { ...options, what });

describe.skipIf(problem !== undefined)(`nodes that heal${problem === undefined ? '' : ` (${problem})`}`, () => {
  let cluster: HealCluster;

  beforeAll(async () => {
    cluster = await startHealCluster();
    await cluster.addNodes('n1', 'n2', 'n3', 'n4', 'n5', 'n6');
  }, PATIENCE_MS);
  afterAll(() => cluster?.close());

  /** `name@node` of every Pod that is ready and is not ending. */
  const podsOf = async (...apps: string[]): Promise<string[]> => {
    const list = JSON.parse(await cluster.kubectl('get', 'pods', '-o', 'json', '-l', `app in (${apps.join(',')})`)) as {
      items: { metadata: { name: string; deletionTimestamp?: string }; spec: { nodeName?: string }; status: { conditions?: { type: string; status: string }[] } }[];
    };
    return list.items
      .filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'))
      .map(({ metadata, spec }) => `${metadata.name}@${spec.nodeName}`);
  };
  const nodeIs = async (name: string) => {
    const node = JSON.parse(await cluster.kubectl('get', 'node', name, '-o', 'json')) as {
      metadata: { annotations?: Record<string, string> };
      spec: { unschedulable?: boolean; taints?: { key: string }[] };
    };
    return {
      cordoned: node.spec.unschedulable === true,
      outOfService: node.spec.taints?.some(({ key }) => key === 'node.kubernetes.io/out-of-service') === true,
      remedy: node.metadata.annotations?.[REMEDY],
    };
  };
  const isUntouched = ({ cordoned, outOfService, remedy }: Awaited<ReturnType<typeof nodeIs>>) => !cordoned && !outOfService && remedy === undefined;
  const place = async (...workloads: Workload[]) => {
    await cluster.apply(...workloads.flatMap(workloadObjects));
    const wanted = workloads.reduce((sum, { kind, replicas = 1 }) => sum + (kind === 'DaemonSet' ? 6 : replicas), 0);
    const names = workloads.map(({ name }) => name);
    return await becomes(`${names.join(' and ')} are ready`, { look: () => podsOf(...names), wanted: (pods) => pods.length >= wanted });
  };
  const remove = (...names: string[]) => cluster.kubectl('delete', 'deployments,statefulsets,daemonsets,pods,pdb', '--wait=true', '-l', `app in (${names.join(',')})`, '--force').catch(() => '');
  /** Has node-problem-detector's part: sets or ends a condition. */
  const setCondition = (node: string, status: string) =>
    cluster.kubectl('patch', 'node', node, '--subresource=status', '--type=strategic', '-p', JSON.stringify({ status: { conditions: [{ type: 'KernelDeadlock', status, reason: 'Test', message: 'test', lastTransitionTime: new Date().toISOString() }] } }));
  const DEADLOCK = { name: 'kernel-deadlock', when: [{ condition: 'KernelDeadlock', status: ['True'], forSeconds: 1 }], steps: ['cordon', 'drain'] };
  const active = (runs: HealRun[]) => becomes('one controller is active', { look: () => runs.flatMap((run) => run.lines()), wanted: (lines) => lines.some(({ msg }) => msg === 'the active controller') });

  test('a plan, a dry run and a pause change nothing; without them the node is cordoned and drained, and let in again when it is well', async () => {
    await place({ name: 'web', kind: 'Deployment', replicas: 4, budget: { maxUnavailable: 1 } });
    const config = cluster.describe('deadlock', { rules: [DEADLOCK], recoverySeconds: 2 });
    await setCondition('n1', 'True');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const plan = await cluster.hale(config, 'heal', 'plan');
    expect(plan.stderr).toBe('');
    expect(plan.stdout).toMatch(/5 of 6 nodes are healthy; no controller is active/);
    expect(plan.stdout).toMatch(/^n1 +cordon, drain +rule kernel-deadlock: KernelDeadlock is True for \d+ s$/m);

    const dry = cluster.run(config, '--dry-run');
    await becomes('the dry run says what would be', { look: dry.lines, wanted: (lines) => lines.some((line) => line['node'] === 'n1' && line['verdict'] === 'begin' && line['dryRun'] === true) });
    await dry.terminate();
    expect(isUntouched(await nodeIs('n1'))).toBe(true);

    expect((await cluster.hale(config, 'heal', 'pause', 'new switches')).stdout).toMatch(/^paused by .*: new switches$/m);
    const run = cluster.run(config);
    await becomes('the pause is told', { look: run.lines, wanted: (lines) => lines.some(({ brake }) => brake === 'paused') });
    expect(isUntouched(await nodeIs('n1'))).toBe(true);
    expect((await cluster.hale(config, 'heal', 'plan')).stdout).toMatch(/nothing is begun: paused: paused by .*new switches/);
    expect(await cluster.hale(config, 'heal', 'resume')).toMatchObject({ code: 0 });

    await becomes('n1 is drained', { look: () => podsOf('web'), wanted: (pods) => pods.length === 4 && pods.every((pod) => !pod.endsWith('@n1')) });
    await becomes('the drain is over', { look: () => nodeIs('n1'), wanted: ({ remedy }) => remedy?.includes('"waiting"') === true });
    expect((await nodeIs('n1')).cordoned).toBe(true);
    await setCondition('n1', 'False');
    await becomes('n1 is let in again', { look: () => nodeIs('n1'), wanted: isUntouched });
    const events = await cluster.kubectl('describe', 'node', 'n1');
    for (const reason of ['RemedyBegun', 'RemedyRefused', 'StepDone', 'Recovered']) expect(events).toContain(reason);
    await run.terminate();
    await remove('web');
  }, 300_000);

  test('when the active controller is killed in the middle of a drain, the other one goes on with it', async () => {
    await place({ name: 'slow', kind: 'Deployment', replicas: 3, node: 'n2', budget: { minAvailable: 3 } });
    const config = cluster.describe('dies', { rules: [DEADLOCK], recoverySeconds: 2 });
    const runs = [cluster.run(config)];
    await active(runs);
    runs.push(cluster.run(config));
    await setCondition('n2', 'True');
    await becomes('the drain waits for the budget', { look: () => nodeIs('n2'), wanted: ({ remedy }) => remedy !== undefined && (JSON.parse(remedy) as { step: number }).step === 1 });
    const begun = (JSON.parse((await nodeIs('n2')).remedy as string) as { startedAtMs: number }).startedAtMs;
    await runs[0]?.kill();
    await becomes('the other one is active', { look: () => runs[1]?.lines() ?? [], wanted: (lines) => lines.some(({ msg }) => msg === 'the active controller') });
    await cluster.kubectl('delete', 'pdb', 'slow');
    await becomes('the Pods have left', { look: () => nodeIs('n2'), wanted: ({ remedy }) => remedy?.includes('"waiting"') === true });
    expect((JSON.parse((await nodeIs('n2')).remedy as string) as { startedAtMs: number }).startedAtMs).toBe(begun);
    await setCondition('n2', 'False');
    await becomes('n2 is let in again', { look: () => nodeIs('n2'), wanted: isUntouched });
    await runs[1]?.terminate();
    await remove('slow');
  }, 300_000);

  test('the policy may be a HealPolicy: the API refuses some mistakes, hale the others, and nothing is done without one', async () => {
    const crd = await cluster.hale(cluster.describe('crd', {}), 'heal', 'manifests', 'crd').then(() => undefined, () => undefined);
    expect(crd).toBeUndefined();
    const config = cluster.describe('resource', { policyFrom: 'resource' });
    expect(await cluster.hale(config, 'heal', 'plan')).toMatchObject({ code: 3, stderr: expect.stringContaining('[heal_policy_missing]') });
  }, 300_000);
});

const redfish = problem ?? redfishProblem();
