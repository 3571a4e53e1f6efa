/**
 * Objects of the Kubernetes API, as JSON.parse made them, to what healing looks at. Undefined where one has no name; whatever else is absent or odd has
 * its default. Made for a hundred a second: nothing is copied that can be kept, and nothing is kept that is not looked at.
 */
import { isMapping, type Mapping, mappingAt, mappingsAt, numberAt, pairsAt, textAt, textsAt, timeAt } from '../apiserver/json.ts';
import type { BudgetFacts, ConditionStatus, Heartbeat, LabelSelector, Labels, NodeCondition, NodeFacts, PodFacts, Taint } from './facts.ts';
import { podRequests } from './pod-requests.ts';

/** What kubectl applied last: a copy of the object, which tells nothing more. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** kubelet, pkg/types: set on the API's picture of a Pod that it runs from a file. */
const MIRROR = 'kubernetes.io/config.mirror';
/** The API's own default, for a Pod that says nothing. */
const GRACE_SECONDS = 30;

export function readNode(object: unknown): NodeFacts | undefined {
  const metadata = metadataOf(object);
  if (metadata === undefined) return undefined;
  const { spec, status } = partsOf(object as Mapping);
  return {
    name: textAt(metadata, 'name'),
    uid: textAt(metadata, 'uid'),
    version: textAt(metadata, 'resourceVersion'),
    labels: pairsAt(metadata, 'labels'),
    annotations: annotationsOf(metadata),
    unschedulable: spec['unschedulable'] === true,
    taints: mappingsAt(spec, 'taints').map(readTaint),
    conditions: mappingsAt(status, 'conditions').map(readCondition),
    bootId: textAt(mappingAt(status, 'nodeInfo'), 'bootID'),
    internalIp: internalIpOf(status),
  };
}

/** From a Lease of kube-node-lease, which has its node's name. 0 where it was never renewed. */
export function readHeartbeat(object: unknown): Heartbeat | undefined {
  const metadata = metadataOf(object);
  if (metadata === undefined) return undefined;
  return { node: textAt(metadata, 'name'), renewedAtMs: timeAt(mappingAt(object as Mapping, 'spec'), 'renewTime') ?? 0 };
}

export function readPod(object: unknown): PodFacts | undefined {
  const metadata = metadataOf(object);
  if (metadata === undefined) return undefined;
  const { spec, status } = partsOf(object as Mapping);
  const conditions = mappingsAt(status, 'conditions');
  return {
    namespace: textAt(metadata, 'namespace'),
    name: textAt(metadata, 'name'),
    uid: textAt(metadata, 'uid'),
    node: textAt(spec, 'nodeName'),
    labels: pairsAt(metadata, 'labels'),
    owner: ownerOf(metadata),
    isMirror: mappingAt(metadata, 'annotations')[MIRROR] !== undefined,
    emptyDirs: mappingsAt(spec, 'volumes').flatMap((volume) => (isMapping(volume['emptyDir']) ? textAt(volume, 'name') : [])),
    phase: phaseOf(status),
    isReady: conditions.some((condition) => condition['type'] === 'Ready' && condition['status'] === 'True'),
    deletionAtMs: timeAt(metadata, 'deletionTimestamp') ?? null,
    graceSeconds: numberAt(spec, 'terminationGracePeriodSeconds') ?? GRACE_SECONDS,
    finalizers: textsAt(metadata, 'finalizers'),
    unschedulable: unschedulableOf(conditions),
    requests: podRequests(spec),
  };
}

/** Of a Pod of the API, without reading the rest; empty until it is scheduled. */
export function nodeOfPod(object: unknown): string {
  return isMapping(object) ? textAt(mappingAt(object, 'spec'), 'nodeName') : '';
}

export function readBudget(object: unknown): BudgetFacts | undefined {
  const metadata = metadataOf(object);
  if (metadata === undefined) return undefined;
  const { spec, status } = partsOf(object as Mapping);
  return {
    namespace: textAt(metadata, 'namespace'),
    name: textAt(metadata, 'name'),
    selector: readSelector(spec['selector']),
    disruptionsAllowed: numberAt(status, 'disruptionsAllowed') ?? 0,
    currentHealthy: numberAt(status, 'currentHealthy') ?? 0,
    desiredHealthy: numberAt(status, 'desiredHealthy') ?? 0,
    expectedPods: numberAt(status, 'expectedPods') ?? 0,
    unhealthyPods: spec['unhealthyPodEvictionPolicy'] === 'AlwaysAllow' ? 'AlwaysAllow' : 'IfHealthyBudget',
  };
}

/** Undefined where it has no name: an object without one does not exist. */
function metadataOf(object: unknown): Mapping | undefined {
  if (!isMapping(object)) return undefined;
  const metadata = mappingAt(object, 'metadata');
  return textAt(metadata, 'name') === '' ? undefined : metadata;
}

function partsOf(object: Mapping): { spec: Mapping; status: Mapping } {
  return { spec: mappingAt(object, 'spec'), status: mappingAt(object, 'status') };
}

function annotationsOf(metadata: Mapping): Labels {
  const all = pairsAt(metadata, 'annotations');
  if (all[LAST_APPLIED] === undefined) return all;
  const { [LAST_APPLIED]: _copy, ...own } = all;
  return own;
}

/** One of an effect that is not known yet is kept: whoever writes the list back must not lose it. */
function readTaint(taint: Mapping): Taint {
  const timeAdded = textAt(taint, 'timeAdded');
  return {
    key: textAt(taint, 'key'),
    value: textAt(taint, 'value'),
    effect: textAt(taint, 'effect') as Taint['effect'],
    ...(timeAdded === '' ? {} : { timeAdded }),
  };
}

function readCondition(condition: Mapping): NodeCondition {
  return {
    type: textAt(condition, 'type'),
    status: statusOf(condition),
    reason: textAt(condition, 'reason'),
    message: textAt(condition, 'message'),
    changedAtMs: timeAt(condition, 'lastTransitionTime') ?? 0,
  };
}

function statusOf({ status }: Mapping): ConditionStatus {
  return status === 'True' || status === 'False' ? status : 'Unknown';
}

/** The first, which is the primary one where a node has two families. */
function internalIpOf(status: Mapping): string | null {
  const address = mappingsAt(status, 'addresses').find(({ type }) => type === 'InternalIP');
  return address === undefined ? null : textAt(address, 'address') || null;
}

function ownerOf(metadata: Mapping): PodFacts['owner'] {
  const owner = mappingsAt(metadata, 'ownerReferences').find(({ controller }) => controller === true);
  return owner === undefined ? null : { kind: textAt(owner, 'kind'), name: textAt(owner, 'name') };
}

const PHASES: readonly unknown[] = ['Pending', 'Running', 'Succeeded', 'Failed'];

function phaseOf({ phase }: Mapping): PodFacts['phase'] {
  return PHASES.includes(phase) ? (phase as PodFacts['phase']) : 'Unknown';
}

function unschedulableOf(conditions: readonly Mapping[]): string | null {
  const condition = conditions.find(
    ({ type, status, reason }) => type === 'PodScheduled' && status === 'False' && reason === 'Unschedulable',
  );
  return condition === undefined ? null : textAt(condition, 'message');
}

/** kubernetes.io, "PodDisruptionBudget v1 policy": one without a selector is for no Pods. */
const NONE: LabelSelector = { matchLabels: {}, matchExpressions: [{ key: '', operator: 'In', values: [] }] };

function readSelector(selector: unknown): LabelSelector {
  if (!isMapping(selector)) return NONE;
  return {
    matchLabels: pairsAt(selector, 'matchLabels'),
    matchExpressions: mappingsAt(selector, 'matchExpressions').map((expression) => ({
      key: textAt(expression, 'key'),
      operator: textAt(expression, 'operator') as LabelSelector['matchExpressions'][number]['operator'],
      values: textsAt(expression, 'values'),
    })),
  };
}
