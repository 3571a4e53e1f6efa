import type { EtcdMemberStatus } from './member.ts';
import { sameUrl, type EtcdView } from './view.ts';

/** One line of `hale status` about etcd. */
export interface EtcdEndpointStatus {
  endpoint: string;
  /** False where this host has no credentials to ask it with; `problem` says so. */
  asked: boolean;
  /** Absent when the member did not answer; `problem` says why. */
  member?: EtcdMemberStatus;
  isLeader: boolean;
  /** Raft entries that the furthest member has committed and this one has not applied. */
  lag: number | null;
  problem?: string;
}

/** A row for each of `endpoints`, in their order, then one for each member that is at none of them. */
export function endpointRows(view: EtcdView, endpoints: readonly string[]): EtcdEndpointStatus[] {
  const told = new Set<string>();
  const rows = endpoints.map((endpoint) => {
    const member = view.members.find(({ url, clientUrls }) => [url ?? '', ...clientUrls].some((own) => sameUrl(own, endpoint)));
    if (member !== undefined) {
      told.add(member.id);
      return rowOf(endpoint, member);
    }
    const other = view.others.find(({ url }) => sameUrl(url, endpoint));
    const problem = other?.problem ?? (other?.status === undefined ? 'gave no answer' : 'is no member of this cluster');
    return { endpoint, asked: true, isLeader: false, lag: null, problem, ...(other?.status === undefined ? {} : { member: other.status }) };
  });
  const more = view.members.filter(({ id }) => !told.has(id));
  return [...rows, ...more.map((member) => rowOf(member.url ?? member.peerUrls[0] ?? member.id, member))];
}

function rowOf(endpoint: string, { status, isLeader, lag, problem }: EtcdView['members'][number]): EtcdEndpointStatus {
  return {
    endpoint,
    asked: true,
    isLeader,
    lag,
    ...(status === null ? {} : { member: status }),
    ...(problem === null ? {} : { problem }),
  };
}
