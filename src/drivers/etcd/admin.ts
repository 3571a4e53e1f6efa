import { assert } from '../../base/assert.ts';
import { ALARM_NAMES } from '../../core/etcd/alarms.ts';
import type { EtcdAdmin, EtcdRaisedAlarm } from '../../ports/etcd-admin.ts';
import type { EtcdObserver } from '../../ports/etcd-observer.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';
import { type EtcdClientOptions, etcdOver, openEndpoints } from './client.ts';
import type { Endpoints } from './endpoints.ts';
import { fromHex, toMember } from './messages.ts';
import { createObserver } from './observe.ts';
import { snapshot } from './snapshot.ts';

const ALARM_GET = 0;
const ALARM_DEACTIVATE = 2;
/** A key that nobody has. */
const NO_KEY = Uint8Array.of(0);

/** A client for operators. `timeoutMs` is the deadline of every call but a defragmentation, and the longest silence of a snapshot. */
export function createEtcdAdmin(options: EtcdClientOptions): EtcdAdmin & EtcdObserver {
  const endpoints = openEndpoints(options);
  return {
    ...etcdOver(endpoints),
    ...memberCalls(endpoints),
    ...maintenanceCalls(endpoints),
    ...leaseCalls(endpoints),
    ...createObserver(endpoints),
  };
}

type MemberCalls = Pick<
  EtcdAdmin,
  'useEndpoints' | 'membersAt' | 'addLearner' | 'promote' | 'removeMember' | 'updateMember' | 'moveLeader'
>;

function memberCalls(endpoints: Endpoints): MemberCalls {
  return {
    useEndpoints: (urls) => endpoints.use(urls),
    async membersAt(url) {
      const response = await endpoints.callAt(url, 'member list', ({ cluster }, call) => cluster.memberList({}, call));
      return response.members.map(toMember);
    },
    async addLearner(peerUrls) {
      const request = { peerUrls: [...peerUrls], isLearner: true };
      const asked = { operation: 'member add', access: 'write' } as const;
      const { member } = await endpoints.call(asked, ({ cluster }, call) => cluster.memberAdd(request, call));
      assert(member !== undefined, 'etcd names the member that it added');
      return toMember(member);
    },
    async promote(memberId) {
      const asked = { operation: 'member promote', access: 'write' } as const;
      await endpoints.call(asked, ({ cluster }, call) => cluster.memberPromote({ id: fromHex(memberId) }, call));
    },
    async removeMember(memberId) {
      const asked = { operation: 'member remove', access: 'write' } as const;
      await endpoints.call(asked, ({ cluster }, call) => cluster.memberRemove({ id: fromHex(memberId) }, call));
    },
    async updateMember(memberId, peerUrls) {
      const request = { id: fromHex(memberId), peerUrls: [...peerUrls] };
      const asked = { operation: 'member update', access: 'write' } as const;
      await endpoints.call(asked, ({ cluster }, call) => cluster.memberUpdate(request, call));
    },
    async moveLeader(leaderUrl, targetId) {
      const request = { targetId: fromHex(targetId) };
      await endpoints.callAt(leaderUrl, 'move leader', ({ maintenance }, call) => maintenance.moveLeader(request, call));
    },
  };
}

type MaintenanceCalls = Pick<EtcdAdmin, 'probe' | 'alarms' | 'disarm' | 'compact' | 'defragment' | 'hashKv' | 'snapshot'>;

function maintenanceCalls(endpoints: Endpoints): MaintenanceCalls {
  return {
    async probe(url) {
      await endpoints.callAt(url, 'read', ({ kv }, call) => kv.range({ key: NO_KEY, countOnly: true }, call));
    },
    async alarms() {
      const asked = { operation: 'alarm list', access: 'read' } as const;
      const { alarms } = await endpoints.call(asked, ({ maintenance }, call) => maintenance.alarm({ action: ALARM_GET }, call));
      return alarms.flatMap(({ memberId, alarm }): EtcdRaisedAlarm | [] => {
        const name = ALARM_NAMES[alarm];
        return name === undefined ? [] : { memberId: memberId.toString(16), alarm: name };
      });
    },
    async disarm({ memberId, alarm }) {
      const request = { action: ALARM_DEACTIVATE, memberId: fromHex(memberId), alarm: ALARM_NAMES.indexOf(alarm) };
      const asked = { operation: 'alarm disarm', access: 'write' } as const;
      await endpoints.call(asked, ({ maintenance }, call) => maintenance.alarm(request, call));
    },
    async compact(revision) {
      const request = { revision: BigInt(revision), physical: true };
      await endpoints.call({ operation: 'compact', access: 'write' }, ({ kv }, call) => kv.compact(request, call));
    },
    async defragment(url, signal) {
      await endpoints.callAt(url, 'defragment', ({ maintenance }) =>
        whileWanted(signal, (abort) => maintenance.defragment({}, { signal: abort })),
      );
    },
    async hashKv(url, revision) {
      const request = { revision: BigInt(revision) };
      const response = await endpoints.callAt(url, 'hash', ({ maintenance }, call) => maintenance.hashKV(request, call));
      return { hash: response.hash, compactRevision: Number(response.compactRevision) };
    },
    snapshot: (url, signal) => snapshot(endpoints, url, signal),
  };
}

type LeaseCalls = Pick<EtcdAdmin, 'grantLease' | 'renewLease' | 'revokeLease'>;

function leaseCalls(endpoints: Endpoints): LeaseCalls {
  return {
    async grantLease(ttlSeconds) {
      const asked = { operation: 'lease grant', access: 'write' } as const;
      const { id } = await endpoints.call(asked, ({ lease }, call) => lease.leaseGrant({ ttl: BigInt(ttlSeconds) }, call));
      return { id };
    },
    async renewLease(id) {
      const asked = { operation: 'lease renewal', access: 'read' } as const;
      return await endpoints.call(asked, async ({ lease }, call) => {
        for await (const { ttl } of lease.leaseKeepAlive(once({ id }), call)) return ttl > 0n;
        return false;
      });
    },
    async revokeLease(id) {
      const asked = { operation: 'lease revoke', access: 'write' } as const;
      await endpoints.call(asked, ({ lease }, call) => lease.leaseRevoke({ id }, call));
    },
  };
}

async function* once<T>(message: T): AsyncGenerator<T> {
  yield message;
}

/** Runs a call until it ends or `signal` aborts; then the HaleError is `interrupted`. */
async function whileWanted<T>(signal: EtcdStopSignal, call: (abort: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop);
  try {
    return await call(controller.signal);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
