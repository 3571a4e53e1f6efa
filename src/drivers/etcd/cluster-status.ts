import { readFileSync } from 'node:fs';
import type { EtcdMemberStatus } from '../../ports/etcd.ts';
import { createEtcdClient } from './client.ts';

export interface EtcdAccess {
  endpoints: readonly string[];
  caFile: string;
  certFile: string;
  keyFile: string;
}

export interface EtcdEndpointStatus {
  endpoint: string;
  /** Absent when the member did not answer; `problem` says why. */
  member?: EtcdMemberStatus;
  isLeader: boolean;
  /** Raft entries that the furthest member has applied and this one has not. */
  lag: number | null;
  problem?: string;
}

/** Asks every member for its status; one that does not answer is a row with the reason, not a failure. */
export async function readEtcdStatus(access: EtcdAccess): Promise<EtcdEndpointStatus[]> {
  const rows = await Promise.all(access.endpoints.map((endpoint) => readOne(endpoint, access)));
  const furthest = Math.max(...rows.map((row) => row.member?.raftAppliedIndex ?? 0));
  return rows.map((row) => ({ ...row, lag: row.member === undefined ? null : furthest - row.member.raftAppliedIndex }));
}

async function readOne(endpoint: string, access: EtcdAccess): Promise<EtcdEndpointStatus> {
  try {
    const [caPem, certPem, keyPem] = [access.caFile, access.certFile, access.keyFile].map((file) => readFileSync(file, 'utf8')) as [
      string,
      string,
      string,
    ];
    const etcd = createEtcdClient({ endpoints: [endpoint], tls: { caPem, certPem, keyPem } });
    try {
      const member = await etcd.status(endpoint);
      return { endpoint, member, isLeader: member.leaderId === member.memberId, lag: null };
    } finally {
      etcd.close();
    }
  } catch (error) {
    return { endpoint, isLeader: false, lag: null, problem: (error as Error).message };
  }
}
