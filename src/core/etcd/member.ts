/** What etcd says of its members (rpc.proto: Member, StatusResponse). */

export interface EtcdMember {
  /** Hexadecimal, as etcdctl prints it; ids exceed 2^53. */
  id: string;
  /** Empty until the member has started for the first time. */
  name: string;
  peerUrls: string[];
  clientUrls: string[];
  isLearner: boolean;
}

export interface EtcdMemberStatus {
  memberId: string;
  /** Undefined while the member knows no leader. */
  leaderId: string | undefined;
  raftTerm: number;
  raftIndex: number;
  raftAppliedIndex: number;
  revision: number;
  dbSizeBytes: number;
  dbSizeInUseBytes: number;
  isLearner: boolean;
  version: string;
  errors: string[];
  /** `--quota-backend-bytes` as it is in force; undefined before etcd 3.6. */
  quotaBytes: number | undefined;
}

/** What people call a member; it has no name until it has started for the first time. */
export function nameOf({ name, id }: Pick<EtcdMember, 'name' | 'id'>): string {
  return name === '' ? `member ${id}` : name;
}

/** What people call the member with this id; it may be one no more. */
export function nameOfId(members: readonly Pick<EtcdMember, 'name' | 'id'>[], id: string): string {
  return nameOf(members.find((member) => member.id === id) ?? { name: '', id });
}
