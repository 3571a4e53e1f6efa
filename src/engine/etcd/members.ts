import { HaleError } from '../../base/error.ts';
import { asciiBytes } from '../../base/ascii-json.ts';
import { decodeReplacement, encodeReplacement, type ReplaceRecord } from '../../core/etcd/members/target.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import type { EtcdMember } from '../../ports/etcd.ts';
import { lookAtEtcd } from './look.ts';

/** A replacement that was begun, so that `hale etcd member replace` of a member that is gone already finds its successor. */
const RECORD_KEY = asciiBytes('/hale/etcd/replacement');
const TRIES = 5;

export interface MemberFacts {
  view: EtcdView;
  record: ReplaceRecord | undefined;
}

/**
 * The members as a majority knows them now, and how each is. Without a quorum, what can be seen. HaleError `etcd_members_unsettled` when the members that answer
 * do not agree with the majority.
 */
export async function readMembers(options: { etcd: EtcdAdmin; urls: readonly string[]; clock: Clock }): Promise<MemberFacts> {
  const { etcd } = options;
  for (let tries = 1; ; tries++) {
    const [listed, view] = await Promise.all([listOf(etcd).catch((error: Error) => error), lookAtEtcd(options)]);
    if (view.quorum.canLose < 0) return { view, record: undefined };
    if (!(listed instanceof Error) && isSameList(listed.members, view)) return { view, record: listed.record };
    if (tries < TRIES) continue;
    if (listed instanceof Error) throw listed;
    throw new HaleError({
      code: 'etcd_members_unsettled',
      kind: 'world',
      message: 'the members that answer do not list the members that the majority has agreed on',
      remedy: 'run the command again in a moment; name the members with --endpoints if one of those asked was removed long ago',
    });
  }
}

async function listOf(etcd: EtcdAdmin): Promise<{ members: EtcdMember[]; record: ReplaceRecord | undefined }> {
  // etcd 3.4 lists what the asked member knows; after this read that is what the majority knows.
  const [found] = (await etcd.range(RECORD_KEY)).kvs;
  return { members: await etcd.members(), record: found && decodeReplacement(found.value) };
}

function isSameList(listed: readonly EtcdMember[], { members }: EtcdView): boolean {
  const words = (list: readonly { id: string; name: string; isLearner: boolean }[]) =>
    list.map(({ id, name, isLearner }) => `${id} ${name} ${isLearner}`).toSorted();
  return words(listed).join() === words(members).join();
}

export async function writeRecord(etcd: EtcdAdmin, record: ReplaceRecord): Promise<void> {
  await etcd.put(RECORD_KEY, encodeReplacement(record));
}

export async function dropRecord(etcd: EtcdAdmin): Promise<void> {
  await etcd.deleteRange(RECORD_KEY);
}
