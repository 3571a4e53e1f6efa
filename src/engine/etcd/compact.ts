import { HaleError } from '../../base/error.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';
import { lookAtEtcd } from './look.ts';
import { pause } from './pause.ts';

export interface CompactOptions {
  etcd: EtcdAdmin;
  clock: Clock;
  urls: readonly string[];
  revision: number;
  /** Stops the waiting; a compaction that was begun goes on. */
  signal: EtcdStopSignal;
  /** How long the members may take to free the space. */
  settleMs: number;
  at(text: string): void;
}

export interface CompactReport {
  /** `before`: history up to there, or beyond, was gone already. */
  outcome: 'compacted' | 'before';
  /** Whether every member had stopped freeing space when it ended. */
  isSettled: boolean;
  view: EtcdView;
}

const LOOK_EVERY_MS = 500;
/** In a row, with the same space in use. */
const SAME_LOOKS = 3;
const SAME_BYTES = 1024 ** 2;
const LEASE_SECONDS = 10;

/**
 * Drops history before `revision`, and waits until every member has freed its space: the answer comes from one of them, and may take longer than a client waits.
 * HaleErrors are etcd's.
 */
export async function compactFully(options: CompactOptions): Promise<CompactReport> {
  const { clock, settleMs } = options;
  const deadline = clock.now() + settleMs;
  const outcome = await begin(options, deadline);
  await commitOnce(options.etcd);
  return { outcome, ...(await settle(options, deadline)) };
}

async function begin({ etcd, clock, revision, signal, at }: CompactOptions, deadline: number): Promise<CompactReport['outcome']> {
  for (let unanswered = 0; ; unanswered++) {
    try {
      at(`compacting to revision ${revision}`);
      await etcd.compact(revision);
      return 'compacted';
    } catch (error) {
      const code = error instanceof HaleError ? error.code : undefined;
      // Said at once, also while the compaction that an earlier request began is under way.
      if (code === 'etcd_compacted') return unanswered > 0 ? 'compacted' : 'before';
      const mayComeYet = code === 'etcd_timeout' || code === 'etcd_unavailable';
      if (!mayComeYet || signal.aborted || clock.now() >= deadline) throw error;
      await pause(clock, LOOK_EVERY_MS);
    }
  }
}

/** What is in use is counted anew when a member begins to write, so that on an idle etcd it would stay what it was. A lease is a write that no watch sees. */
async function commitOnce(etcd: EtcdAdmin): Promise<void> {
  try {
    const { id } = await etcd.grantLease(LEASE_SECONDS);
    await etcd.revokeLease(id);
  } catch {
    // With the alarm NOSPACE no lease is granted: then the count is late.
  }
}

async function settle(
  { etcd, clock, urls, signal, at }: CompactOptions,
  deadline: number,
): Promise<{ isSettled: boolean; view: EtcdView }> {
  let same = 0;
  let before: EtcdView | undefined;
  for (;;) {
    const view = await lookAtEtcd({ etcd, urls });
    same = before !== undefined && isSame(before, view) ? same + 1 : 0;
    if (same >= SAME_LOOKS) return { isSettled: true, view };
    if (signal.aborted || clock.now() >= deadline) return { isSettled: false, view };
    at('members free the space of what was compacted');
    before = view;
    await pause(clock, LOOK_EVERY_MS);
  }
}

function isSame(before: EtcdView, now: EtcdView): boolean {
  return now.members.every(({ id, status }) => {
    const earlier = before.members.find((member) => member.id === id)?.status;
    if (status === null || earlier == null) return status === null;
    return Math.abs(status.dbSizeInUseBytes - earlier.dbSizeInUseBytes) < SAME_BYTES;
  });
}
