import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEtcdClient } from '../../../src/drivers/etcd/client.ts';
import { createAuthority } from '../../../src/drivers/pki/authority.ts';
import type { Etcd, EtcdWatchEvent } from '../../../src/ports/etcd.ts';
import { type EtcdCluster, type EtcdMemberProcess, startEtcdCluster, untilEtcdAnswers } from '../../support/etcd-cluster.ts';

const bytes = (text: string) => Buffer.from(text);
const text = (value: Uint8Array | undefined) => (value === undefined ? undefined : Buffer.from(value).toString());

let cluster: EtcdCluster;
let etcd: Etcd;

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 3 });
  etcd = createEtcdClient(cluster);
});

afterAll(async () => {
  etcd?.close();
  await cluster?.close();
});

/** etcd's own client as the second opinion. */
function etcdctl(...args: string[]): string {
  const [ca, cert, key] = ['ca.crt', 'client.crt', 'client.key'].map((name) => join(cluster.dir, name));
  const flags = [`--endpoints=${cluster.endpoints[0]}`, `--cacert=${ca}`, `--cert=${cert}`, `--key=${key}`];
  return execFileSync('etcdctl', [...flags, ...args], { encoding: 'utf8', env: { ...process.env, ETCDCTL_API: '3' } });
}

/** A member that does not lead, first in its own list of endpoints: its loss costs no election. */
async function follower(): Promise<{ member: EtcdMemberProcess; endpoints: string[] }> {
  const all = await Promise.all(cluster.members.map(async (member) => ({ member, status: await etcd.status(member.clientUrl) })));
  const { member } = all.find(({ status }) => status.leaderId !== status.memberId) as (typeof all)[number];
  return { member, endpoints: [member.clientUrl, ...cluster.endpoints.filter((url) => url !== member.clientUrl)] };
}

async function collect(client: Etcd, wanted: { prefix: string; startRevision?: number; count: number }): Promise<EtcdWatchEvent[]> {
  const stop = new AbortController();
  const start = wanted.startRevision === undefined ? {} : { startRevision: wanted.startRevision };
  const events: EtcdWatchEvent[] = [];
  for await (const batch of client.watch(bytes(wanted.prefix), { rangeEnd: bytes(`${wanted.prefix}~`), signal: stop.signal, ...start })) {
    expect(batch.revision).toBe(batch.events.at(-1)?.kv.modRevision);
    events.push(...batch.events);
    if (events.length >= wanted.count) stop.abort();
  }
  return events;
}

const summary = ({ type, kv, previous }: EtcdWatchEvent) => `${type} ${text(kv.key)}=${text(kv.value)} was ${text(previous?.value)}`;

describe('keys', () => {
  test('keeps bytes as they are, and etcdctl reads the same', async () => {
    const key = Uint8Array.of(0, 255, 128, 10);
    const { revision } = await etcd.put(key, Uint8Array.of(255, 0, 254));
    const { kvs } = await etcd.range(key);
    expect(kvs).toMatchObject([{ createRevision: revision, modRevision: revision }]);
    expect([...(kvs[0]?.key ?? [])]).toEqual([0, 255, 128, 10]);
    expect([...(kvs[0]?.value ?? [])]).toEqual([255, 0, 254]);
    await etcd.put(bytes('said'), bytes('by hale'));
    expect(etcdctl('get', 'said', '--print-value-only')).toBe('by hale\n');
  });

  test('ranges over a part, with a limit, and over the past', async () => {
    for (const name of ['r/a', 'r/b', 'r/c']) await etcd.put(bytes(name), bytes('1'));
    const { revision } = await etcd.put(bytes('r/b'), bytes('2'));
    const part = await etcd.range(bytes('r/a'), { rangeEnd: bytes('r/c') });
    expect(part.kvs.map((kv) => `${text(kv.key)}=${text(kv.value)}`)).toEqual(['r/a=1', 'r/b=2']);
    const limited = await etcd.range(bytes('r/'), { rangeEnd: bytes('r0'), limit: 2 });
    expect([limited.kvs.length, limited.more, limited.revision]).toEqual([2, true, revision]);
    const past = await etcd.range(bytes('r/b'), { revision: revision - 1 });
    expect(text(past.kvs[0]?.value)).toBe('1');
    expect((await etcd.range(bytes('nothing'))).kvs).toEqual([]);
  });

  test('deletes a range and counts', async () => {
    for (const name of ['d/a', 'd/b', 'd/c']) await etcd.put(bytes(name), bytes(''));
    expect(await etcd.deleteRange(bytes('d/a'))).toMatchObject({ deleted: 1 });
    expect(await etcd.deleteRange(bytes('d/'), { rangeEnd: bytes('d0') })).toMatchObject({ deleted: 2 });
    expect(await etcd.deleteRange(bytes('d/a'))).toMatchObject({ deleted: 0 });
  });

  test('a transaction applies all or nothing, by revision', async () => {
    const [key, other] = [bytes('t/a'), bytes('t/b')];
    const create = { compare: [{ key, modRevision: 0 }], success: [{ put: { key, value: bytes('1') } }] };
    const created = await etcd.txn(create);
    expect(created.succeeded).toBe(true);
    expect(await etcd.txn(create)).toEqual({ succeeded: false, revision: created.revision });
    await etcd.put(other, bytes('x'));
    const move = {
      compare: [{ key, modRevision: created.revision }],
      success: [{ put: { key, value: bytes('2') } }, { delete: { key: other } }],
    };
    const moved = await etcd.txn(move);
    expect(moved.succeeded).toBe(true);
    expect((await etcd.range(bytes('t/'), { rangeEnd: bytes('t0') })).kvs).toMatchObject([{ modRevision: moved.revision }]);
    expect((await etcd.txn(move)).succeeded).toBe(false);
  });
});

describe('watch', () => {
  test('replays from a revision, in order, with the state before each change', async () => {
    const { revision } = await etcd.put(bytes('w/a'), bytes('1'));
    await etcd.put(bytes('w/a'), bytes('2'));
    await etcd.put(bytes('elsewhere'), bytes(''));
    await etcd.deleteRange(bytes('w/a'));
    const events = await collect(etcd, { prefix: 'w/', startRevision: revision, count: 3 });
    expect(events.map(summary)).toEqual(['put w/a=1 was undefined', 'put w/a=2 was 1', 'delete w/a= was 2']);
    expect(events.map(({ kv }) => kv.createRevision === kv.modRevision)).toEqual([true, false, false]);
  });

  test('follows what happens from now on', async () => {
    const seen = collect(etcd, { prefix: 'now/', count: 1 });
    const over = new AbortController();
    void seen.then(
      () => over.abort(),
      () => over.abort(),
    );
    for (let i = 0; !over.signal.aborted; i++) await etcd.put(bytes('now/a'), bytes(`${i}`));
    expect((await seen).length).toBeGreaterThanOrEqual(1);
  });

  test('says that the start is compacted', async () => {
    const { revision } = await etcd.put(bytes('c/a'), bytes('1'));
    etcdctl('compact', String(revision));
    await expect(collect(etcd, { prefix: 'c/', startRevision: 1, count: 1 })).rejects.toMatchObject({
      code: 'etcd_compacted',
      message: expect.stringContaining(String(revision)),
    });
    await expect(etcd.range(bytes('c/a'), { revision: 1 })).rejects.toMatchObject({ code: 'etcd_compacted' });
  });

  test('ends with the client', async () => {
    const client = createEtcdClient(cluster);
    const seen = collect(client, { prefix: 'never/', count: 1 });
    const ended = expect(seen).rejects.toMatchObject({ code: 'etcd_closed' });
    await client.range(bytes('x'));
    client.close();
    await ended;
  });
});

describe('members', () => {
  test('are those that etcdctl lists, with ids beyond 2^53 exact', async () => {
    const rows = etcdctl('member', 'list').trim().split('\n').sort();
    const members = await etcd.members();
    const line = (m: (typeof members)[number]) => [m.id, 'started', m.name, ...m.peerUrls, ...m.clientUrls, m.isLearner].join(', ');
    expect(members.map(line).sort()).toEqual(rows);
  });

  test('status is what each member says of itself', async () => {
    const statuses = await Promise.all(cluster.endpoints.map((url) => etcd.status(url)));
    const ids = (await etcd.members()).map(({ id }) => id);
    expect(statuses.map(({ memberId }) => memberId).sort()).toEqual(ids.sort());
    expect(new Set(statuses.map(({ leaderId }) => leaderId)).size).toBe(1);
    expect(ids).toContain(statuses[0]?.leaderId);
    const fields = etcdctl('endpoint', 'status', '-w', 'fields');
    expect(fields).toContain(`"MemberID" : ${BigInt(`0x${statuses[0]?.memberId}`)}`);
    expect(fields).toContain(`"RaftTerm" : ${statuses[0]?.raftTerm}`);
    expect(fields).toContain(`"Version" : "${statuses[0]?.version}"`);
    for (const status of statuses) {
      expect(status).toMatchObject({ isLearner: false, errors: [] });
      expect(status.raftIndex).toBeGreaterThanOrEqual(status.raftAppliedIndex);
      expect(status.dbSizeBytes).toBeGreaterThanOrEqual(status.dbSizeInUseBytes);
      expect(Math.min(status.raftAppliedIndex, status.dbSizeInUseBytes, status.revision)).toBeGreaterThan(0);
    }
  });
});

describe('refusals', () => {
  test('a client certificate of another authority, or for servers only, is refused in so many words', async () => {
    const request = { commonName: 'client', dnsNames: [], ipAddresses: [], validityDays: 1 };
    const stranger = await createAuthority({ commonName: 'stranger', validityDays: 1 });
    const pairs = [
      await stranger.issue({ ...request, usages: ['client'] }),
      await cluster.authority.issue({ ...request, usages: ['server'] }),
    ];
    for (const pair of pairs) {
      const client = createEtcdClient({ endpoints: [cluster.endpoints[0] as string], tls: { ...cluster.tls, ...pair } });
      const error = await client.put(bytes('x'), bytes('x')).catch((reason: unknown) => reason);
      client.close();
      expect(error).toMatchObject({
        name: 'HaleError',
        code: 'etcd_certificate_refused',
        kind: 'world',
        message: `etcd put failed: ${cluster.endpoints[0]}: it refused our client certificate (bad certificate)`,
        remedy: expect.stringContaining('--trusted-ca-file'),
      });
    }
  });

  test('an etcd whose certificate comes from elsewhere is not talked to', async () => {
    const stranger = await createAuthority({ commonName: 'stranger', validityDays: 1 });
    const client = createEtcdClient({ endpoints: cluster.endpoints, tls: { ...cluster.tls, caPem: stranger.certPem } });
    await expect(client.range(bytes('x'))).rejects.toMatchObject({ code: 'etcd_server_untrusted' });
    client.close();
  });

  test('names every endpoint that was tried when none answers', async () => {
    const endpoints = ['https://127.0.0.1:1', 'https://127.0.0.1:2'];
    const client = createEtcdClient({ endpoints, tls: cluster.tls });
    const error = await client.put(bytes('x'), bytes('x')).catch((reason: unknown) => reason);
    client.close();
    expect(error).toMatchObject({ code: 'etcd_unavailable' });
    for (const endpoint of endpoints) expect((error as Error).message).toContain(`${endpoint}: connect ECONNREFUSED`);
  });
});

describe('a member that dies or freezes', () => {
  test('killed: calls and watches go on at another, without a gap', async () => {
    const { member, endpoints } = await follower();
    const client = createEtcdClient({ endpoints, tls: cluster.tls });
    const { revision } = await client.put(bytes('k/1'), bytes(''));
    const seen = collect(client, { prefix: 'k/', startRevision: revision, count: 3 });
    await client.put(bytes('k/2'), bytes(''));
    try {
      await member.kill();
      await client.range(bytes('k/1'));
      await client.put(bytes('k/3'), bytes(''));
      expect((await seen).map(({ kv }) => text(kv.key))).toEqual(['k/1', 'k/2', 'k/3']);
      await expect(client.status(member.clientUrl)).rejects.toMatchObject({ code: 'etcd_unavailable' });
    } finally {
      client.close();
      member.start();
      await untilEtcdAnswers(cluster);
    }
  });

  test('told to stop: calls fail while its connections end, and nothing is raised that nobody waits for', async () => {
    // Connections that are idle for a moment, and asked or closed while they end.
    const running = () => cluster.members.some((member) => member.running);
    const ask = async (pauseMs: number): Promise<void> => {
      const client = createEtcdClient(cluster);
      try {
        while (running()) {
          await client.range(bytes('x'));
          for (const url of cluster.endpoints) await client.status(url);
          await sleep(pauseMs);
        }
      } catch {
        // It has stopped.
      } finally {
        client.close();
      }
    };
    try {
      const asking = Array.from({ length: 10 }, async (_, i) => {
        while (running()) await ask(i);
      });
      await sleep(100);
      // Vitest fails a run with an exception that nobody caught.
      await Promise.all([...asking, ...cluster.members.map((member) => member.stop())]);
    } finally {
      for (const member of cluster.members) if (!member.running) member.start();
      await untilEtcdAnswers(cluster);
    }
  });

  test('frozen: its silence is an error, a read is answered by another, and a write goes to another next time', async () => {
    const { member, endpoints } = await follower();
    const lone = createEtcdClient({ endpoints: [member.clientUrl], tls: cluster.tls });
    const client = createEtcdClient({ endpoints, tls: cluster.tls });
    const strange = createEtcdClient({ endpoints, tls: cluster.tls });
    await Promise.all([lone, client].map((each) => each.range(bytes('warm'))));
    member.freeze();
    try {
      await expect(lone.put(bytes('f'), bytes('1'))).rejects.toMatchObject({ code: 'etcd_timeout' });
      await expect(lone.status(member.clientUrl)).rejects.toMatchObject({ code: 'etcd_timeout' });
      await client.range(bytes('f'));
      // Its first connection is accepted by the kernel, and nobody speaks TLS.
      await expect(strange.put(bytes('f'), bytes('2'))).rejects.toMatchObject({
        code: 'etcd_timeout',
        message: expect.stringContaining(member.clientUrl),
        remedy: expect.stringContaining('may or may not'),
      });
      await strange.put(bytes('f'), bytes('3'));
    } finally {
      member.thaw();
    }
    await expect(lone.range(bytes('f'))).resolves.toMatchObject({ more: false });
    for (const each of [lone, client, strange]) each.close();
  });

  test('a watch opened at a frozen member moves to another', async () => {
    const { member, endpoints } = await follower();
    const { revision } = await etcd.put(bytes('z/1'), bytes(''));
    const client = createEtcdClient({ endpoints, tls: cluster.tls });
    member.freeze();
    try {
      const events = await collect(client, { prefix: 'z/', startRevision: revision, count: 1 });
      expect(events.map(({ kv }) => text(kv.key))).toEqual(['z/1']);
    } finally {
      member.thaw();
      client.close();
    }
  });
});
