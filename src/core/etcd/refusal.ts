import { HaleError } from '../../base/error.ts';
import { quorumText } from './quorum.ts';
import type { EtcdView } from './view.ts';

/** The way out of each reason for which an operation must not be begun, as the cluster is now. */
const remedies = {
  etcd_quorum_lost:
    'start enough of the dead members again: hale etcd status says which, and why; if they are lost for good: hale etcd recover, or hale etcd restore from a snapshot',
  etcd_electing: 'run the command again in a moment; hale etcd status says what each member sees',
  etcd_alarm_corrupt: 'find the member that differs with hale etcd check and replace it; docs/guide/etcd.md says how',
  etcd_learner_not_in_sync: 'wait until it is in sync and promote it, or remove it if it never starts',
  etcd_defrag_member_down: 'bring the member back, or replace it, and run the command again',
  etcd_defrag_stops_writes: 'add --yes where reads and writes may stop until it is done; with three members nothing would stop',
  etcd_member_behind: 'wait until it has caught up: hale etcd status shows by how much it is behind',
  etcd_leader_target: 'name a voter that answers and has caught up, or none: then the freshest is chosen',
  etcd_still_full: 'hale etcd reclaim-space does what is needed, in order; --force disarms all the same',
  etcd_hashes_differ: 'replace the member that differs (docs/guide/etcd.md); --force disarms all the same, and clients read different data',
};

export function refusal(code: keyof typeof remedies, message: string): HaleError {
  return new HaleError({ code, kind: 'world', message, remedy: remedies[code] });
}

/** Why nothing at all can be written, if that is so. */
export function lostQuorum({ members, others, quorum }: EtcdView): HaleError | null {
  if (members.length > 0 && quorum.canLose >= 0) return null;
  const silent = others.map(({ url, problem }) => `${url}: ${problem ?? 'is no member'}`).join('; ');
  return refusal('etcd_quorum_lost', members.length === 0 ? `no member of etcd answers: ${silent}` : quorumText(quorum));
}

/** Whether the cluster has a leader whom a majority follows. HaleErrors `etcd_quorum_lost`, `etcd_electing`. */
export function quorumRefusal(view: EtcdView): HaleError | null {
  const leaders = new Set(view.members.flatMap(({ status }) => status?.leaderId ?? []));
  const isElecting = view.leader === null || leaders.size > 1;
  return (
    lostQuorum(view) ?? (isElecting ? refusal('etcd_electing', 'the members do not agree on their leader: an election is under way') : null)
  );
}
