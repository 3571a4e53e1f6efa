/** What API servers tell of Nodes, Leases, Pods and budgets. */
import { deepEqual, ok } from 'node:assert/strict';
import { selects } from '../../../src/core/heal/facts.ts';
import { nodeOfPod, readBudget, readHeartbeat, readNode, readPod } from '../../../src/core/heal/read.ts';
import { JsonLines } from '../../../src/drivers/kubernetes/json-lines.ts';
import type { Target } from '../target.ts';

const requests = { requests: { cpu: '100m', memory: '64Mi' } };

const node = {
  metadata: { name: 'w1', uid: 'u', resourceVersion: '7', labels: { zone: 'a' }, annotations: { a: 'b' } },
  spec: { unschedulable: true, taints: [{ key: 'k', value: 'v', effect: 'NoExecute', timeAdded: '2026-11-21T19:00:00Z' }] },
  status: {
    conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'm', lastTransitionTime: '2026-11-21T19:00:00Z' }],
    addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
    nodeInfo: { bootID: 'b' },
  },
};
const pod = {
  metadata: {
    name: 'p',
    namespace: 'n',
    deletionTimestamp: '2026-11-21T19:00:00Z',
    finalizers: ['f'],
    ownerReferences: [{ kind: 'K', name: 'r', controller: true }],
    annotations: { 'kubernetes.io/config.mirror': 'h' },
  },
  spec: {
    nodeName: 'w1',
    containers: [{ resources: requests }],
    initContainers: [{ restartPolicy: 'Always', resources: requests }, { resources: { requests: { cpu: '1e3', memory: 2 } } }],
    volumes: [{ name: 'v', emptyDir: {} }],
    overhead: { cpu: '1', memory: '1Ki' },
    resources: requests,
    terminationGracePeriodSeconds: 1,
  },
  status: { phase: 'Running', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'm' }] },
};
const budget = {
  metadata: { name: 'b', namespace: 'n' },
  spec: { selector: { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'k', operator: 'NotIn', values: ['x'] }] } },
  status: { disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 },
};
const lease = { metadata: { name: 'w1' }, spec: { renewTime: '2026-11-21T19:00:10.123456Z' } };

const READERS = [readNode, readPod, readBudget, readHeartbeat];

const objects: Target = {
  name: 'node-api-objects',
  property:
    'any JSON is facts with finite numbers, which survive being written as JSON, or nothing; the selector of any budget can be asked',
  seeds: [node, pod, budget, lease].map((object) => Buffer.from(JSON.stringify(object))),
  text: true,
  run(input) {
    const object = parsed(input);
    for (const read of READERS) {
      const facts = read(object);
      // JSON has null for a number that is none.
      if (facts !== undefined) deepEqual(JSON.parse(JSON.stringify(facts)), { ...facts });
    }
    ok(readPod(object)?.node === undefined || readPod(object)?.node === nodeOfPod(object), 'a Pod that is on two nodes');
    const { cpuMilli, memoryBytes } = readPod(object)?.requests ?? { cpuMilli: 0, memoryBytes: 0 };
    ok(cpuMilli >= 0 && memoryBytes >= 0, 'a Pod that needs less than nothing');
    const selector = readBudget(object)?.selector;
    ok(selector === undefined || typeof selects(selector, { a: 'b' }) === 'boolean', 'neither yes nor no');
  },
};

const LINE_BYTES_MAX = 64;

const lines: Target = {
  name: 'json-lines',
  property: 'bytes are the same documents, or refused alike, in whatever pieces they come',
  seeds: ['{"a":1}\n{"b":"ä"}\n', '\n\n[]\n7', '"\u2028"\n', `"${'x'.repeat(61)}"\n`].map((text) => Buffer.from(text)),
  text: true,
  run(input) {
    const whole = documentsOf([Buffer.from(input)]);
    for (const size of [1, 3]) {
      const pieces = Array.from({ length: Math.ceil(input.length / size) }, (_, i) =>
        Buffer.from(input.subarray(i * size, (i + 1) * size)),
      );
      deepEqual(documentsOf(pieces), whole);
    }
  },
};

function documentsOf(pieces: readonly Buffer[]): unknown[] | undefined {
  const reader = new JsonLines({ lineBytesMax: LINE_BYTES_MAX });
  try {
    return pieces.flatMap((piece) => reader.push(piece));
  } catch {
    return undefined;
  }
}

function parsed(input: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(input).toString());
  } catch {
    return undefined;
  }
}

export const nodeApiTargets: readonly Target[] = [objects, lines];
