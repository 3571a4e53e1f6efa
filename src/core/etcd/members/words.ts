import { HaleError } from '../../../base/error.ts';
import type { MemberAction } from './step.ts';

const fail = (code: string, message: string, remedy: string, cause: Error) =>
  new HaleError({ code, kind: 'world', message, remedy, cause });

/** How etcd 3.4 to 3.7 begin each refusal (etcd, api/v3rpc/rpctypes/error.go). */
const SAYS = {
  unhealthy: 'unhealthy cluster',
  notStarted: 're-configuration failed due to not enough started members',
  notInSync: 'can only promote a learner member which is in sync with leader',
  notLearner: 'can only promote a learner member',
  tooManyLearners: 'too many learner members',
  urlTaken: 'Peer URLs already exists',
  idTaken: 'member ID already exist',
  notFound: 'member not found',
} as const;

/**
 * Whether the same may succeed a moment later: etcd trusts its connections when they are 5 s old, and learners that have caught up; and an id is made of URLs and
 * the second, so what was removed in the same second cannot be added again.
 */
export function isPassingRefusal(error: unknown, action: MemberAction['kind']): boolean {
  const message = error instanceof Error ? error.message : '';
  const passing = [SAYS.unhealthy, SAYS.notInSync, ...(action === 'add' ? [SAYS.notFound] : [])];
  return passing.some((words) => message.includes(words));
}

/** etcd's refusal of a change of members in clear words, with the way out; another error as it is. */
export function memberRefusal(error: Error): Error {
  const { message } = error;
  const says = (words: string) => message.includes(words);
  if (says(SAYS.unhealthy) || says(SAYS.notStarted)) {
    return fail(
      'etcd_refused_unhealthy',
      `etcd changes no members while some of them do not reach each other: ${message}`,
      'every voter must run, and be connected to the others for 5 s: see hale etcd member list, and remove dead members before others are added',
      error,
    );
  }
  if (says(SAYS.notInSync)) {
    return fail(
      'etcd_learner_behind',
      `the learner has not yet received what the others have: ${message}`,
      'see that it runs and reaches the leader, then run the command again',
      error,
    );
  }
  if (says(SAYS.tooManyLearners)) {
    return fail(
      'etcd_learner_present',
      `etcd takes one learner at a time: ${message}`,
      'finish or undo the change that is under way: hale etcd member list',
      error,
    );
  }
  if (says(SAYS.urlTaken) || says(SAYS.idTaken) || says(SAYS.notFound) || says(SAYS.notLearner)) {
    return fail(
      'etcd_members_differ',
      `somebody else changed members meanwhile: ${message}`,
      'see hale etcd member list, then run the command again',
      error,
    );
  }
  return error;
}
