import type { Etcd, EtcdTxn } from '../../ports/etcd.ts';
import { Endpoints, type EtcdTls } from './endpoints.ts';
import { revisionOf, toKeyValue, toMember, toMemberStatus, toRequestOp } from './messages.ts';
import { watch } from './watch.ts';

export interface EtcdClientOptions {
  /** `https://host:port` of the members' client ports; the first that works is kept. */
  endpoints: readonly string[];
  tls: EtcdTls;
  /** Deadline of one call over all endpoints that it tries; 2000 when absent. */
  timeoutMs?: number;
}

const COMPARE_EQUAL = 0;
const COMPARE_MOD_REVISION = 2;

/** A client of etcd over gRPC with mutual TLS. Connects at the first call, so it can be made while etcd is down. */
export function createEtcdClient(options: EtcdClientOptions): Etcd {
  return etcdOver(openEndpoints(options));
}

export function openEndpoints({ endpoints, tls, timeoutMs = 2000 }: EtcdClientOptions): Endpoints {
  return new Endpoints({ urls: endpoints, tls, timeoutMs });
}

export function etcdOver(endpoints: Endpoints): Etcd {
  return {
    async range(key, { revision = 0, limit = 0, ...rest } = {}) {
      const request = { key, revision: BigInt(revision), limit: BigInt(limit), ...rest };
      const response = await endpoints.call({ operation: 'range', access: 'read' }, ({ kv }, call) => kv.range(request, call));
      const { count, more } = response;
      return { revision: revisionOf(response.header), kvs: response.kvs.map(toKeyValue), count: Number(count), more };
    },
    async put(key, value) {
      const response = await endpoints.call({ operation: 'put', access: 'write' }, ({ kv }, call) => kv.put({ key, value }, call));
      return { revision: revisionOf(response.header) };
    },
    async deleteRange(key, rest = {}) {
      const asked = { operation: 'delete', access: 'write' } as const;
      const response = await endpoints.call(asked, ({ kv }, call) => kv.deleteRange({ key, ...rest }, call));
      return { revision: revisionOf(response.header), deleted: Number(response.deleted) };
    },
    async txn(request) {
      const message = { compare: request.compare.map(toCompare), success: request.success.map(toRequestOp) };
      const response = await endpoints.call({ operation: 'txn', access: 'write' }, ({ kv }, call) => kv.txn(message, call));
      return { revision: revisionOf(response.header), succeeded: response.succeeded };
    },
    watch: (key, watchOptions) => watch(endpoints, key, watchOptions),
    async members() {
      const asked = { operation: 'member list', access: 'read' } as const;
      const response = await endpoints.call(asked, ({ cluster }, call) => cluster.memberList({ linearizable: true }, call));
      return response.members.map(toMember);
    },
    async status(endpointUrl) {
      return toMemberStatus(await endpoints.callAt(endpointUrl, 'status', ({ maintenance }, call) => maintenance.status({}, call)));
    },
    close: () => endpoints.close(),
  };
}

function toCompare({ key, modRevision }: EtcdTxn['compare'][number]) {
  const targetUnion = { case: 'modRevision' as const, value: BigInt(modRevision) };
  return { key, result: COMPARE_EQUAL, target: COMPARE_MOD_REVISION, targetUnion };
}
