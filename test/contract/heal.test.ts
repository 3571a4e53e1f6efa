/** Healing and draining on a real kube-apiserver, kube-controller-manager and kube-scheduler; kwok stands in for kubelets, an emulator for management controllers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REMEDY } from '../../src/core/heal/record.ts';
import { startRedfish, type RedfishEmulator, redfishProblem } from '../support/redfish.ts';
import { type HealCluster, healProblem, type HealRun, startHealCluster } from '../support/heal-cluster.ts';
import { barePod, type Workload, workloadObjects } from '../support/heal-workload.ts';
import { hale, untilWithin } from '../support/hale.ts';

const NODES = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'];
const PATIENCE_MS = 120_000;
const problem = healProblem();
const redfish = redfishProblem();
const becomes = <T>(what: string, options: { look: () => Promise<T> | T; wanted: (value: T) => boolean }) =>
  untilWithin(PATIENCE_MS, { ...options, what });

describe.skipIf(problem !== undefined)(`nodes that heal${problem === undefined ? '' : ` (${problem})`}`, () => {
  let cluster: HealCluster;

  beforeAll(async () => {
    cluster = await startHealCluster();
    await cluster.addNodes(...NODES);
  }, PATIENCE_MS);
  afterAll(() => cluster?.close());

  /** `name@node` of every Pod that is ready and is not ending. */
  const podsOf = async (...apps: string[]): Promise<string[]> => {
    const list = JSON.parse(await cluster.kubectl('get', 'pods', '-o', 'json', '-l', `app in (${apps.join(',')})`)) as {
      items: {
        metadata: { name: string; deletionTimestamp?: string };
        spec: { nodeName?: string };
        status: { conditions?: { type: string; status: string }[] };
      }[];
    };
    return list.items
      .filter(
        ({ metadata, status }) =>
          metadata.deletionTimestamp === undefined && status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
      )
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
  /** The applications that have a Pod there, whatever the rest of its name. */
  const whatIsOn = async (node: string): Promise<string[]> => {
    const found = await cluster.kubectl(
      'get',
      'pods',
      '--field-selector',
      `spec.nodeName=${node}`,
      '-o',
      'jsonpath={range .items[*]}{.metadata.labels.app} {end}',
    );
    return found.trim().split(' ').toSorted();
  };
  const isUntouched = ({ cordoned, outOfService, remedy }: Awaited<ReturnType<typeof nodeIs>>) =>
    !cordoned && !outOfService && remedy === undefined;
  const place = async (...workloads: Workload[]) => {
    await cluster.apply(...workloads.flatMap(workloadObjects));
    const wanted = workloads.reduce((sum, { kind, replicas = 1 }) => sum + (kind === 'DaemonSet' ? NODES.length : replicas), 0);
    const names = workloads.map(({ name }) => name);
    return await becomes(`${names.join(' and ')} are ready`, { look: () => podsOf(...names), wanted: (pods) => pods.length >= wanted });
  };
  /** All of them on this node, and free to go anywhere afterwards. */
  const placeOn = async (node: string, ...workloads: Workload[]) => {
    const others = NODES.filter((name) => name !== node);
    await cluster.kubectl('cordon', ...others);
    const pods = await place(...workloads);
    await cluster.kubectl('uncordon', ...others);
    return pods;
  };
  const remove = (...names: string[]) =>
    cluster
      .kubectl('delete', 'deployments,statefulsets,daemonsets,pods,pdb', '--wait=true', '-l', `app in (${names.join(',')})`, '--force')
      .catch(() => '');
  /** Has node-problem-detector's part: sets or ends a condition. */
  const setCondition = (node: string, status: string) =>
    cluster.kubectl(
      'patch',
      'node',
      node,
      '--subresource=status',
      '--type=strategic',
      '-p',
      JSON.stringify({
        status: {
          conditions: [{ type: 'KernelDeadlock', status, reason: 'Test', message: 'test', lastTransitionTime: new Date().toISOString() }],
        },
      }),
    );
  const DEADLOCK = {
    name: 'kernel-deadlock',
    when: [{ condition: 'KernelDeadlock', status: ['True'], forSeconds: 1 }],
    steps: ['cordon', 'drain'],
  };
  const active = (runs: HealRun[]) =>
    becomes('one controller is active', {
      look: () => runs.flatMap((run) => run.lines()),
      wanted: (lines) => lines.some(({ msg }) => msg === 'the active controller'),
    });

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
    await becomes('the dry run says what would be', {
      look: dry.lines,
      wanted: (lines) => lines.some((line) => line['node'] === 'n1' && line['verdict'] === 'begin' && line['dryRun'] === true),
    });
    await dry.terminate();
    expect(isUntouched(await nodeIs('n1'))).toBe(true);

    expect((await cluster.hale(config, 'heal', 'pause', 'new switches')).stdout).toMatch(/^paused by .*: new switches$/m);
    const run = cluster.run(config);
    await becomes('the pause is told', { look: run.lines, wanted: (lines) => lines.some(({ brake }) => brake === 'paused') });
    expect(isUntouched(await nodeIs('n1'))).toBe(true);
    expect((await cluster.hale(config, 'heal', 'plan')).stdout).toMatch(/nothing is begun: paused: paused by .*new switches/);
    expect(await cluster.hale(config, 'heal', 'resume')).toMatchObject({ code: 0 });

    await becomes('n1 is drained', {
      look: () => podsOf('web'),
      wanted: (pods) => pods.length === 4 && pods.every((pod) => !pod.endsWith('@n1')),
    });
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
    await placeOn('n2', { name: 'slow', kind: 'Deployment', replicas: 3, budget: { minAvailable: 3 } });
    const config = cluster.describe('dies', { rules: [DEADLOCK], recoverySeconds: 2 });
    const runs = [cluster.run(config)];
    await active(runs);
    runs.push(cluster.run(config));
    await setCondition('n2', 'True');
    await becomes('the drain waits for the budget', {
      look: () => nodeIs('n2'),
      wanted: ({ remedy }) => remedy !== undefined && (JSON.parse(remedy) as { step: number }).step === 1,
    });
    const begun = (JSON.parse((await nodeIs('n2')).remedy as string) as { startedAtMs: number }).startedAtMs;
    await runs[0]?.kill();
    await becomes('the other one is active', {
      look: () => runs[1]?.lines() ?? [],
      wanted: (lines) => lines.some(({ msg }) => msg === 'the active controller'),
    });
    await cluster.kubectl('delete', 'pdb', 'slow');
    await becomes('the Pods have left', { look: () => nodeIs('n2'), wanted: ({ remedy }) => remedy?.includes('"waiting"') === true });
    expect((JSON.parse((await nodeIs('n2')).remedy as string) as { startedAtMs: number }).startedAtMs).toBe(begun);
    await setCondition('n2', 'False');
    await becomes('n2 is let in again', { look: () => nodeIs('n2'), wanted: isUntouched });
    await runs[1]?.terminate();
    await remove('slow');
  }, 300_000);

  test('the policy may be a HealPolicy: the API refuses some mistakes, hale the others, and nothing is done without one', async () => {
    const config = cluster.describe('resource', { policyFrom: 'resource' });
    expect(await cluster.hale(config, 'heal', 'plan')).toMatchObject({ code: 3, stderr: expect.stringContaining('[heal_policy_missing]') });
    for (const kind of ['crd', 'rbac']) {
      const { stdout } = await hale(['heal', 'manifests', kind]);
      const file = join(cluster.kubernetes.dir, `${kind}.yaml`);
      writeFileSync(file, stdout);
      await cluster.kubectl('apply', '--server-side', '-f', file);
    }
    await cluster.kubectl('wait', '--for=condition=Established', '--timeout=30s', 'crd/healpolicies.hale.dev');
    const policy = (spec: object) => ({ apiVersion: 'hale.dev/v1alpha1', kind: 'HealPolicy', metadata: { name: 'default' }, spec });
    await expect(cluster.apply(policy({ limits: { perHour: 0 } }))).rejects.toThrow('spec.limits.perHour');
    await expect(cluster.apply(policy({ rules: [{ ...DEADLOCK, steps: ['cordon', 'rebuild'] }] }))).rejects.toThrow('rebuild');
    // What the schema of the API cannot say.
    await cluster.apply(policy({ rules: [{ ...DEADLOCK, steps: ['out-of-service'] }] }));
    expect(await cluster.hale(config, 'heal', 'plan')).toMatchObject({ code: 3, stderr: expect.stringContaining('power-off') });
    await cluster.apply(policy({ rules: [DEADLOCK], limits: { atOnce: '10%' } }));
    expect(await cluster.hale(config, 'heal', 'plan')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('6 of 6 nodes are healthy'),
    });
  }, 300_000);

  test('hale node drain and kubectl drain leave the same behind on two equal nodes', async () => {
    const on = (node: string): Workload[] => [
      { name: `web-${node}`, kind: 'Deployment', replicas: 3, budget: { maxUnavailable: 2 } },
      { name: `db-${node}`, kind: 'StatefulSet', replicas: 2 },
      { name: `scratch-${node}`, kind: 'Deployment', emptyDir: true },
    ];
    await place({ name: 'everywhere', kind: 'DaemonSet' });
    for (const node of ['n3', 'n4']) await placeOn(node, ...on(node));
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
    expect(await whatIsOn('n3')).toEqual((await whatIsOn('n4')).map((name) => name.replaceAll('n4', 'n3')));

    const drained = await cluster.hale(config, 'node', 'drain', 'n3', '--yes', '--force', '--delete-emptydir-data');
    expect(drained).toMatchObject({ code: 0, stdout: expect.stringMatching(/^drained: 7 Pods left n3 within/m) });
    await cluster.kubectl(...kubectlDrain, '--force', '--delete-emptydir-data');
    expect(await whatIsOn('n3')).toEqual(['everywhere']);
    expect(await whatIsOn('n4')).toEqual(['everywhere']);
    expect((await nodeIs('n3')).cordoned).toBe(true);
    expect(await cluster.hale(config, 'node', 'uncordon', 'n3', 'n4')).toMatchObject({ code: 0, stdout: 'n3 uncordoned\nn4 uncordoned\n' });
    expect(isUntouched(await nodeIs('n3'))).toBe(true);
    await remove('web-n3', 'web-n4', 'db-n3', 'db-n4', 'scratch-n3', 'scratch-n4', 'everywhere');
  }, 300_000);

  test('hale node why names the budget, the owner and the missing capacity, and a drain that times out says the same', async () => {
    await placeOn('n5', { name: 'never', kind: 'Deployment', replicas: 2, budget: { minAvailable: 2 } });
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
    await remove('never', 'bare');
  }, 300_000);

  describe.skipIf(redfish !== undefined)(`a node that is fenced by Redfish${redfish === undefined ? '' : ` (${redfish})`}`, () => {
    let bmc: RedfishEmulator;
    beforeAll(async () => void (bmc = await startRedfish({ systems: [{ name: 'n6', power: 'On' }], transitionSeconds: 1 })));
    afterAll(() => bmc?.close());

    test('its Pods, also those of a StatefulSet, are given up once it is proven to be off, and it is let in again after a new boot', async () => {
      await place({ name: 'db', kind: 'StatefulSet', replicas: 2 });
      await placeOn('n6', { name: 'only', kind: 'StatefulSet', replicas: 1 });
      expect(await podsOf('only')).toEqual(['only-0@n6']);
      const power = {
        by: 'redfish',
        url: `${bmc.url}/redfish/v1/Systems/{node}`,
        caFile: bmc.caFile,
        credentialsFile: bmc.credentialsFile,
      };
      const rule = {
        name: 'unreachable',
        when: [{ heartbeat: 'missing', forSeconds: 20 }],
        steps: ['cordon', 'power-off', 'out-of-service', 'power-on'],
      };
      const run = cluster.run(cluster.describe('fence', { rules: [rule], power, recoverySeconds: 2 }));
      await active([run]);
      await cluster.abandon('n6');
      // Where it goes the Pod is ready again, on another node, while the first one was never heard of again.
      await becomes('only-0 runs elsewhere', { look: () => podsOf('only'), wanted: ([pod]) => pod !== undefined && !pod.endsWith('@n6') });
      const steps = run
        .lines()
        .filter(({ msg, node }) => msg === 'step ended' && node === 'n6')
        .map(({ step }) => step);
      expect(steps.slice(0, 2)).toEqual(['cordon', 'power-off']);
      await becomes('the power is back', { look: () => nodeIs('n6'), wanted: ({ remedy }) => remedy?.includes('"waiting"') === true });
      expect(await nodeIs('n6')).toMatchObject({ cordoned: true, outOfService: true });
      await cluster.revive('n6');
      await becomes('n6 is let in again', { look: () => nodeIs('n6'), wanted: isUntouched });
      await run.terminate();
      expect(JSON.stringify(run.lines())).not.toContain(bmc.password);
      await remove('db', 'only');
    }, 300_000);
  });
});
