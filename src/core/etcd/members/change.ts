import { HaleError } from '../../../base/error.ts';
import { isAlive, isInSync, isPending } from './state.ts';
import { alarmsOf, type EtcdAlarm } from '../alarms.ts';
import { arithmeticText, isSamePlace, type MemberAction, type MemberRef, type MemberStep, memberText, stepText } from './step.ts';
import type { MemberTarget } from './target.ts';
import { type Quorum, quorumOf } from '../quorum.ts';
import { quorumRefusal } from '../refusal.ts';
import type { EtcdMemberView, EtcdView } from '../view.ts';

/** What is left to do, in order. Nothing when the members are what they are to be. */
export interface MemberPlan {
  steps: MemberStep[];
  warnings: string[];
}

const fail = (code: string, message: string, remedy: string) => new HaleError({ code, kind: 'world', message, remedy });

/**
 * The steps from what is to what is wanted, or why not. After each step a majority of the voters is alive; a dead member is removed before another is added; what is
 * added is a learner until it is in sync; and there is never more than one member without a vote.
 */
export function planMemberChange(view: EtcdView, target: MemberTarget): MemberPlan | HaleError {
  const leaving = view.members.find(({ id }) => id === target.leaving?.id);
  const coming = target.coming && view.members.find((member) => isComing(member, target));
  const found: Found = { view, target, leaving, coming };
  const refusal = soundness(found) ?? (leaving && leavingRefusal(leaving, found)) ?? (target.coming && comingRefusal(target.coming, found));
  return refusal ?? walk(order(found), found);
}

/** A view and the members in it that the target means. */
interface Found {
  view: EtcdView;
  target: MemberTarget;
  leaving: EtcdMemberView | undefined;
  coming: EtcdMemberView | undefined;
}

type Coming = NonNullable<MemberTarget['coming']>;

function isComing({ id, peerUrls }: EtcdMemberView, { leaving, coming }: MemberTarget): boolean {
  return coming !== undefined && id !== leaving?.id && isSamePlace(peerUrls, coming.peerUrls);
}

/** What forbids every change, or this one beside another. */
function soundness({ view, target, leaving, coming }: Found): HaleError | undefined {
  const { members } = view;
  const without = quorumRefusal(view);
  if (without !== null) return without;
  const statuses = members.flatMap(({ status }) => status ?? []);
  // The way out of CORRUPT is to replace whose data differs.
  const alarm = alarmsOf(statuses).find(({ alarm: raised, memberId }) => raised !== 'CORRUPT' || memberId !== target.leaving?.id);
  if (alarm !== undefined) return alarmRefusal(alarm, members);
  const other = members.find((member) => isPending(member) && member !== leaving && member !== coming);
  const isUndoing = leaving !== undefined && isPending(leaving) && target.coming === undefined;
  if (other === undefined || isUndoing) return undefined;
  return fail(
    'etcd_change_under_way',
    `another change is under way: ${memberText(other)} at ${other.peerUrls.join(', ')} ${other.name === '' ? 'was added and has not started' : 'is a learner'}`,
    `finish that first (start it, then hale etcd member promote ${other.id}), or undo it: hale etcd member remove ${other.id}`,
  );
}

function alarmRefusal({ alarm, memberId }: EtcdAlarm, members: readonly EtcdMemberView[]): HaleError {
  const isThere = members.some(({ id }) => id === memberId);
  return fail(
    'etcd_alarm_raised',
    `etcd has raised the alarm ${alarm} of member ${memberId}${isThere ? '' : ', which is no member any more'}`,
    alarm === 'CORRUPT' && isThere
      ? `its data differs, so that is the member to replace, before any other change: hale etcd member replace ${memberId}`
      : 'end it first: hale etcd alarm list, docs/guide/etcd.md',
  );
}

function leavingRefusal(leaving: EtcdMemberView, { target }: Found): HaleError | undefined {
  const who = memberText(leaving);
  if (leaving.isLeader && leaving.status === null) {
    return fail(
      'etcd_leader_unreachable',
      `${who} leads the others, so it is alive, but gives hale no answer: ${leaving.problem}`,
      'run the command where it can be reached, or stop it first',
    );
  }
  if (target.coming !== undefined && leaving.status !== null && target.accepts.living !== true) {
    return fail(
      'etcd_member_alive',
      `${who} answers, so it is not lost`,
      'stop its etcd for good first, or say --living: then it is removed while it runs, which stops it',
    );
  }
  return undefined;
}

function comingRefusal(wanted: Coming, { view, leaving, coming }: Found): HaleError | undefined {
  if (coming !== undefined && wanted.id !== undefined && wanted.id !== coming.id) {
    return fail(
      'etcd_members_changed',
      `at ${wanted.peerUrls.join(', ')} there is now ${memberText(coming)} in place of member ${wanted.id}`,
      'somebody else changes members, too: see hale etcd member list',
    );
  }
  if (coming === undefined && wanted.id !== undefined) {
    return fail('etcd_members_changed', `member ${wanted.id} was removed by somebody else`, 'see hale etcd member list');
  }
  const others = view.members.filter((member) => member !== leaving && member !== coming);
  const namesake = others.find(({ name }) => name === wanted.name);
  const neighbour = others.find(({ peerUrls }) => peerUrls.some((url) => wanted.peerUrls.includes(url)));
  const isRenamed =
    coming !== undefined && coming.name !== '' && coming.name !== wanted.name && wanted.id === undefined && wanted.by === 'hale';
  const taken = (isRenamed ? coming : undefined) ?? neighbour ?? namesake;
  if (taken !== undefined) {
    return fail(
      'etcd_member_exists',
      `${taken === namesake ? `the name ${wanted.name}` : `the peer URL ${wanted.peerUrls.join(', ')}`} is that of ${memberText(taken)} at ${taken.peerUrls.join(', ')}`,
      `take another, or replace that member: hale etcd member replace ${taken.id}`,
    );
  }
  if (coming === undefined || isPending(coming) || isAlive(coming)) return undefined;
  return fail(
    'etcd_member_down',
    `${memberText(coming)} is a voter already, but ${coming.problem ?? 'is not in sync'}`,
    `start it, or replace it: hale etcd member replace ${coming.id}`,
  );
}

function order(found: Found): MemberAction[] {
  const { leaving, target } = found;
  const going = leaving === undefined ? [] : removal(leaving, found);
  const arriving = target.coming === undefined ? [] : arrival(target.coming, found);
  return leaving !== undefined && isHelpful(leaving, target) ? [...arriving, ...going] : [...going, ...arriving];
}

/** Whether a member that is replaced may stay until its successor has a vote: it is alive, and the successor needs neither its URL nor its name. */
function isHelpful(leaving: EtcdMemberView, { coming }: MemberTarget): boolean {
  if (coming === undefined || isPending(leaving) || !isAlive(leaving)) return false;
  return leaving.name !== coming.name && !leaving.peerUrls.some((url) => coming.peerUrls.includes(url));
}

function removal(leaving: EtcdMemberView, { view, target, coming }: Found): MemberAction[] {
  const remove: MemberAction = { kind: 'remove', member: ref(leaving) };
  if (!leaving.isLeader) return [remove];
  const heirs = view.members.filter((member) => member !== leaving && !member.isLearner && isAlive(member));
  const [heir] = heirs.toSorted((a, b) => (a.lag ?? 0) - (b.lag ?? 0));
  if (heir !== undefined) return [{ kind: 'move-leader', from: ref(leaving), to: ref(heir) }, remove];
  // The only voter can leave it to its successor, which has no id before it was added.
  const successor = coming ?? (target.coming && { id: '', name: target.coming.name });
  return successor === undefined ? [remove] : [{ kind: 'move-leader', from: ref(leaving), to: ref(successor) }, remove];
}

function arrival({ name, peerUrls, by }: Coming, { coming: there }: Found): MemberAction[] {
  const coming = { name, peerUrls };
  if (there !== undefined && !isPending(there)) return [];
  if (by !== 'hale') return [{ kind: 'join', coming, by }];
  const add: MemberAction = { kind: 'add', coming };
  const start: MemberAction = { kind: 'start', coming };
  const promote: MemberAction = { kind: 'promote', coming };
  if (there === undefined) return [add, start, promote];
  if (!there.isLearner) return [start];
  return isInSync(there) ? [promote] : [start, promote];
}

function ref({ id, name }: MemberRef): MemberRef {
  return { id, name };
}

/** Voters while the steps are gone through in thought. */
interface Voters {
  alive: Set<string>;
  all: Map<string, string>;
}

/** Gives every action its arithmetic, and refuses the first that must not be. */
function walk(actions: readonly MemberAction[], found: Found): MemberPlan | HaleError {
  const present = found.view.members.filter(({ isLearner }) => !isLearner);
  const voters: Voters = {
    all: new Map(present.map((member) => [member.id, memberText(member)])),
    alive: new Set(present.filter(isAlive).map(({ id }) => id)),
  };
  const steps: MemberStep[] = [];
  for (const action of actions) {
    const before = countOf(voters);
    const refusal = stepRefusal(action, voters, found);
    if (refusal !== undefined) return refusal;
    apply(action, voters, found);
    const after = countOf(voters);
    if (after.canLose < 0) return atRisk(action, before, after);
    steps.push({ ...action, before, after });
  }
  return { steps, warnings: warningsOf(steps, found) };
}

function countOf({ all, alive }: Voters): Quorum {
  return quorumOf(all.size, alive.size);
}

function apply(action: MemberAction, { all, alive }: Voters, { coming }: Found): void {
  if (action.kind === 'remove') {
    all.delete(action.member.id);
    alive.delete(action.member.id);
  }
  // A voter that had never started starts.
  if (action.kind === 'start' && coming !== undefined && all.has(coming.id)) alive.add(coming.id);
  if (action.kind !== 'promote' && action.kind !== 'join') return;
  const id = coming?.id ?? 'new';
  all.set(id, action.coming.name);
  alive.add(id);
}

function atRisk(action: MemberAction, before: Quorum, after: Quorum): HaleError {
  return fail(
    'etcd_quorum_at_risk',
    `etcd would lose its quorum if hale were to ${stepText(action)}: now ${arithmeticText(before)}; then ${arithmeticText(after)}`,
    'bring dead members back first, or remove them while the quorum allows that: hale etcd member list shows which',
  );
}

function stepRefusal(action: MemberAction, voters: Voters, { leaving, target }: Found): HaleError | undefined {
  if (action.kind === 'add' || action.kind === 'join') {
    const dead = [...voters.all].filter(([id]) => !voters.alive.has(id));
    if (dead.length === 0) return undefined;
    const names = dead.map(([, name]) => name).join(', ');
    return fail(
      'etcd_member_down',
      `no member can be added while a voter is down: ${names}. etcd itself refuses that ("unhealthy cluster"), because the new one would raise what a majority needs`,
      `start it again, or remove it first: ${dead.map(([id]) => `hale etcd member remove ${id}`).join('; ')}`,
    );
  }
  if (action.kind !== 'remove' || !voters.all.has(action.member.id)) return undefined;
  if (voters.all.size === 1) {
    return fail(
      'etcd_last_member',
      `${memberText(action.member)} is the only voter: without it there is no etcd and no data`,
      target.coming === undefined
        ? 'add another member first'
        : 'replace it by a member of another name at another peer URL, which is added first: --name, --peer-url and --living',
    );
  }
  const isEnd = target.coming === undefined || leaving === undefined;
  if (voters.all.size > 2 || !isEnd || target.accepts.single === true) return undefined;
  return fail(
    'etcd_single_member',
    `of 2 voters one would be left: then a single failure stops etcd, and the loss of its disk loses all data`,
    'say --single if that is meant; take a snapshot first',
  );
}

function warningsOf(steps: readonly MemberStep[], { target }: Found): string[] {
  const last = steps.at(-1)?.after;
  if (last === undefined) return [];
  const tolerated = Math.floor((last.voters - 1) / 2);
  const words = tolerated === 0 ? 'no failure' : tolerated === 1 ? 'one failure' : `${tolerated} failures`;
  const risky = steps.find(({ before, after }) => after.canLose === 0 && (before.canLose > 0 || target.coming !== undefined));
  return [
    ...(last.voters % 2 === 0
      ? [`${last.voters} voters tolerate ${words}, as ${last.voters - 1} do: do not stay there longer than you must`]
      : []),
    ...(last.voters === 1 ? ['one voter tolerates no failure: keep snapshots elsewhere'] : []),
    ...(risky === undefined
      ? []
      : [`from the step "${stepText(risky)}" on none may fail: have a fresh snapshot first (hale etcd snapshot save)`]),
  ];
}
