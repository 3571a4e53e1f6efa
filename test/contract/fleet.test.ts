import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { FleetRecord } from '../../src/core/drill/fleet.ts';
import { judgeFleet } from '../../src/core/drill/ledger.ts';
import { writeKeyPair } from '../../src/drivers/pki/files.ts';
import { ApiConnection } from '../../src/lab/probe/fleet/connection.ts';
import { type Instrument, startFleet } from '../../src/lab/probe/process.ts';
import { type ApiserverProcess, type KubernetesCluster, kubernetesProblem, startKubernetes } from '../support/kubernetes.ts';
import { type Relay, startRelay } from '../support/relay.ts';

const WATCHERS = 8;
const WRITERS = 3;
const problem = kubernetesProblem();
const CLEAN = {
  lostWrites: { count: 0, example: null },
  overwrittenWrites: { count: 0, example: null },
  lostEvents: { count: 0, example: null },
  duplicateEvents: { count: 0, example: null },
  disorderedEvents: { count: 0, example: null },
  unreadWriters: 0,
  cutOff: 0,
};

describe.skipIf(problem !== undefined)(`fleet of clients of kube-apiserver ${problem ?? ''}`, () => {
  let cluster: KubernetesCluster;
  let first: ApiserverProcess;
  let second: ApiserverProcess;
  let relay: Relay;
  let running: Instrument<FleetRecord> | undefined;
  /** To be started again before the next test. */
  const down: ApiserverProcess[] = [];

  beforeAll(async () => {
    cluster = await startKubernetes({ apiservers: 2 });
    [first, second] = cluster.apiservers as [ApiserverProcess, ApiserverProcess];
    await writeClient('fleet', 'system:masters');
    await writeClient('nobody');
    relay = await startRelay('127.0.0.1');
  }, 300_000);

  beforeEach(async () => {
    for (const server of down.splice(0)) await restart(server);
    relay.target = { host: first.address, port: first.port };
  }, 150_000);

  afterEach(async () => {
    await running?.abandon();
    running = undefined;
  });

  afterAll(async () => {
    relay?.close();
    await cluster?.close();
  });

  async function start(client = 'fleet'): Promise<Instrument<FleetRecord>> {
    const [certFile, keyFile] = pairFiles(client);
    running = await startFleet([], {
      address: '127.0.0.1',
      port: relay.port,
      serverName: 'kubernetes',
      caFile: cluster.caFile,
      certFile,
      keyFile,
      watchers: WATCHERS,
      writers: WRITERS,
      writesPerSecond: 10,
      getEveryMs: 100,
      settleMs: 100_000,
      outFile: join(cluster.dir, 'fleet.json'),
    });
    return running;
  }

  async function restart(server: ApiserverProcess): Promise<void> {
    server.start();
    await server.untilReady();
  }

  /** Writes to the namespace of the fleet's objects, but to none of its own. */
  async function writeElsewhere({ address, port }: ApiserverProcess): Promise<void> {
    const [ca, cert, key] = [cluster.caFile, ...pairFiles('fleet')].map((file) => readFileSync(file));
    const target = { host: address, port, servername: 'kubernetes', secureContext: createSecureContext({ ca, cert, key }) };
    const connection = new ApiConnection(target, () => 0);
    const body = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { generateName: 'other-' } };
    const { status } = await connection.request('POST', '/api/v1/namespaces/hale-drill/configmaps', { body });
    connection.close();
    expect(status).toBe(201);
  }

  function pairFiles(name: string): [string, string] {
    return [join(cluster.dir, `${name}.crt`), join(cluster.dir, `${name}.key`)];
  }

  async function writeClient(name: string, organization?: string): Promise<void> {
    const who = { commonName: name, ...(organization !== undefined && { organization }), dnsNames: [], ipAddresses: [] };
    writeKeyPair(cluster.dir, name, await cluster.authority.issue({ ...who, usages: ['client'], validityDays: 1 }));
  }

  function changesOf({ writers }: FleetRecord): number {
    return writers.flatMap(({ writes }) => writes).filter(({ resourceVersion }) => resourceVersion !== undefined).length;
  }

  test('every write is acknowledged and seen by every watcher; a second fleet goes on with the next numbers', async () => {
    const fleet = await start();
    await sleep(2000);
    const record = await fleet.stop();
    expect(judgeFleet(record)).toMatchObject({ ...CLEAN, committedWrites: changesOf(record) });
    expect(changesOf(record)).toBeGreaterThan(WRITERS * 3);
    for (const { events, gaps, lists } of record.watchers) {
      expect([events.length / 3, gaps.length, lists.length]).toEqual([changesOf(record), 0, 1]);
    }
    expect(record.gets.filter(({ ok }) => !ok)).toEqual([]);
    expect(record.gets.length).toBeGreaterThan(1);
    const next = await start();
    await sleep(1000);
    const numbers = (await next.stop()).writers.map(({ writes }) => writes[0]?.sequence);
    expect(numbers).toEqual(record.writers.map(({ final }) => (final?.sequence as number) + 1));
  });

  test('an API server is killed: watches and writes go on at another, and nothing is lost', async () => {
    const fleet = await start();
    await sleep(1000);
    await first.kill();
    down.push(first);
    relay.target = { host: second.address, port: second.port };
    await sleep(2500);
    const record = await fleet.stop();
    expect(judgeFleet(record)).toMatchObject(CLEAN);
    for (const { gaps } of record.watchers) {
      expect(gaps.length).toBeGreaterThan(0);
      for (const { heardMs, lostMs, resumedMs } of gaps) expect([heardMs <= lostMs, lostMs < (resumedMs as number)]).toEqual([true, true]);
    }
    expect(record.writers.every(({ writes }) => writes.at(-1)?.outcome === 'acknowledged')).toBe(true);
  });

  test('an API server whose history begins later answers 410 Gone: the watchers list anew, and what they missed is no loss', async () => {
    const fleet = await start();
    await sleep(1000);
    relay.target = undefined;
    relay.reset();
    await writeElsewhere(first);
    await second.kill();
    await restart(second);
    relay.target = { host: second.address, port: second.port };
    await sleep(3000);
    const record = await fleet.stop();
    expect(judgeFleet(record)).toMatchObject(CLEAN);
    for (const { lists } of record.watchers) expect(lists.length).toBeGreaterThan(1);
  }, 200_000);

  test('a connection that passes nothing on is found by a ping, and its watch goes on over another', async () => {
    const fleet = await start();
    await sleep(1000);
    relay.hang();
    await sleep(100);
    const record = await fleet.stop();
    expect(judgeFleet(record)).toMatchObject(CLEAN);
    for (const { gaps } of record.watchers) expect(gaps.map(({ resumedMs }) => resumedMs === null)).toEqual([false]);
    const errors = record.writers.flatMap(({ writes }) => writes.flatMap(({ error }) => error ?? []));
    expect(errors).toContain('no answer to a ping within 15 s');
  }, 200_000);

  test('a fleet that the API refuses says why', async () => {
    await expect(start('nobody')).rejects.toMatchObject({
      code: 'probe_failed',
      message: expect.stringContaining('namespaces is forbidden: User \\"nobody\\"'),
    });
  });
});
