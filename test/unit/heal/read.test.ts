import { describe, expect, test } from 'vitest';
import { type LabelSelector, selects } from '../../../src/core/heal/facts.ts';
import { nodeOfPod, readBudget, readHeartbeat, readNode, readPod } from '../../../src/core/heal/read.ts';

const ODD = [
  undefined,
  null,
  7,
  'text',
  [],
  {},
  { metadata: null },
  { metadata: [] },
  { metadata: { name: 7 } },
  { metadata: { name: '' } },
];

describe('what has no name is nothing', () => {
  test.each<[string, (object: unknown) => unknown]>([
    ['Node', readNode],
    ['Lease', readHeartbeat],
    ['Pod', readPod],
    ['PodDisruptionBudget', readBudget],
  ])('%s', (_, read) => {
    expect(ODD.map(read)).toEqual(ODD.map(() => undefined));
  });
});

describe('Node', () => {
  test('what is looked at, and nothing else', () => {
    const taints = [
      { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: '2026-11-21T19:00:00Z' },
      { key: 'gpu', value: 'a', effect: 'NoSchedule' },
    ];
    const ready = { type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' };
    const node = readNode({
      metadata: {
        name: 'w1',
        uid: 'u1',
        resourceVersion: '77',
        labels: { zone: 'a' },
        annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', 'hale.dev/hold': '' },
        managedFields: [{ manager: 'kubelet' }],
      },
      spec: { unschedulable: true, taints, podCIDR: '10.0.0.0/24' },
      status: {
        conditions: [{ ...ready, lastHeartbeatTime: '2026-11-21T18:00:00Z', lastTransitionTime: '2026-11-21T19:00:01Z' }],
        addresses: [
          { type: 'Hostname', address: 'w1' },
          { type: 'InternalIP', address: '10.0.0.21' },
          { type: 'InternalIP', address: 'fd00::21' },
        ],
        nodeInfo: { bootID: 'b1', kubeletVersion: 'v1.36.4' },
        images: [{ names: ['registry.example/a'] }],
      },
    });
    expect(node).toEqual({
      name: 'w1',
      uid: 'u1',
      version: '77',
      labels: { zone: 'a' },
      annotations: { 'hale.dev/hold': '' },
      unschedulable: true,
      taints: [{ ...taints[0], value: '' }, taints[1]],
      conditions: [{ ...ready, changedAtMs: Date.UTC(2026, 10, 21, 19, 0, 1) }],
      bootId: 'b1',
      internalIp: '10.0.0.21',
    });
  });

  test('one that has just been made has defaults, and so has one that is odd everywhere', () => {
    const defaults = { labels: {}, annotations: {}, unschedulable: false, taints: [], conditions: [], bootId: '', internalIp: null };
    expect(readNode({ metadata: { name: 'w1', uid: 'u1', resourceVersion: '1' } })).toEqual({
      name: 'w1',
      uid: 'u1',
      version: '1',
      ...defaults,
    });
    const odd = { metadata: { name: 'w1', labels: ['a'], annotations: { a: 1, b: 'c' } }, spec: { taints: [null, 'x'] }, status: [] };
    expect(readNode(odd)).toEqual({ name: 'w1', uid: '', version: '', ...defaults, annotations: { b: 'c' } });
    expect(readNode({ metadata: { name: 'w1' }, status: { conditions: [{ status: 'Maybe', lastTransitionTime: 'x' }] } })).toMatchObject({
      conditions: [{ type: '', status: 'Unknown', reason: '', message: '', changedAtMs: 0 }],
    });
  });
});

describe('Lease', () => {
  test('its node, and when it was renewed, to the millisecond', () => {
    const lease = { metadata: { name: 'w1', namespace: 'kube-node-lease' }, spec: { renewTime: '2026-11-21T19:00:00.123456Z' } };
    expect(readHeartbeat(lease)).toEqual({ node: 'w1', renewedAtMs: Date.UTC(2026, 10, 21, 19, 0, 0, 123) });
  });

  test.each([{}, { spec: {} }, { spec: { renewTime: null } }, { spec: { renewTime: 'soon' } }])('never renewed: %o', (rest) => {
    expect(readHeartbeat({ metadata: { name: 'w1' }, ...rest })).toEqual({ node: 'w1', renewedAtMs: 0 });
  });
});

describe('Pod', () => {
  const pod = (parts: { metadata?: object; spec?: object; status?: object }) =>
    readPod({ ...parts, metadata: { name: 'p', namespace: 'n', uid: 'u', ...parts.metadata } });

  test('what is looked at, and nothing else', () => {
    const found = pod({
      metadata: {
        labels: { app: 'a' },
        annotations: { 'kubernetes.io/config.mirror': 'hash' },
        ownerReferences: [
          { kind: 'ConfigMap', name: 'c' },
          { kind: 'ReplicaSet', name: 'r', controller: true },
        ],
        deletionTimestamp: '2026-11-21T19:00:30Z',
        finalizers: ['example.com/f'],
        managedFields: [],
      },
      spec: {
        nodeName: 'w1',
        terminationGracePeriodSeconds: 0,
        volumes: [
          { name: 'cache', emptyDir: {} },
          { name: 'config', configMap: { name: 'c' } },
          { name: 'shm', emptyDir: { medium: 'Memory' } },
        ],
      },
      status: {
        phase: 'Running',
        conditions: [
          { type: 'PodScheduled', status: 'True' },
          { type: 'Ready', status: 'True' },
        ],
      },
    });
    expect(found).toEqual({
      namespace: 'n',
      name: 'p',
      uid: 'u',
      node: 'w1',
      labels: { app: 'a' },
      owner: { kind: 'ReplicaSet', name: 'r' },
      isMirror: true,
      emptyDirs: ['cache', 'shm'],
      phase: 'Running',
      isReady: true,
      deletionAtMs: Date.UTC(2026, 10, 21, 19, 0, 30),
      graceSeconds: 0,
      finalizers: ['example.com/f'],
      unschedulable: null,
      requests: { cpuMilli: 0, memoryBytes: 0 },
    });
  });

  test('what is absent or odd has defaults', () => {
    const identity = { namespace: 'n', name: 'p', uid: 'u', labels: {}, owner: null, finalizers: [], isMirror: false, emptyDirs: [] };
    const state = { node: '', phase: 'Unknown', isReady: false, deletionAtMs: null, graceSeconds: 30, unschedulable: null };
    const defaults = { ...identity, ...state, requests: { cpuMilli: 0, memoryBytes: 0 } };
    expect(pod({})).toEqual(defaults);
    expect(
      pod({
        metadata: { ownerReferences: [{ kind: 'ReplicaSet', name: 'r', controller: 'true' }, null], finalizers: [7] },
        spec: { volumes: [null, { name: 'a', emptyDir: null }], containers: 'none', terminationGracePeriodSeconds: '1' },
        status: { phase: 'Napping', conditions: [{ type: 'Ready', status: 'False' }, 7] },
      }),
    ).toEqual(defaults);
  });

  test('why it has no node: only what the scheduler found, not that a gate holds it back', () => {
    const scheduled = (reason: string) =>
      pod({ status: { conditions: [{ type: 'PodScheduled', status: 'False', reason, message: '0/3 nodes are available' }] } });
    expect(scheduled('Unschedulable')?.unschedulable).toBe('0/3 nodes are available');
    expect(scheduled('SchedulingGated')?.unschedulable).toBeNull();
  });

  test('of one that is not wanted, only its node is read', () => {
    expect(nodeOfPod({ spec: { nodeName: 'w1' } })).toBe('w1');
    expect([undefined, {}, { spec: {} }, { spec: { nodeName: 1 } }].map(nodeOfPod)).toEqual(['', '', '', '']);
  });

  const container = (cpu?: unknown, memory?: unknown, more: object = {}) => ({ ...more, resources: { requests: { cpu, memory } } });
  const sidecar = { restartPolicy: 'Always' };

  test.each<[string, object, [cpuMilli: number, memoryBytes: number]]>([
    ['the sum of its containers', { containers: [container('100m', '64Mi'), container('1', '1e3'), {}] }, [1100, 64 * 2 ** 20 + 1000]],
    [
      'an init container that needs more than all of them',
      { containers: [container('1', '1')], initContainers: [container('3', '0.5k')] },
      [3000, 500],
    ],
    ['sidecars beside the containers', { containers: [container('1')], initContainers: [container('500m', '2', sidecar)] }, [1500, 2]],
    [
      'an init container beside the sidecars that began before it, and not those after it',
      { containers: [container('1')], initContainers: [container('2', 0, sidecar), container('3'), container('1', 0, sidecar)] },
      [5000, 0],
    ],
    ['what is set for the Pod instead', { containers: [container('1', '1Mi')], resources: { requests: { cpu: '250m' } } }, [250, 2 ** 20]],
    [
      'the overhead of its runtime',
      { containers: [container('0.1', 7)], overhead: { cpu: '50m', memory: '120Mi' } },
      [150, 120 * 2 ** 20 + 7],
    ],
    ['parts rounded up, and binary fractions not', { containers: [container('1.1', '1.5'), container('1n', '100m')] }, [1101, 2]],
    ['nothing for what is no quantity, or is negative', { containers: [container('lots', '-1'), container(null, {})] }, [0, 0]],
  ])('requests: %s', (_, spec, [cpuMilli, memoryBytes]) => {
    expect(pod({ spec })?.requests).toEqual({ cpuMilli, memoryBytes });
  });
});

describe('PodDisruptionBudget', () => {
  const budget = (spec: object, status: object = {}) => readBudget({ metadata: { name: 'b', namespace: 'n' }, spec, status });

  test('what it allows', () => {
    const matchExpressions = [{ key: 'tier', operator: 'In', values: ['a', 'b'] }];
    const counts = { disruptionsAllowed: 1, currentHealthy: 3, desiredHealthy: 2, expectedPods: 4 };
    const spec = { minAvailable: 2, selector: { matchLabels: { app: 'a' }, matchExpressions }, unhealthyPodEvictionPolicy: 'AlwaysAllow' };
    expect(budget(spec, { ...counts, observedGeneration: 1 })).toEqual({
      namespace: 'n',
      name: 'b',
      selector: { matchLabels: { app: 'a' }, matchExpressions },
      ...counts,
      unhealthyPods: 'AlwaysAllow',
    });
  });

  test('without a status it allows nothing; without a selector it is for no Pods, with an empty one for all', () => {
    const none = budget({});
    expect(none).toMatchObject({
      disruptionsAllowed: 0,
      currentHealthy: 0,
      desiredHealthy: 0,
      expectedPods: 0,
      unhealthyPods: 'IfHealthyBudget',
    });
    const labels = { app: 'a' };
    expect(selects(none?.selector as LabelSelector, labels)).toBe(false);
    expect(selects(none?.selector as LabelSelector, {})).toBe(false);
    expect(selects(budget({ selector: {} })?.selector as LabelSelector, labels)).toBe(true);
    expect(
      selects(budget({ selector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] } })?.selector as LabelSelector, labels),
    ).toBe(true);
  });
});
