import { hostPort } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import type { Cluster } from '../../core/cluster/schema.ts';
import { decodeOperation, operationText } from '../../core/etcd/operation.ts';
import type { EtcdLook } from '../../core/heal/brakes.ts';
import { createEtcdAdmin } from '../../drivers/etcd/admin.ts';
import { readEtcdTls } from '../../drivers/etcd/tls.ts';
import { lookAtEtcd } from '../../engine/etcd/look.ts';
import { OPERATION_KEY } from '../../engine/etcd/operation-lock.ts';
import { asciiBytes } from '../../base/ascii-json.ts';

const TIMEOUT_MS = 3000;

/** Asks every member of stacked etcd, with the certificates of today. Never fails: what cannot be known is `unknown`. */
export async function etcdLook({ etcd, controlPlane }: Cluster): Promise<EtcdLook> {
  if (etcd.topology === 'external') return { kind: 'none' };
  const urls = controlPlane.hosts.map(({ addresses }) => `https://${hostPort(addresses[0]?.address as string, etcd.clientPort)}`);
  try {
    const client = createEtcdAdmin({ endpoints: urls, tls: readEtcdTls(etcd), timeoutMs: TIMEOUT_MS });
    try {
      const view = await lookAtEtcd({ etcd: client, urls });
      if (view.members.length === 0) return { kind: 'unknown', reason: `no member of etcd answers at ${urls.join(', ')}` };
      const held = (await client.range(asciiBytes(OPERATION_KEY))).kvs[0];
      const record = held && decodeOperation(held.value);
      return { kind: 'seen', view, operation: record && operationText(record) };
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof HaleError) return { kind: 'unknown', reason: error.message };
    throw error;
  }
}
