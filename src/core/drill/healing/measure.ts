/** What happened to nodes and Pods, from what an observer of its own saw in the API. Times in ms of one clock. */

export interface NodeSample {
  atMs: number;
  node: string;
  isGone: boolean;
  isReady: boolean;
  isCordoned: boolean;
  isOutOfService: boolean;
  /** Of the annotation; null when there is none. */
  remedy: { rule: string; startedAtMs: number; state: string } | null;
}

export interface PodSample {
  atMs: number;
  uid: string;
  /** `namespace/name`. */
  pod: string;
  /** `StatefulSet db`; empty where nobody owns it. */
  owner: string;
  node: string;
  isReady: boolean;
  isGone: boolean;
}

export interface EventSample {
  atMs: number;
  node: string;
  reason: string;
  note: string;
}

export interface HealingRecord {
  faultAtMs: number;
  undoneAtMs: number;
  endAtMs: number;
  /** Nodes that the fault strikes. */
  struck: readonly string[];
  nodes: readonly NodeSample[];
  pods: readonly PodSample[];
  /** How many Pods each owner wants ready. */
  replicas: Readonly<Record<string, number>>;
  /** What the controllers said of nodes; an Event that comes again is there as often. */
  events: readonly EventSample[];
  /** Budgets that had fewer healthy Pods than they demand because of an eviction. */
  violations: readonly string[];
  /** How often a watch lost what came between two looks. */
  gaps: number;
}

export interface HealingMeasurement {
  /** Nodes that were cordoned, tainted or given a remedy after the fault. */
  touched: string[];
  /** Under a remedy at the same time; those that have failed do not count. */
  atOnce: number;
  remedies: number;
  /** From the fault until each owner of Pods on struck nodes had all of them ready elsewhere; null when it never had. */
  replacedMs: Record<string, number | null>;
  /** From the fault until all nodes were ready, schedulable and without a mark for good; null when they were not at the end. */
  recoveredMs: number | null;
  brakes: string[];
  violations: string[];
  gaps: number;
}

export function measureHealing(record: HealingRecord): HealingMeasurement {
  const after = record.nodes.filter(({ atMs }) => atMs >= record.faultAtMs);
  const marked = after.filter(({ isCordoned, isOutOfService, remedy }) => isCordoned || isOutOfService || remedy !== null);
  const begun = new Set(after.flatMap(({ node, remedy }) => (remedy === null ? [] : [`${node} ${remedy.startedAtMs}`])));
  return {
    touched: [...new Set(marked.map(({ node }) => node))].toSorted(),
    atOnce: mostAtOnce(record.nodes),
    remedies: begun.size,
    replacedMs: replacedAfter(record),
    recoveredMs: recoveredAfter(record),
    brakes: [...new Set(record.events.flatMap(({ note }) => /^(?:refused|held before [\w-]+): ([\w-]+)/.exec(note)?.[1] ?? []))],
    violations: [...record.violations],
    gaps: record.gaps,
  };
}

function mostAtOnce(samples: readonly NodeSample[]): number {
  const busy = new Set<string>();
  let most = 0;
  for (const { node, remedy } of samples) {
    if (remedy !== null && remedy.state !== 'failed') busy.add(node);
    else busy.delete(node);
    most = Math.max(most, busy.size);
  }
  return most;
}

/** Owners that had a Pod on a struck node when the fault came. */
function replacedAfter({ pods, faultAtMs, struck, replicas }: HealingRecord): Record<string, number | null> {
  const before = lastOf(pods.filter(({ atMs }) => atMs < faultAtMs));
  const owners = new Set(before.filter(({ isGone, node }) => !isGone && struck.includes(node)).map(({ owner }) => owner));
  return Object.fromEntries(
    [...owners]
      .filter((owner) => replicas[owner] !== undefined)
      .map((owner) => {
        const readyAt = whenReady(
          pods.filter((pod) => pod.owner === owner),
          { struck, wanted: replicas[owner] as number, faultAtMs },
        );
        return [owner, readyAt === undefined ? null : readyAt - faultAtMs];
      }),
  );
}

/** The first moment after the fault at which as many Pods as wanted are ready on nodes that were not struck. */
function whenReady(
  samples: readonly PodSample[],
  { struck, wanted, faultAtMs }: { struck: readonly string[]; wanted: number; faultAtMs: number },
): number | undefined {
  const ready = new Set<string>();
  for (const { atMs, uid, node, isReady, isGone } of samples) {
    if (isReady && !isGone && !struck.includes(node)) ready.add(uid);
    else ready.delete(uid);
    if (atMs >= faultAtMs && ready.size >= wanted) return atMs;
  }
  return undefined;
}

function recoveredAfter({ nodes, faultAtMs }: HealingRecord): number | null {
  const sick = new Set<string>();
  let wellSince: number | null = faultAtMs;
  for (const { atMs, node, isGone, isReady, isCordoned, isOutOfService, remedy } of nodes) {
    if (isGone || (isReady && !isCordoned && !isOutOfService && remedy === null)) sick.delete(node);
    else sick.add(node);
    if (sick.size > 0) wellSince = null;
    else wellSince ??= atMs;
  }
  return wellSince === null ? null : Math.max(0, wellSince - faultAtMs);
}

function lastOf(samples: readonly PodSample[]): PodSample[] {
  return [...new Map(samples.map((sample) => [sample.uid, sample])).values()];
}
