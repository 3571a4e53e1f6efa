import { type EtcdEndpointStatus, endpointRows } from '../../core/etcd/rows.ts';
import type { EtcdAccess } from '../../drivers/etcd/access.ts';
import { createEtcdAdmin } from '../../drivers/etcd/admin.ts';
import type { EtcdTls } from '../../drivers/etcd/endpoints.ts';
import { readEtcdTls } from '../../drivers/etcd/tls.ts';
import { lookAtEtcd } from '../../engine/etcd/look.ts';

/** etcd's members for `hale status`; one that does not answer is a row with the reason, not a failure. */
export async function readEtcdRows(access: EtcdAccess): Promise<EtcdEndpointStatus[]> {
  const { endpoints } = access;
  let tls: EtcdTls;
  try {
    tls = readEtcdTls(access);
  } catch (error) {
    return endpoints.map((endpoint) => ({ endpoint, asked: false, isLeader: false, lag: null, problem: (error as Error).message }));
  }
  const etcd = createEtcdAdmin({ endpoints, tls });
  try {
    return endpointRows(await lookAtEtcd({ etcd, urls: endpoints }), endpoints);
  } finally {
    etcd.close();
  }
}
