/** The watch over nodes as a program of its own in the client's host: what it sees does not come from whoever heals. Speaks like the probe: options in, `ready`, `stop`, `end`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { EventSample, HealingRecord, NodeSample, PodSample } from '../../core/drill/healing/measure.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { Collection } from '../budgets/collection.ts';
import { serve } from '../probe/serve.ts';
import type { HealingWatchOptions } from './options.ts';

interface Metadata {
  namespace?: string;
  name: string;
  uid: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  deletionTimestamp?: string;
}

interface Conditions {
  conditions?: { type: string; status: string }[];
}

interface NodeJson {
  metadata: Metadata;
  spec: { unschedulable?: boolean; taints?: { key: string }[] };
  status?: Conditions;
}

interface PodJson {
  metadata: Metadata;
  spec: { nodeName?: string };
  status?: Conditions;
}

interface EventJson {
  regarding?: { kind?: string; name?: string };
  reason?: string;
  note?: string;
  reportingController?: string;
}

await serve<HealingWatchOptions>(async (options, { ready, stopped }) => {
  const [ca, cert, key] = [options.caFile, options.certFile, options.keyFile].map((file) => readFileSync(file));
  const secureContext = createSecureContext({ ca, cert, key });
  const target = { host: options.address, port: options.port, servername: options.serverName, secureContext };
  const common = { target, now: boottime.now };
  const nodes: NodeSample[] = [];
  const pods: PodSample[] = [];
  const events: EventSample[] = [];
  const [seenNodes, seenPods] = [new Map<string, NodeSample>(), new Map<string, PodSample>()];
  const note = <T extends { atMs: number; isGone: boolean }>(
    list: T[],
    seen: Map<string, T>,
    { id, sample }: { id: string; sample: T },
  ): void => {
    list.push(sample);
    if (sample.isGone) seen.delete(id);
    else seen.set(id, sample);
  };
  const noteNode = (sample: NodeSample) => note(nodes, seenNodes, { id: sample.node, sample });
  const notePod = (sample: PodSample) => note(pods, seenPods, { id: sample.uid, sample });
  const collections = [
    new Collection<NodeJson>({
      ...common,
      path: '/api/v1/nodes',
      sink: {
        replaced: (all, atMs) => {
          const there = new Set(all.map(({ metadata }) => metadata.name));
          for (const gone of [...seenNodes.values()].filter(({ node }) => !there.has(node))) noteNode({ ...gone, atMs, isGone: true });
          for (const one of all) noteNode(nodeSample(one, atMs));
        },
        changed: (one, atMs) => noteNode(nodeSample(one, atMs)),
        removed: (one, atMs) => noteNode({ ...nodeSample(one, atMs), isGone: true }),
      },
    }),
    ...options.namespaces.map(
      (namespace) =>
        new Collection<PodJson>({
          ...common,
          path: `/api/v1/namespaces/${namespace}/pods`,
          sink: {
            replaced: (all, atMs) => {
              const there = new Set(all.map(({ metadata }) => metadata.uid));
              const gone = [...seenPods.values()].filter(({ uid, pod }) => pod.startsWith(`${namespace}/`) && !there.has(uid));
              for (const one of gone) notePod({ ...one, atMs, isGone: true });
              for (const one of all) notePod(podSample(one, atMs));
            },
            changed: (one, atMs) => notePod(podSample(one, atMs)),
            removed: (one, atMs) => notePod({ ...podSample(one, atMs), isGone: true }),
          },
        }),
    ),
    new Collection<EventJson & { metadata: Metadata }>({
      ...common,
      path: '/apis/events.k8s.io/v1/namespaces/default/events',
      sink: {
        replaced: () => undefined,
        changed: ({ regarding, reason = '', note: text = '', reportingController }, atMs) => {
          if (reportingController?.startsWith('hale.dev/')) events.push({ atMs, node: regarding?.name ?? '', reason, note: text });
        },
        removed: () => undefined,
      },
    }),
  ];
  await Promise.all(collections.map(({ listed }) => listed));
  ready();
  await stopped;
  const seen: SeenByWatch = { nodes, pods, events, gaps: collections.reduce((sum, { gaps }) => sum + gaps, 0) };
  writeFileSync(options.outFile, JSON.stringify(seen));
});

export type SeenByWatch = Pick<HealingRecord, 'nodes' | 'pods' | 'events' | 'gaps'>;

function isTrue({ conditions = [] }: Conditions = {}): boolean {
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

function nodeSample({ metadata, spec, status }: NodeJson, atMs: number): NodeSample {
  const remedy = metadata.annotations?.['heal.hale.dev/remedy'];
  return {
    atMs,
    node: metadata.name,
    isGone: false,
    isReady: isTrue(status),
    isCordoned: spec.unschedulable === true,
    isOutOfService: spec.taints?.some(({ key }) => key === 'node.kubernetes.io/out-of-service') === true,
    remedy: remedy === undefined ? null : (JSON.parse(remedy) as NodeSample['remedy']),
  };
}

function podSample({ metadata, spec, status }: PodJson, atMs: number): PodSample {
  const { namespace = '', name, uid, labels, deletionTimestamp } = metadata;
  return {
    atMs,
    uid,
    pod: `${namespace}/${name}`,
    owner: `${namespace}/${labels?.['app'] ?? ''}`,
    node: spec.nodeName ?? '',
    isReady: isTrue(status) && deletionTimestamp === undefined,
    isGone: false,
  };
}
