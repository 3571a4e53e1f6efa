import { HaleError } from '../../base/error.ts';
import { type MemberPlan, planMemberChange } from '../../core/etcd/members/change.ts';
import { lostQuorum } from '../../core/etcd/refusal.ts';
import { type Accepted, type MemberTarget, type MemberWish, targetOf } from '../../core/etcd/members/target.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import { readMembers } from './members.ts';
import { pause } from './pause.ts';

export interface PlanOptions {
  etcd: EtcdAdmin;
  urls: readonly string[];
  clock: Clock;
  wish: MemberWish;
  accepts: Accepted;
  /** Peer URLs of a host of the cluster description. */
  urlsOf: (name: string) => readonly string[] | undefined;
}

export interface MemberChangePlan {
  target: MemberTarget;
  plan: MemberPlan;
  view: EtcdView;
  /** Whether etcd still has the record of a replacement. */
  isRecorded: boolean;
}

/** What lasts as long as an election. */
const PASSING = ['etcd_leader_unreachable', 'etcd_electing', 'etcd_members_unsettled'];
const PATIENCE_MS = 5000;
const POLL_MS = 250;

/** What a wish comes to now. Waits for an election that is under way. HaleErrors: those of the target and of the plan. */
export async function planChange(options: PlanOptions): Promise<MemberChangePlan> {
  return await onceSettled(options.clock, () => tryPlan(options));
}

/** Tries again while what is refused is refused for an election. */
export async function onceSettled<T>(clock: Clock, attempt: () => Promise<T>): Promise<T> {
  const deadline = clock.now() + PATIENCE_MS;
  for (;;) {
    const made = await attempt().catch((error: Error) => error);
    if (!(made instanceof Error)) return made;
    if (!(made instanceof HaleError) || !PASSING.includes(made.code) || clock.now() >= deadline) throw made;
    await pause(clock, POLL_MS);
  }
}

async function tryPlan(options: PlanOptions): Promise<MemberChangePlan> {
  const { wish, accepts, urlsOf } = options;
  const { view, record } = await readMembers(options);
  const lost = lostQuorum(view);
  if (lost !== null) throw lost;
  const target = targetOf(wish, accepts, { members: view.members, record, urlsOf });
  const plan = planMemberChange(view, target);
  if (plan instanceof Error) throw plan;
  return { target, plan, view, isRecorded: record !== undefined };
}
