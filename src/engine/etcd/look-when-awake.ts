import { HaleError } from '../../base/error.ts';
import { nameOf } from '../../core/etcd/member.ts';
import type { EtcdMemberView, EtcdView } from '../../core/etcd/view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import { lookAtEtcd } from './look.ts';
import { pause } from './pause.ts';

const LOOK_EVERY_MS = 500;

/** A look at the cluster that waits, `waitMs` at most, for members that are being defragmented, begun by somebody who is gone. */
export async function lookWhenAwake(options: {
  etcd: EtcdAdmin;
  urls: readonly string[];
  clock: Clock;
  waitMs: number;
  at(text: string): void;
}): Promise<EtcdView> {
  const { etcd, clock, waitMs, at } = options;
  const deadline = clock.now() + waitMs;
  for (;;) {
    const view = await lookAtEtcd(options);
    const silent = view.members.filter(({ status, url }) => status === null && url !== null);
    const states = await Promise.all(silent.map((member) => stateOf(etcd, member)));
    if (states.every((state) => state === 'silent') || clock.now() >= deadline) return view;
    const busy = silent.filter((_, i) => states[i] === 'defragmenting');
    if (busy.length > 0) at(`waiting for ${busy.map(nameOf).join(', ')}: its database is closed, as while it is defragmented`);
    await pause(clock, LOOK_EVERY_MS);
  }
}

/** A member that is defragmented tells whom it knows, and nothing that is in its database (seen with etcd 3.4 to 3.6). A dead or frozen one tells nothing. */
async function stateOf(etcd: EtcdAdmin, { url }: EtcdMemberView): Promise<'silent' | 'defragmenting' | 'awake'> {
  const asked = [etcd.membersAt(url as string), etcd.status(url as string)];
  const [members, status] = await Promise.allSettled<unknown>(asked);
  if (status?.status !== 'rejected') return 'awake';
  const isLate = status.reason instanceof HaleError && status.reason.code === 'etcd_timeout';
  return members?.status === 'fulfilled' && isLate ? 'defragmenting' : 'silent';
}
