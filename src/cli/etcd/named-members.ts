import { findMember } from '../../core/etcd/members/target.ts';
import type { EtcdMemberView, EtcdView } from '../../core/etcd/view.ts';

/** The members that people mean by names or ids. HaleErrors `etcd_member_unknown`, `etcd_member_ambiguous`. */
export function namedMembers({ members }: EtcdView, wanted: readonly string[]): EtcdMemberView[] {
  return wanted.map((word) => findMember(word, members));
}
