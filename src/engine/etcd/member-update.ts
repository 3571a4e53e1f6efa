import { HaleError } from '../../base/error.ts';
import { planPeerUrls, type PeerUrlChange } from '../../core/etcd/members/peer-urls.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import { onceSettled } from './member-plan.ts';
import { readMembers } from './members.ts';
import type { HeldOperation } from './operation-lock.ts';

export interface PeerUrlOptions {
  etcd: EtcdAdmin;
  urls: readonly string[];
  clock: Clock;
  /** Name, id or a peer URL that it has. */
  member: string;
  peerUrls: readonly string[];
}

export type PlannedPeerUrls = PeerUrlChange & { view: EtcdView };

/** What the change comes to now. Waits for an election that is under way. HaleErrors: those of `planPeerUrls`, and what etcd says. */
export async function readPeerUrlPlan(options: PeerUrlOptions): Promise<PlannedPeerUrls> {
  return await onceSettled(options.clock, async () => {
    const { view } = await readMembers(options);
    const plan = planPeerUrls(view, options);
    if (plan instanceof HaleError) throw plan;
    return { ...plan, view };
  });
}

/** Changes the peer URLs of one member, as planned from a look under the lock. Returns the members after it. */
export async function updatePeerUrls(options: PeerUrlOptions & { held: HeldOperation }): Promise<PlannedPeerUrls> {
  const { etcd, held } = options;
  const { member, peerUrls, isDone } = await readPeerUrlPlan(options);
  held.check();
  if (!isDone) await etcd.updateMember(member.id, peerUrls);
  return await readPeerUrlPlan({ ...options, member: member.id });
}
