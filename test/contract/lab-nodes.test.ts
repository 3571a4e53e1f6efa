import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startBudgetWatch } from '../../src/lab/budgets/start.ts';
import { describeNodes, createLab, type Lab } from '../../src/lab/lab.ts';
import { kubectl as labKubectl } from '../../src/lab/kubernetes/kubectl.ts';
import { createWorkload, removeWorkload } from '../../src/lab/kubernetes/workload.ts';
import { findKwok } from '../../src/lab/nodes/kwok.ts';
import { nodePower, nodePowerCommand, nodeStates, switchNode } from '../../src/lab/nodes/power.ts';
import { isAlive, type ProcessIdentity } from '../../src/lab/process.ts';
import { nodesInService } from '../../src/lab/nodes/start.ts';
import { another, becomes, kubectl, steady } from '../support/control-plane-lab.ts';
import { kubernetesProblem } from '../support/kubernetes.ts';
import { labImpossible } from '../support/lab.ts';

const kwokProblem = await findKwok(undefined).then(
  () => undefined,
  (error: Error) => `skipped: ${error.message}`,
);
const problem = labImpossible ?? kubernetesProblem('kube-controller-manager', 'kube-scheduler', 'kubectl') ?? kwokProblem;

const NODES = 21;
const NAMESPACE = 'work';
/** The controller manager waits for 50 s until it calls a node unreachable, and the Pod garbage collection looks every 20 s. */
const TIMEOUT_MS = 240_000;
const HOUR_MS = 3_600_000;

interface Metadata {
  name: string;
  uid: string;
  deletionTimestamp?: string;
  labels: Record<string, string>;
}

interface NodeJson {
  metadata: Metadata;
  spec: { taints?: { key: string; effect: string }[] };
  status: {
    capacity: Record<string, string>;
    addresses: { type: string; address: string }[];
    conditions: { type: string; status: string }[];
    nodeInfo: { bootID: string; osImage: string };
  };
}

interface PodJson {
  metadata: Metadata;
  spec: { nodeName?: string };
  status: { phase: string; conditions?: { type: string; status: string }[]; containerStatuses?: { restartCount: number }[] };
}

const hasCondition = ({ status }: NodeJson | PodJson, type: string): string =>
  status.conditions?.find((condition) => condition.type === type)?.status ?? 'none';
const taintsOf = ({ spec }: NodeJson): string[] => (spec.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);

describe.skipIf(problem !== undefined)(`nodes in a lab with a real control plane ${problem ?? ''}`, () => {
  let base: string;
  let lab: Lab;

  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), 'hale-lab-nodes-test-'));
    process.env['HALE_LAB_DIR'] = base;
    lab = await createLab({ name: 'lab-nodes', nodes: NODES });
    await steady(lab);
    await createWorkload(lab, {
      namespace: NAMESPACE,
      deployments: 3,
      replicas: 7,
      budget: { maxUnavailable: 1 },
      statefulReplicas: NODES,
      daemonSet: true,
      tolerationSeconds: 1,
    });
  }, TIMEOUT_MS);
  afterAll(async () => {
    await lab?.down();
    rmSync(base, { recursive: true, force: true });
    delete process.env['HALE_LAB_DIR'];
  }, TIMEOUT_MS);

  async function get<T>(...args: string[]): Promise<T> {
    const { stdout, stderr } = await kubectl(lab, 'get', '--output=json', ...args);
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as T;
  }
  const node = (name: string) => get<NodeJson>('node', name);
  const nodes = async () => (await get<{ items: NodeJson[] }>('nodes')).items;
  const pods = async (name: string) =>
    (await get<{ items: PodJson[] }>('pods', `--namespace=${NAMESPACE}`, `--field-selector=spec.nodeName=${name}`)).items;
  const workers = async () => (await nodes()).filter(({ metadata }) => 'node-role.kubernetes.io/worker' in metadata.labels);
  /** When each node's kubelet was heard last. */
  async function heartbeats(): Promise<Map<string, string>> {
    const { items } = await get<{ items: { metadata: Metadata; spec: { renewTime: string } }[] }>('leases', '--namespace=kube-node-lease');
    return new Map(items.map(({ metadata, spec }) => [metadata.name, spec.renewTime]));
  }
  /** Names of the nodes that are heard from now on, once these are among them. */
  async function heard(these: readonly string[]): Promise<string[]> {
    // A cable is cut a moment later, and what is under way then still arrives.
    await sleep(1000);
    const before = await heartbeats();
    const renewed = await becomes(`heartbeats of ${these.join(', ')}`, {
      look: async () => [...(await heartbeats())].filter(([name, time]) => time !== before.get(name)).map(([name]) => name),
      wanted: (names) => these.every((name) => names.includes(name)),
    });
    return renewed;
  }
  const isReady = async (name: string) => hasCondition(await node(name), 'Ready');
  const untilReady = (name: string, status: string) =>
    becomes(`${name} is ready: ${status}`, { look: () => isReady(name), wanted: (now) => now === status });
  async function evict(name: string): Promise<void> {
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: NAMESPACE } };
    const path = `/api/v1/namespaces/${NAMESPACE}/pods/${name}/eviction`;
    const result = await labKubectl(lab, ['create', '--raw', path, '-f', '-'], JSON.stringify(eviction));
    expect(result).toMatchObject({ code: 0 });
  }
  /** Another Pod of the StatefulSet on another node, and ready there. */
  const untilElsewhere = (pod: PodJson, than: string) =>
    becomes(`${pod.metadata.name} elsewhere`, {
      look: () => get<PodJson>('pod', `--namespace=${NAMESPACE}`, pod.metadata.name).catch(() => undefined),
      wanted: (now) =>
        now !== undefined && now.metadata.uid !== pod.metadata.uid && now.spec.nodeName !== than && hasCondition(now, 'Ready') === 'True',
    });

  test('a lab says of its nodes that kwok stands in', () => {
    expect(describeNodes(lab.plan)).toMatch(/^21 worker nodes in zones a, b, c: kwok v\d+\.\d+\.\d+ stands in for kubelets$/);
    expect(nodesInService(lab)).toHaveLength(NODES + 3);
  });

  test('nodes have what their kubelets would register, and heartbeats', async () => {
    const [first, second] = await workers();
    expect(first?.metadata.labels).toMatchObject({ 'kubernetes.io/hostname': 'node-1', 'topology.kubernetes.io/zone': 'a' });
    expect(second?.metadata.labels).toMatchObject({ 'kubernetes.io/hostname': 'node-10', 'topology.kubernetes.io/zone': 'a' });
    expect(first?.status).toMatchObject({ capacity: { cpu: '8', memory: '32Gi', pods: '110' } });
    expect(first?.status.nodeInfo.osImage).toMatch(/^kwok v/);
    const all = await nodes();
    expect(new Set(all.map(({ status }) => status.nodeInfo.bootID)).size).toBe(NODES + 3);
    expect(new Set(all.flatMap(({ status }) => status.addresses.map(({ address }) => address))).size).toBe(2 * (NODES + 3));
    expect(taintsOf(await node('cp1'))).toEqual(['node-role.kubernetes.io/control-plane:NoSchedule']);
    const { items } = await get<{ items: { spec: { leaseDurationSeconds: number } }[] }>('leases', '--namespace=kube-node-lease');
    expect(items.map(({ spec }) => spec.leaseDurationSeconds)).toEqual(Array<number>(NODES + 3).fill(40));
    await heard(all.map(({ metadata }) => metadata.name));
  });

  describe('three nodes that are no longer heard', () => {
    const [dead, unheard, broken] = ['node-1', 'node-2', 'node-3'] as const;
    const struck = [dead, unheard, broken];
    let before: Map<string, string>;
    let lives: Map<string, string>;
    let undoUnheard: () => Promise<void>;
    let undoBroken: () => Promise<void>;

    beforeAll(async () => {
      lives = new Map((await nodes()).map(({ metadata, status }) => [metadata.name, status.nodeInfo.bootID]));
      await lab.inject('node-dead', dead, { undoAfterMs: HOUR_MS });
      undoUnheard = (await lab.inject('node-dead', unheard, { undoAfterMs: HOUR_MS })).undo;
      undoBroken = (await lab.inject('node-broken', broken, { undoAfterMs: HOUR_MS })).undo;
      await heard(['node-4']);
      before = await heartbeats();
    }, TIMEOUT_MS);

    test('their Leases are renewed no more and all others go on; the controller manager calls them unreachable', async () => {
      for (const name of struck) await untilReady(name, 'Unknown');
      const now = await heartbeats();
      expect([...now].filter(([name, time]) => time === before.get(name)).map(([name]) => name)).toEqual(expect.arrayContaining(struck));
      expect((await nodes()).filter((one) => hasCondition(one, 'Ready') !== 'True').map(({ metadata }) => metadata.name)).toEqual(struck);
      await becomes('taints', {
        look: async () => taintsOf(await node(dead)),
        wanted: (taints) => taints.includes('node.kubernetes.io/unreachable:NoExecute'),
      });
    });

    test('Pods that Kubernetes evicts from them stay, while one on a node that lives ends', async () => {
      const evicted = await becomes('evicted Pods', {
        look: async () => (await pods(dead)).filter(({ metadata }) => metadata.labels['app'] !== 'agent'),
        wanted: (all) => all.length > 0 && all.every(({ metadata }) => metadata.deletionTimestamp !== undefined),
      });
      const [living] = (await pods('node-4')).filter(({ metadata }) => metadata.labels['app'] === 'data');
      await kubectl(lab, 'delete', 'pod', `--namespace=${NAMESPACE}`, living?.metadata.name as string);
      const left = (await pods(dead)).map(({ metadata }) => metadata.uid);
      expect(left).toEqual(expect.arrayContaining(evicted.map(({ metadata }) => metadata.uid)));
    });

    test('the taint out-of-service gives them up, and the StatefulSet goes on elsewhere', async () => {
      const lost = (await pods(dead)).filter(({ metadata }) => metadata.labels['app'] === 'data');
      expect(lost.length).toBeGreaterThan(0);
      await switchNode(lab, dead, 'off');
      expect(await nodePower(lab, dead)).toBe('off');
      const taint = 'node.kubernetes.io/out-of-service=nodeshutdown:NoExecute';
      expect(await kubectl(lab, 'taint', 'node', dead, taint)).toMatchObject({ code: 0 });
      for (const pod of lost) await untilElsewhere(pod, dead);
      expect((await pods(dead)).filter(({ metadata }) => metadata.labels['app'] !== 'agent')).toEqual([]);
      expect(await kubectl(lab, 'taint', 'node', dead, `${taint}-`)).toMatchObject({ code: 0 });
    });

    test('a power cycle brings a dead node back with another bootID, and not one that is broken', async () => {
      await switchNode(lab, broken, 'off');
      await switchNode(lab, broken, 'on');
      await switchNode(lab, dead, 'on');
      await untilReady(dead, 'True');
      expect((await node(dead)).status.nodeInfo.bootID).not.toBe(lives.get(dead));
      expect(await heard([dead])).not.toContain(broken);
      expect(await nodePower(lab, broken)).toBe('on');
      await becomes('no taints', { look: async () => taintsOf(await node(dead)), wanted: (taints) => taints.length === 0 });
    });

    test('when a fault is undone, the node goes on with the life that it had, and ends the Pods that it shall', async () => {
      await undoUnheard();
      await untilReady(unheard, 'True');
      expect((await node(unheard)).status.nodeInfo.bootID).toBe(lives.get(unheard));
      await becomes('the Pods that were evicted are gone, and what stayed is ready', {
        look: () => pods(unheard),
        wanted: (all) => all.every((pod) => pod.metadata.deletionTimestamp === undefined && hasCondition(pod, 'Ready') === 'True'),
      });
      await undoBroken();
      await untilReady(broken, 'True');
      expect((await node(broken)).status.nodeInfo.bootID).not.toBe(lives.get(broken));
      for (const record of lab.faults()) await lab.undo(record);
      expect(nodeStates(lab).afflictions().size).toBe(0);
    });
  });

  test('the containers of a node that is switched off and on start again', async () => {
    const agent = async () => (await pods('node-5')).find(({ metadata }) => metadata.labels['app'] === 'agent');
    const before = await agent();
    await switchNode(lab, 'node-5', 'off');
    await switchNode(lab, 'node-5', 'on');
    await becomes('the same Pod, started once more', {
      look: agent,
      wanted: (now) =>
        now?.metadata.uid === before?.metadata.uid &&
        now?.status.containerStatuses?.[0]?.restartCount === 1 &&
        hasCondition(now, 'Ready') === 'True',
    });
  });

  test('a zone without power, and half of the nodes of every zone, are not heard; who answers for their power', async () => {
    const all = (await workers()).map(({ metadata }) => metadata);
    const zone = await lab.inject('zone-dead', 'c', { undoAfterMs: HOUR_MS });
    const half = await lab.inject('half-the-nodes-unreachable', 'nodes', { undoAfterMs: HOUR_MS });
    const inZone = all.filter(({ labels }) => labels['topology.kubernetes.io/zone'] === 'c').map(({ name }) => name);
    expect(zone.record.struck.toSorted()).toEqual(inZone.toSorted());
    expect(half.record.struck).toHaveLength(10);
    const silent = new Set([...zone.record.struck, ...half.record.struck]);
    const rest = all.map(({ name }) => name).filter((name) => !silent.has(name));
    expect((await heard(rest)).filter((name) => silent.has(name))).toEqual([]);
    expect(await nodePower(lab, 'node-3')).toBe('silent');
    await expect(switchNode(lab, 'node-3', 'off')).rejects.toMatchObject({ code: 'lab_power_silent' });
    expect(await nodePower(lab, half.record.struck[0] as string)).toBe('on');
    await zone.undo();
    await half.undo();
    await heard([...silent]);
  });

  test('the timer of a fault gives the node back', async () => {
    await lab.inject('node-dead', 'node-8', { undoAfterMs: 1000 });
    expect(nodeStates(lab).afflictions().size).toBe(1);
    await becomes('nothing wrong', { look: async () => nodeStates(lab).afflictions().size, wanted: (size) => size === 0 });
    await becomes('no fault', { look: async () => lab.faults(), wanted: (faults) => faults.length === 0 });
  });

  test('a node that flaps is cut off and back by a process that ends with the fault', async () => {
    const { record, undo } = await lab.inject('node-flapping', 'node-6', { undoAfterMs: HOUR_MS });
    expect(nodeStates(lab).afflictions().get(record.id)).toEqual({ ailment: 'cut', nodes: ['node-6'] });
    expect(record.harm).toBeDefined();
    await undo();
    expect(isAlive(record.harm as ProcessIdentity)).toBe(false);
    expect(nodeStates(lab).afflictions().size).toBe(0);
  });

  test('a node or a zone that there is not is refused', async () => {
    await expect(lab.inject('node-dead', 'node-99', { undoAfterMs: HOUR_MS })).rejects.toMatchObject({ code: 'lab_fault_target_invalid' });
    await expect(lab.inject('zone-dead', 'z', { undoAfterMs: HOUR_MS })).rejects.toMatchObject({ code: 'lab_fault_target_invalid' });
    await expect(switchNode(lab, 'node-99', 'off')).rejects.toMatchObject({ code: 'lab_node_unknown' });
    expect(lab.faults()).toEqual([]);
  });

  test('hale lab node-power switches workers and control-plane hosts from inside a host; the host is another life of its node', async () => {
    const holder = await steady(lab);
    const host = another(lab, holder);
    const power = async (name: string, order: string) => {
      const argv = nodePowerCommand(lab).map((word) => word.replace('{node}', name));
      const { code, stdout, stderr } = await holder.exec([...argv, order]);
      return { code, said: stdout.trim() || stderr.trim() };
    };
    expect(await power('node-7', 'off')).toMatchObject({ code: 0 });
    expect(await power('node-7', 'state')).toEqual({ code: 0, said: 'off' });
    expect(await power('node-7', 'on')).toMatchObject({ code: 0 });
    expect(await power('node-7', 'state')).toEqual({ code: 0, said: 'on' });
    expect(await power('node-99', 'state')).toMatchObject({ code: 2, said: expect.stringContaining('has no node "node-99"') });
    const before = await node(host.name);
    expect(await power(host.name, 'state')).toEqual({ code: 0, said: 'on' });
    expect(await power(host.name, 'off')).toMatchObject({ code: 0 });
    expect(host.isOn()).toBe(false);
    expect(await power(host.name, 'state')).toEqual({ code: 0, said: 'off' });
    expect(await power(host.name, 'on')).toMatchObject({ code: 0 });
    const lives = (one: NodeJson) => one.status.nodeInfo.bootID;
    await becomes(`another life of ${host.name}`, { look: () => node(host.name), wanted: (now) => lives(now) !== lives(before) });
    await heard([host.name]);
  });

  test('the watch over budgets sees an eviction that keeps one, and a deletion that does not', async () => {
    await steady(lab);
    const ready = (app: string) => get<{ items: PodJson[] }>('pods', `--namespace=${NAMESPACE}`, `--selector=app=${app}`);
    for (const app of ['app-1', 'app-2']) {
      await becomes(`all of ${app} ready`, {
        look: async () => (await ready(app)).items,
        wanted: (all) => all.length === 7 && all.every((pod) => hasCondition(pod, 'Ready') === 'True'),
      });
    }
    await becomes('room in every budget', {
      look: async () => (await get<{ items: { status: { disruptionsAllowed: number } }[] }>('pdb', `--namespace=${NAMESPACE}`)).items,
      wanted: (budgets) => budgets.every(({ status }) => status.disruptionsAllowed === 1),
    });
    const watch = await startBudgetWatch(lab);
    const record = await (async () => {
      try {
        const [first] = (await ready('app-1')).items;
        await evict(first?.metadata.name as string);
        const [one, two] = (await ready('app-2')).items.map(({ metadata }) => metadata.name);
        await kubectl(lab, 'delete', 'pod', `--namespace=${NAMESPACE}`, '--wait=false', one as string, two as string);
        return await watch.stop();
      } finally {
        await watch.abandon();
      }
    })();
    const mine = record.violations.filter(({ budget }) => budget.startsWith(`${NAMESPACE}/`));
    expect(mine).toMatchObject([{ budget: 'work/app-2', cause: 'deletion', isVoluntary: true, healthy: 5, desired: 6 }]);
    const losses = Object.fromEntries(record.budgets.map(({ budget, losses: lost }) => [budget, lost]));
    expect(losses).toMatchObject({ 'work/app-1': { eviction: 1, deletion: 0 }, 'work/app-2': { eviction: 0, deletion: 2 } });
    expect(record.gaps).toBe(0);
  });

  test('a workload is removed with all that is in it', async () => {
    await removeWorkload(lab, NAMESPACE);
    expect((await get<{ items: PodJson[] }>('pods', '--all-namespaces')).items).toEqual([]);
  });
});

describe('a lab that can have no nodes', () => {
  test('refuses them before anything is made', async () => {
    const refuses = (options: object, code: string) => expect(createLab({ name: 'no-nodes', ...options })).rejects.toMatchObject({ code });
    await refuses({ nodes: 1001 }, 'lab_nodes_invalid');
    await refuses({ nodes: 3, zones: 0 }, 'lab_nodes_invalid');
    await refuses({ nodes: 3, kubernetes: 'stand-in' }, 'lab_nodes_need_kubernetes');
  });
});
