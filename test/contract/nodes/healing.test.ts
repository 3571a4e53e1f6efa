/** Healing on a real kube-apiserver, kube-controller-manager and kube-scheduler; kwok stands in for kubelets, an emulator for management controllers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { hale } from '../../support/hale.ts';
import { type HealCluster, healProblem, type HealRun, startHealCluster } from '../../support/heal-cluster.ts';
import { becomes, type Stage, stageOf } from '../../support/heal-stage.ts';
import { startRedfish, type RedfishEmulator, redfishProblem } from '../../support/redfish.ts';

const NODES = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'];
const PATIENCE_MS = 120_000;
const problem = healProblem();
const redfish = redfishProblem();

describe.skipIf(problem !== undefined)(`nodes that heal${problem === undefined ? '' : ` (${problem})`}`, () => {
  let cluster: HealCluster;
  let on: Stage;

  beforeAll(async () => {
    cluster = await startHealCluster(...NODES);
    on = stageOf(cluster, NODES);
  }, PATIENCE_MS);
  afterEach(() => cluster.endRuns());
  afterAll(() => cluster?.close());

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
    await on.place({ name: 'web', kind: 'Deployment', replicas: 4, budget: { maxUnavailable: 1 } });
    const config = cluster.describe('deadlock', { rules: [DEADLOCK], recoverySeconds: 2 });
    await on.setCondition('n1', 'True');
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
    expect(on.isUntouched(await on.nodeIs('n1'))).toBe(true);

    expect((await cluster.hale(config, 'heal', 'pause', 'new switches')).stdout).toMatch(/^paused by .*: new switches$/m);
    const run = cluster.run(config);
    await becomes('the pause is told', { look: run.lines, wanted: (lines) => lines.some(({ brake }) => brake === 'paused') });
    expect(on.isUntouched(await on.nodeIs('n1'))).toBe(true);
    expect((await cluster.hale(config, 'heal', 'plan')).stdout).toMatch(/nothing is begun: paused: paused by .*new switches/);
    expect(await cluster.hale(config, 'heal', 'resume')).toMatchObject({ code: 0 });

    await becomes('n1 is drained', {
      look: () => on.podsOf('web'),
      wanted: (pods) => pods.length === 4 && pods.every((pod) => !pod.endsWith('@n1')),
    });
    await becomes('the drain is over', { look: () => on.nodeIs('n1'), wanted: ({ remedy }) => remedy?.includes('"waiting"') === true });
    expect((await on.nodeIs('n1')).cordoned).toBe(true);
    await on.setCondition('n1', 'False');
    await becomes('n1 is let in again', { look: () => on.nodeIs('n1'), wanted: on.isUntouched });
    const events = await cluster.kubectl('describe', 'node', 'n1');
    for (const reason of ['RemedyBegun', 'RemedyRefused', 'StepDone', 'Recovered']) expect(events).toContain(reason);
    await run.terminate();
    await on.remove('web');
  }, 300_000);

  test('when the active controller is killed in the middle of a drain, the other one goes on with it', async () => {
    await on.placeOn('n2', { name: 'slow', kind: 'Deployment', replicas: 3, budget: { minAvailable: 3 } });
    const config = cluster.describe('dies', { rules: [DEADLOCK], recoverySeconds: 2 });
    const runs = [cluster.run(config)];
    await active(runs);
    runs.push(cluster.run(config));
    await on.setCondition('n2', 'True');
    await becomes('the drain waits for the budget', {
      look: () => on.nodeIs('n2'),
      wanted: ({ remedy }) => remedy !== undefined && (JSON.parse(remedy) as { step: number }).step === 1,
    });
    const begun = (JSON.parse((await on.nodeIs('n2')).remedy as string) as { startedAtMs: number }).startedAtMs;
    await runs[0]?.kill();
    await becomes('the other one is active', {
      look: () => runs[1]?.lines() ?? [],
      wanted: (lines) => lines.some(({ msg }) => msg === 'the active controller'),
    });
    await cluster.kubectl('delete', 'pdb', 'slow');
    await becomes('the Pods have left', { look: () => on.nodeIs('n2'), wanted: ({ remedy }) => remedy?.includes('"waiting"') === true });
    expect((JSON.parse((await on.nodeIs('n2')).remedy as string) as { startedAtMs: number }).startedAtMs).toBe(begun);
    await on.setCondition('n2', 'False');
    await becomes('n2 is let in again', { look: () => on.nodeIs('n2'), wanted: on.isUntouched });
    await runs[1]?.terminate();
    await on.remove('slow');
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

  describe.skipIf(redfish !== undefined)(`a node that is fenced by Redfish${redfish === undefined ? '' : ` (${redfish})`}`, () => {
    let bmc: RedfishEmulator;
    beforeAll(async () => void (bmc = await startRedfish({ systems: [{ name: 'n6', power: 'On' }], transitionSeconds: 1 })));
    afterAll(() => bmc?.close());

    test('its Pods, also those of a StatefulSet, are given up once it is proven to be off, and it is let in again after a new boot', async () => {
      await on.place({ name: 'db', kind: 'StatefulSet', replicas: 2 });
      await on.placeOn('n6', { name: 'only', kind: 'StatefulSet', replicas: 1 });
      expect(await on.podsOf('only')).toEqual(['only-0@n6']);
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
      cluster.nodes.abandon('n6');
      // Where it goes the Pod is ready again, on another node, while the first one was never heard of again.
      await becomes('only-0 runs elsewhere', {
        look: () => on.podsOf('only'),
        wanted: ([pod]) => pod !== undefined && !pod.endsWith('@n6'),
      });
      const steps = run
        .lines()
        .filter(({ msg, node }) => msg === 'step ended' && node === 'n6')
        .map(({ step }) => step);
      expect(steps.slice(0, 2)).toEqual(['cordon', 'power-off']);
      await becomes('the power is back', { look: () => on.nodeIs('n6'), wanted: ({ remedy }) => remedy?.includes('"waiting"') === true });
      expect(await on.nodeIs('n6')).toMatchObject({ cordoned: true, outOfService: true });
      await cluster.nodes.revive('n6');
      await becomes('n6 is let in again', { look: () => on.nodeIs('n6'), wanted: on.isUntouched });
      await run.terminate();
      expect(JSON.stringify(run.lines())).not.toContain(bmc.password);
      await on.remove('db', 'only');
    }, 300_000);
  });
});
