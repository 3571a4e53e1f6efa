import { assert } from '../../base/assert.ts';
import type { EtcdKeyValue, EtcdMember, EtcdMemberStatus, EtcdOperation } from '../../ports/etcd.ts';
import type { KeyValue, Member, ResponseHeader, StatusResponse } from './gen/rpc_pb.ts';

export function toKeyValue(kv: KeyValue | undefined): EtcdKeyValue {
  assert(kv !== undefined, 'etcd sends every event and every result with its key');
  return { key: kv.key, value: kv.value, createRevision: Number(kv.createRevision), modRevision: Number(kv.modRevision) };
}

export function revisionOf(header: ResponseHeader | undefined): number {
  return Number(header?.revision ?? 0n);
}

export function toMember(member: Member): EtcdMember {
  const { name, peerUrls, clientUrls, isLearner } = member;
  return { id: member.id.toString(16), name, peerUrls, clientUrls, isLearner };
}

/** An id as the wire has it; ids exceed 2^53. */
export function fromHex(id: string): bigint {
  return BigInt(`0x${id}`);
}

export function toMemberStatus(status: StatusResponse): EtcdMemberStatus {
  return {
    memberId: (status.header?.memberId ?? 0n).toString(16),
    leaderId: status.leader === 0n ? undefined : status.leader.toString(16),
    raftTerm: Number(status.raftTerm),
    raftIndex: Number(status.raftIndex),
    raftAppliedIndex: Number(status.raftAppliedIndex),
    revision: revisionOf(status.header),
    dbSizeBytes: Number(status.dbSize),
    dbSizeInUseBytes: Number(status.dbSizeInUse),
    isLearner: status.isLearner,
    version: status.version,
    errors: status.errors,
    quotaBytes: status.dbSizeQuota === 0n ? undefined : Number(status.dbSizeQuota),
  };
}

export function toRequestOp(operation: EtcdOperation) {
  if ('put' in operation) return { request: { case: 'requestPut' as const, value: operation.put } };
  return { request: { case: 'requestDeleteRange' as const, value: operation.delete } };
}
