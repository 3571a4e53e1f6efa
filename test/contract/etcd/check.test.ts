import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { judgeCheck } from '../../../src/core/etcd/check/check.ts';
import { type EtcdJudgement, findingsOf } from '../../../src/core/etcd/check/judgement.ts';
import { encodeSnapshotRecord, SNAPSHOT_RECORD_KEY } from '../../../src/core/etcd/snapshot/last-save.ts';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import { monotonic } from '../../../src/drivers/monotonic.ts';
import { gatherCheck } from '../../../src/engine/etcd/check.ts';
import type { EtcdAdmin } from '../../../src/ports/etcd-admin.ts';
import { runOrFail } from '../../../src/lab/command.ts';
import { type EtcdCluster, type EtcdMemberProcess, startEtcdCluster, untilEtcdAnswers } from '../../support/etcd-cluster.ts';
import { accessFlags } from '../../support/etcd-command.ts';
import { hale, until } from '../../support/hale.ts';

const TIMEOUT_MS = 2000;
const HALE = join(import.meta.dirname, '../../../hale');
const PREFIX = Buffer.from('/hale/check/');
const PREFIX_END = Buffer.from('/hale/check0');
/** What the machine that tests run on is like, and certificates for a day. */
const OF_THIS_MACHINE = ['disk', 'latency', 'counters', 'peer-round-trip', 'client-certificate', 'server-certificate', 'peer-certificate'];
const LIMITS = { certificateDays: 0, latencyP99Ms: 60_000, maxRequestBytes: 1_572_864, snapshots: {} };

const RECORD = Buffer.from(SNAPSHOT_RECORD_KEY);
/** So far from a full minute that a test which takes its time stays within it. */
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000 - 1000).toISOString();
const DESCRIPTION = JSON.stringify({
  apiVersion: 'hale.dev/v1alpha1',
  kind: 'Cluster',
  name: 'checked',
  endpoint: { address: '10.77.0.100', interface: 'eth0' },
  controlPlane: { hosts: [{ name: 'cp1', address: '10.77.0.11/24' }] },
  etcd: { snapshots: { everyMinutes: 60 } },
});

let cluster: EtcdCluster;
let etcd: EtcdAdmin;

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 3 });
  etcd = createEtcdAdmin({ ...cluster, timeoutMs: TIMEOUT_MS });
});

afterAll(async () => {
  etcd?.close();
  await cluster?.close();
});

const flags = () => accessFlags(cluster);

/** What a check finds, but for what depends on this machine. */
async function check({
  latency = false,
  scanBytes = 1e8,
  of = cluster,
} = {}): Promise<{ all: EtcdJudgement[]; findings: EtcdJudgement[] }> {
  const client = () => createEtcdAdmin({ ...of, timeoutMs: TIMEOUT_MS });
  const [quick, patient] = [client(), client()];
  try {
    const facts = await gatherCheck({
      etcd: quick,
      patient,
      clientAt: (url) => createEtcdAdmin({ ...of, endpoints: [url], timeoutMs: TIMEOUT_MS }),
      urls: of.endpoints,
      hosts: [],
      clock: monotonic,
      timeoutMs: TIMEOUT_MS,
      latencyPrefix: latency ? '/hale/check/test/' : undefined,
      scanBytes,
      signal: new AbortController().signal,
      onStep: () => {},
      onProgress: () => {},
    });
    const all = judgeCheck(facts, { ...LIMITS, nowMs: Date.now() });
    return { all, findings: findingsOf(all).filter(({ id }) => !['disk', 'counters', 'peer-round-trip'].includes(id)) };
  } finally {
    quick.close();
    patient.close();
  }
}

const etcdctl = (...args: string[]) => runOrFail([cluster.programs.etcdctl, ...flags(), ...args]);

const places = (findings: readonly EtcdJudgement[]) => findings.map(({ id, place }) => `${place} ${id}`);
const left = async () => (await etcd.range(PREFIX, { rangeEnd: PREFIX_END, keysOnly: true })).kvs.length;

describe('a cluster that is well', () => {
  test('has no finding, everything is judged, and nothing is left behind', async () => {
    await etcd.put(Buffer.from('a'), Buffer.from('1'));
    const { all, findings } = await check({ latency: true });
    expect(findings).toEqual([]);
    const unjudged = all.filter(({ verdict }) => verdict === 'not-judged').map(({ id }) => id);
    // So many writes of the database a slow machine does not make in the time.
    expect(unjudged.filter((id) => id !== 'disk')).toEqual(['snapshot']);
    // By the load, and not by all since the members started.
    const disks = all.filter(({ id }) => id === 'disk').map(({ says }) => says);
    expect(disks).toEqual(Array.from({ length: 3 }, () => expect.stringContaining('over the last')));
    expect(await left()).toBe(0);
  });

  test('the command says the same', async () => {
    const { code, stdout } = await hale(['etcd', 'check', '--json', '--no-latency', ...flags()]);
    const { judgements } = JSON.parse(stdout) as { judgements: EtcdJudgement[] };
    const findings = findingsOf(judgements);
    expect(findings.filter(({ id }) => !OF_THIS_MACHINE.includes(id))).toEqual([]);
    // Its certificates are for a day.
    expect(findings.map(({ id }) => id)).toEqual(expect.arrayContaining(['client-certificate', 'server-certificate', 'peer-certificate']));
    expect(code).toBe(1);
  });

  test('the newest snapshot is judged by what the cluster description wants, as etcd remembers it', async () => {
    const config = join(cluster.dir, 'cluster.yaml');
    writeFileSync(config, DESCRIPTION);
    const asked = async (...more: string[]) => {
      const { stdout } = await hale(['etcd', 'check', '--json', '--no-latency', ...flags(), ...more]);
      return (JSON.parse(stdout) as { judgements: EtcdJudgement[] }).judgements.filter(({ id }) => id === 'snapshot');
    };
    const takenBefore = (minutes: number) => ({ revision: 7, host: 'cp1', place: '/srv/x', takenAt: minutesAgo(minutes) });
    const none = { place: 'cluster', verdict: 'not-judged', severity: null };
    expect(await asked()).toMatchObject([none]);
    expect(await asked('--config', config)).toMatchObject([{ verdict: 'finding', severity: 'warning', value: 'none' }]);
    try {
      await etcd.put(RECORD, encodeSnapshotRecord(takenBefore(181)));
      const old = { verdict: 'finding', value: '181 minutes', says: expect.stringContaining('more than 180 (/srv/x, taken on cp1)') };
      expect(await asked('--config', config)).toMatchObject([old]);
      expect(await asked()).toMatchObject([{ ...none, says: expect.stringContaining('181 minutes old') }]);
      await etcd.put(RECORD, encodeSnapshotRecord(takenBefore(100)));
      expect(await asked('--config', config)).toMatchObject([{ verdict: 'good', value: '100 minutes' }]);
    } finally {
      await etcd.deleteRange(RECORD);
    }
  });

  test('a value near the limit is found', async () => {
    const registry = Buffer.from('/registry/');
    await etcd.put(Buffer.concat([registry, Buffer.from('big')]), Buffer.alloc(1_400_000));
    for (let i = 0; i < 10; i++) await etcd.put(Buffer.concat([registry, Buffer.from(`small-${i}`)]), Buffer.alloc(10));
    try {
      const { findings } = await check();
      expect(findings).toMatchObject([{ id: 'value-size', says: expect.stringContaining('/registry/big') }]);
      const partly = await check({ scanBytes: 1 });
      expect(partly.all).toContainEqual(expect.objectContaining({ id: 'value-size', verdict: 'not-judged' }));
    } finally {
      await etcd.deleteRange(registry, { rangeEnd: Buffer.from('/registry0') });
    }
  });

  test('hashes are compared while others write and compact', async () => {
    const writer = new AbortController();
    const writing = (async () => {
      while (!writer.signal.aborted) {
        const { revision } = await etcd.put(Buffer.from('busy'), Buffer.from('x'));
        if (revision % 5 === 0) await etcd.compact(revision - 2);
      }
    })();
    try {
      for (let i = 0; i < 3; i++) {
        const { all } = await check();
        expect(all.filter(({ id, verdict }) => id === 'hash' && verdict === 'finding')).toEqual([]);
      }
    } finally {
      writer.abort();
      await writing;
    }
  });
});

describe('the load', () => {
  const start = () => spawn(HALE, ['etcd', 'check', '--json', '--scan-mib', '0', ...flags()], { stdio: 'ignore' });
  const begun = () => until(left, (count) => count > 3, 'the load writes');

  test('is deleted after Ctrl-C, and the command ends with 3', async () => {
    const child = start();
    await begun();
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([3, null]);
    expect(await left()).toBe(0);
  });

  test('goes by itself after kill -9: every key is on a lease', async () => {
    const child = start();
    await begun();
    child.kill('SIGKILL');
    await once(child, 'exit');
    const keys = await left();
    const [lease = ''] = /^[0-9a-f]{10,}$/m.exec(await etcdctl('lease', 'list')) ?? [];
    expect(await etcdctl('lease', 'timetolive', lease, '--keys')).toMatch(
      new RegExp(`granted with TTL\\(60s\\).*(${PREFIX}[^ ]+ ?){${keys}}\\]`),
    );
    await etcd.revokeLease(BigInt(`0x${lease}`));
    expect(await left()).toBe(0);
  });
});

describe('a cluster that is not', () => {
  const member = (i: number) => cluster.members[i] as EtcdMemberProcess;

  afterEach(async () => {
    for (const one of cluster.members) if (!one.running) one.start();
    await untilEtcdAnswers(cluster);
  });

  test('with a learner that was left behind', async () => {
    const added = await cluster.newMember({ name: 'm4' });
    const { id } = await etcd.addLearner([added.peerUrl]);
    try {
      expect(places((await check()).findings)).toEqual([`member ${id} answer`]);
      await cluster.join(added);
      await until(
        () => check(),
        ({ findings }) => places(findings).join() === 'm4 learner',
        'the learner answers',
      );
    } finally {
      await etcd.removeMember(id);
      await cluster.discard(added);
    }
    expect(places((await check()).findings)).toEqual([]);
  });

  test('without a quorum is told so, and no load is put on it', async () => {
    await Promise.all([member(0).kill(), member(1).kill()]);
    const { all, findings } = await until(
      () => check({ latency: true }),
      (checked) => places(checked.findings).includes('cluster quorum'),
      'the survivor knows no leader',
    );
    expect(places(findings)).toEqual(['cluster quorum', 'm1 answer', 'm2 answer']);
    expect(all).toContainEqual(
      expect.objectContaining({ id: 'latency', verdict: 'not-judged', says: expect.stringContaining('no quorum') }),
    );
    expect(all.filter(({ id, verdict }) => id === 'hash' && verdict === 'finding')).toEqual([]);
  });

  test('under the alarm NOSPACE says so, and takes no load', async () => {
    const full = await startEtcdCluster({ members: 1, flags: { 'quota-backend-bytes': 2_000_000 } });
    const client = createEtcdAdmin({ ...full, timeoutMs: TIMEOUT_MS });
    try {
      const fill = async () => {
        for (let i = 0; ; i++) await client.put(Buffer.from(`fill-${i}`), Buffer.alloc(200_000));
      };
      await expect(fill()).rejects.toThrow('database space exceeded');
      const { all, findings } = await check({ latency: true, of: full });
      expect(places(findings).toSorted()).toEqual(['cluster members', 'm1 alarm', 'm1 quota']);
      expect(all).toContainEqual(
        expect.objectContaining({ id: 'latency', verdict: 'not-judged', says: expect.stringContaining('NOSPACE') }),
      );
    } finally {
      client.close();
      await full.close();
    }
  });

  // Last: nothing mends it.
  test('names the member whose data was changed behind its back', async () => {
    const marker = `hale-corruption-${process.pid}-0123456789`;
    const file = join(member(1).dataDir, 'member/snap/db');
    // When a second commit has begun the first is over: before, etcd would take the value from its log again.
    for (const [key, value] of [
      ['victim', marker],
      ['witness', `after-${process.pid}-0123456789`],
    ] as const) {
      await etcd.put(Buffer.from(key), Buffer.from(value));
      await until(() => readFileSync(file).includes(value), Boolean, `the value of ${key} is in the file`);
    }
    await member(1).kill();
    const bytes = readFileSync(file);
    for (let at = bytes.indexOf(marker); at !== -1; at = bytes.indexOf(marker, at + 1)) bytes[at] = 'H'.charCodeAt(0);
    writeFileSync(file, bytes);
    member(1).start();
    await untilEtcdAnswers(cluster);
    const { findings } = await check();
    expect(findings).toMatchObject([
      { id: 'hash', place: 'm2', severity: 'critical', says: expect.stringContaining('not those of m1 and m3') },
    ]);
    // And without one of those that agree nobody can tell.
    await member(2).kill();
    await until(
      () => check(),
      ({ findings: found }) => places(found).join() === 'cluster hash,m3 answer',
      'two that differ, and one that is gone',
    );
  });
});
