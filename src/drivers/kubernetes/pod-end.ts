import { isMapping, mappingAt, mappingsAt, numberAt, textAt } from '../../core/apiserver/json.ts';
import { refusalText } from '../../core/apiserver/refusal.ts';
import { printable } from '../../base/printable.ts';
import type { KubernetesAnswer } from '../../ports/kubernetes.ts';
import type { EvictResult } from '../../ports/node-api.ts';

/** What became of a Pod whose end was asked for, by eviction or deletion (kubernetes.io, "API-initiated Eviction"; registry/core/pod/storage/eviction.go). */
export function readPodEnd(answer: KubernetesAnswer): EvictResult {
  const { status, body } = answer;
  const message = isMapping(body) ? textAt(body, 'message') : '';
  if (status >= 200 && status < 300) return { kind: 'accepted' };
  // 409: the UID in the precondition is not that of the Pod that has this name now.
  if (status === 404 || (status === 409 && message.includes('precondition'))) return { kind: 'gone' };
  // 500: more than one budget, which nobody but a person can mend. 504: so many Pods of one budget at once that the server gave up for now.
  const isBudget = /more than one PodDisruptionBudget|couldn't update PodDisruptionBudget/.test(message);
  return status === 429 || isBudget ? blocked(answer) : { kind: 'failed', reason: refusalText(answer) };
}

function blocked(answer: KubernetesAnswer): EvictResult {
  const body = isMapping(answer.body) ? answer.body : {};
  const details = mappingAt(body, 'details');
  const cause = mappingsAt(details, 'causes').find(({ reason }) => reason === 'DisruptionBudget');
  const said = cause === undefined ? textAt(body, 'message') : textAt(cause, 'message');
  const budget = /disruption budget (\S+) |PodDisruptionBudget "([^"]+)"/.exec(said);
  const seconds = numberAt(details, 'retryAfterSeconds');
  return {
    kind: 'blocked',
    budget: budget?.[1] ?? budget?.[2],
    reason: cause === undefined ? refusalText(answer) : printable(said),
    retryAfterMs: seconds === undefined || seconds <= 0 ? answer.retryAfterMs : seconds * 1000,
  };
}
