/** Nodes, Pods, budgets and policies as healing sees them, with what a test wants different. */
import { type HealPolicy, type HealRule, healPolicySchema } from '../../../src/core/cluster/heal.ts';
import type { EtcdMemberView, EtcdView } from '../../../src/core/etcd/view.ts';
import { quorumOf } from '../../../src/core/etcd/quorum.ts';
import type { BudgetFacts, ConditionStatus, NodeFacts, PodFacts } from '../../../src/core/heal/facts.ts';
import { encodeRemedy, REMEDY, type RemedyRecord } from '../../../src/core/heal/record.ts';
import { type Seen } from '../../../src/core/heal/sight.ts';

export const WALL_MS = Date.UTC(2026, 0, 5, 12);

export function node(name: string, over: Partial<NodeFacts> = {}): NodeFacts {
  return {
    name,
    uid: `uid-${name}`,
    version: '100',
    labels: {},
    annotations: {},
    unschedulable: false,
    taints: [],
    conditions: [condition('Ready', 'True')],
    bootId: 'boot-1',
    internalIp: null,
    ...over,
  };
}

export const controlPlane = (name: string, over: Partial<NodeFacts> = {}): NodeFacts =>
  node(name, { labels: { 'node-role.kubernetes.io/control-plane': '' }, ...over });

export function condition(type: string, status: ConditionStatus) {
  return { type, status, reason: '', message: '', changedAtMs: 0 };
}

export function record(over: Partial<RemedyRecord> = {}): RemedyRecord {
  return {
    rule: 'unreachable',
    why: 'its heartbeat is missing for 40 s',
    startedAtMs: WALL_MS,
    steps: ['cordon', 'power-off', 'out-of-service', 'power-on'],
    step: 0,
    stepAtMs: WALL_MS,
    failures: 0,
    state: 'working',
    problem: '',
    cordoned: true,
    tainted: false,
    bootId: 'boot-1',
    ...over,
  };
}

/** The annotations of a node under this remedy. */
export const under = (over: Partial<RemedyRecord> = {}): { annotations: Record<string, string> } => ({
  annotations: { [REMEDY]: encodeRemedy(record(over)) },
});

export function seen(facts: NodeFacts, over: Partial<Seen> = {}): Seen {
  return { facts, heartbeat: { renewedAtMs: 1, at: 0 }, since: new Map(), healthySince: undefined, ...over };
}

export const policy = (over: Record<string, unknown> = {}): HealPolicy => healPolicySchema.parse(over);

export const DEADLOCK: HealRule = {
  name: 'deadlock',
  when: [{ condition: 'KernelDeadlock', status: ['True'], forSeconds: 60 }],
  steps: ['cordon', 'drain', 'reboot'],
  labels: [],
  windows: [],
};

export const SILENT: HealRule = {
  name: 'unreachable',
  when: [{ heartbeat: 'missing', forSeconds: 40 }],
  steps: ['cordon', 'power-off', 'out-of-service', 'power-on'],
  labels: [],
  windows: [],
};

export function pod(name: string, over: Partial<PodFacts> = {}): PodFacts {
  return {
    namespace: 'shop',
    name,
    uid: `uid-${name}`,
    node: 'n1',
    labels: { app: 'web' },
    owner: { kind: 'ReplicaSet', name: 'web-1' },
    isMirror: false,
    emptyDirs: [],
    phase: 'Running',
    isReady: true,
    deletionAtMs: null,
    graceSeconds: 30,
    finalizers: [],
    unschedulable: null,
    requests: { cpuMilli: 0, memoryBytes: 0 },
    ...over,
  };
}

export function budget(name: string, over: Partial<BudgetFacts> = {}): BudgetFacts {
  return {
    namespace: 'shop',
    name,
    selector: { matchLabels: { app: 'web' }, matchExpressions: [] },
    disruptionsAllowed: 1,
    currentHealthy: 3,
    desiredHealthy: 2,
    expectedPods: 3,
    unhealthyPods: 'IfHealthyBudget',
    ...over,
  };
}

/** Members of etcd by name; those of `dead` do not answer. */
export function etcd(names: readonly string[], options: { dead?: readonly string[]; ips?: readonly string[] } = {}): EtcdView {
  const { dead = [], ips } = options;
  const members = names.map((name, i): EtcdMemberView => {
    const url = `https://${ips?.[i] ?? `192.0.2.${i + 1}`}:2379`;
    const isDead = dead.includes(name);
    const status = { memberId: `${i}`, leaderId: '0', raftIndex: 9, raftTerm: 2, raftAppliedIndex: 9 } as unknown as NonNullable<
      EtcdMemberView['status']
    >;
    return {
      id: `${i}`,
      name,
      peerUrls: [url.replace('2379', '2380')],
      clientUrls: [url],
      isLearner: false,
      isLeader: i === 0 && !isDead,
      url,
      status: isDead ? null : status,
      roundTripMs: isDead ? null : 1,
      lag: isDead ? null : 0,
      problem: isDead ? 'no answer' : null,
    };
  });
  return { members, leader: members[0] ?? null, quorum: quorumOf(names.length, names.length - dead.length), others: [] };
}
