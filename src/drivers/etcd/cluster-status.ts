import type { EtcdMemberStatus } from '../../ports/etcd.ts';
import { createEtcdClient } from './client.ts';
import type { EtcdTls } from './endpoints.ts';
import { type EtcdTlsFiles, readEtcdTls } from './tls.ts';

export interface EtcdAccess extends EtcdTlsFiles {
  endpoints: readonly string[];
}

export interface EtcdEndpointStatus {
  endpoint: string;
  /** False where this host has no credentials to ask it with; `problem` says so. */
  asked: boolean;
  /** Absent when the member did not answer; `problem` says why. */
  member?: EtcdMemberStatus;
  isLeader: boolean;
  /** Raft entries that the furthest member has applied and this one has not. */
  lag: number | null;
  problem?: string;
}

/** Asks every member for its status; one that does not answer is a row with the reason, not a failure. */
export async function readEtcdStatus(access: EtcdAccess): Promise<EtcdEndpointStatus[]> {
  let tls: EtcdTls;
  try {
    tls = readEtcdTls(access);
  } catch (error) {
    return access.endpoints.map((endpoint) => ({ endpoint, asked: false, isLeader: false, lag: null, problem: (error as Error).message }));
  }
  const rows = await Promise.all(access.endpoints.map((endpoint) => readOne(endpoint, tls)));
  const furthest = Math.max(...rows.map((row) => row.member?.raftAppliedIndex ?? 0));
  return rows.map((row) => ({ ...row, lag: row.member === undefined ? null : furthest - row.member.raftAppliedIndex }));
}

async function readOne(endpoint: string, tls: EtcdTls): Promise<EtcdEndpointStatus> {
  try {
    const etcd = createEtcdClient({ endpoints: [endpoint], tls });
    try {
      const member = await etcd.status(endpoint);
      return { endpoint, asked: true, member, isLeader: member.leaderId === member.memberId, lag: null };
    } finally {
      etcd.close();
    }
  } catch (error) {
    return { endpoint, asked: true, isLeader: false, lag: null, problem: (error as Error).message };
  }
}
