import { HaleError } from '../../base/error.ts';
import { nameOf } from '../../core/etcd/member.ts';
import type { EtcdMemberView } from '../../core/etcd/view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import { lookAtEtcd } from './look.ts';
import { pause } from './pause.ts';

const LOOK_EVERY_MS = 50;
const FOLLOWED_WITHIN_MS = 10_000;

/**
 * Asks the leader to hand over, and returns, with the milliseconds that it took, when every voter that answers follows the new one.
 * HaleErrors: `etcd_leader_not_moved`, and what etcd says.
 */
export async function moveLeader(options: {
  etcd: EtcdAdmin;
  clock: Clock;
  urls: readonly string[];
  from: EtcdMemberView;
  to: EtcdMemberView;
}): Promise<number> {
  const { etcd, clock, from, to } = options;
  const startedAt = clock.now();
  await etcd.moveLeader(from.url as string, to.id);
  for (;;) {
    const view = await lookAtEtcd(options);
    const now = clock.now();
    const followed = view.members.every(({ isLearner, status }) => isLearner || status === null || status.leaderId === to.id);
    if (followed && view.quorum.canLose >= 0) return now - startedAt;
    if (now - startedAt >= FOLLOWED_WITHIN_MS) {
      throw new HaleError({
        code: 'etcd_leader_not_moved',
        kind: 'world',
        message: `leadership was to move to ${nameOf(to)}, and ${view.leader === null ? 'nobody leads' : `${nameOf(view.leader)} leads`} after ${FOLLOWED_WITHIN_MS / 1000} s`,
        remedy: 'hale etcd status says how the members are; run the command again when they are well',
      });
    }
    await pause(clock, LOOK_EVERY_MS);
  }
}
