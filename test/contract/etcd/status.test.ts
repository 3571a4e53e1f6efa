import { spawn } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ETCD_METRICS, type EtcdMetricName } from '../../../src/core/etcd/status/metrics.ts';
import { type EtcdStatus, etcdStatus } from '../../../src/core/etcd/status/status.ts';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import type { EtcdTls } from '../../../src/drivers/etcd/endpoints.ts';
import { monotonic } from '../../../src/drivers/monotonic.ts';
import { createAuthority } from '../../../src/drivers/pki/authority.ts';
import { writeKeyPair } from '../../../src/drivers/pki/files.ts';
import { type EtcdLook, observeEtcd } from '../../../src/engine/etcd/look.ts';
import { type EtcdCluster, type EtcdMemberProcess, startEtcdCluster, untilEtcdAnswers, untilLed } from '../../support/etcd-cluster.ts';
import { accessFlags } from '../../support/etcd-command.ts';
import { ETCD_LINES, findEtcdPrograms } from '../../support/etcd-programs.ts';
import { HALE, hale, until } from '../../support/hale.ts';
import { startMeteredRelay } from '../../support/metered-relay.ts';

const TIMEOUT_MS = 3000;
const HOUR = 1 / 24;
const USAGES = ['client', 'server'] as const;

let cluster: EtcdCluster;
const members = () => cluster.members as [EtcdMemberProcess, EtcdMemberProcess, EtcdMemberProcess];

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 3 });
});

afterAll(async () => await cluster?.close());

const look = async (options: { urls?: readonly string[]; tls?: EtcdTls } = {}): Promise<EtcdLook> => {
  const { urls = cluster.endpoints, tls = cluster.tls } = options;
  const etcd = createEtcdAdmin({ endpoints: urls, tls, timeoutMs: TIMEOUT_MS });
  try {
    return await observeEtcd({ etcd, urls, clock: monotonic, timeoutMs: TIMEOUT_MS });
  } finally {
    etcd.close();
  }
};

const statusOf = ({ view, observed }: EtcdLook): EtcdStatus => {
  const metrics = new Map([...observed].map(([id, { observation, problem = '' }]) => [id, observation ?? { problem }]));
  return etcdStatus({ view, metrics, hosts: [] });
};

const flags = (files = cluster.files) => [...accessFlags({ ...cluster, files }), '--timeout', `${TIMEOUT_MS}`];

const haleStatus = async (...more: string[]) => {
  const { code, stdout } = await hale(['etcd', 'status', '--json', ...flags(), ...more]);
  return { code, status: JSON.parse(stdout) as EtcdStatus & { tookMs: number } };
};

const seen = ({ members: all, findings }: EtcdStatus) => ({
  answering: all.filter(({ status }) => status !== null).map(({ name }) => name),
  findings: findings.filter(({ id }) => id !== 'disk').map(({ id, place }) => `${place} ${id}`),
});

describe('all members alive', () => {
  test('each tells its role, disk, quota, certificate and clock, from any one URL', async () => {
    const urls = cluster.endpoints.slice(1, 2);
    const hasPeers = (seenNow: EtcdLook) => statusOf(seenNow).members.every(({ figures }) => figures?.peers.length === 2);
    const { view, observed } = await until(() => look({ urls }), hasPeers, 'members have timed round trips to each other');
    const report = statusOf({ view, observed, tookMs: 0 });
    expect(seen(report)).toEqual({ answering: ['m1', 'm2', 'm3'], findings: [] });
    for (const { name, figures, quotaBytes, roundTripMs, id } of report.members) {
      expect(quotaBytes).toBe(2 * 1024 ** 3);
      expect(roundTripMs).toBeGreaterThan(0);
      expect(figures?.fsync.samples).toBeGreaterThan(0);
      expect(figures?.peers.map(({ memberId }) => memberId).toSorted()).toEqual(
        report.members
          .filter((other) => other.id !== id)
          .map((other) => other.id)
          .toSorted(),
      );
      expect(observed.get(id)?.observation?.certificate?.subject).toBe(`CN=${name}`);
      const { askedAtMs = 0, answeredAtMs = 0, saidMs = 0 } = observed.get(id)?.observation?.clock ?? {};
      expect(saidMs <= answeredAtMs && saidMs + 1000 >= askedAtMs).toBe(true);
    }
  });

  test('the command says so, and ends with 0 but for the disk of this machine', async () => {
    const { code, status } = await haleStatus();
    expect(seen(status)).toEqual({ answering: ['m1', 'm2', 'm3'], findings: [] });
    expect(code).toBe(status.findings.length === 0 ? 0 : 1);
  });

  test('a second look has figures of the time between', async () => {
    const etcd = createEtcdAdmin({ ...cluster, timeoutMs: TIMEOUT_MS });
    try {
      const observeOnce = () => observeEtcd({ etcd, urls: cluster.endpoints, clock: monotonic, timeoutMs: TIMEOUT_MS });
      const metricsOf = ({ observed }: EtcdLook) =>
        new Map([...observed].map(([id, { observation }]) => [id, { scrape: observation?.scrape as never }]));
      const before = metricsOf(await observeOnce());
      for (let i = 0; i < 20; i++) await etcd.put(Buffer.from('a'), Buffer.from(`${i}`));
      await untilEtcdAnswers(cluster);
      const { view, observed } = await observeOnce();
      const { members: all } = etcdStatus({ view, metrics: metricsOf({ view, observed, tookMs: 0 }), before, hosts: [] });
      for (const { figures } of all) {
        expect(figures?.windowSeconds).toBeGreaterThan(0);
        expect(figures?.leaderChanges).toBe(0);
        // One that is slow writes several at once.
        expect(figures?.fsync.samples).toBeGreaterThan(0);
      }
    } finally {
      etcd.close();
    }
  });
});

test("a round trip is timed without the connection's handshake", async () => {
  const [{ clientUrl }] = members();
  expect(await roundTripAfterHandshake(clientUrl)).toBeLessThan(HANDSHAKE_MS);
});

const HANDSHAKE_MS = 1000;

/** Round trip at a URL whose server says nothing for HANDSHAKE_MS after the connection was begun. */
async function roundTripAfterHandshake(clientUrl: string, tls = cluster.tls): Promise<number | null | undefined> {
  const relay = await startMeteredRelay({ host: '127.0.0.1', port: Number(new URL(clientUrl).port) });
  try {
    relay.allow(0);
    const url = `https://127.0.0.1:${relay.port}`;
    const looking = look({ urls: [url], tls });
    await relay.untilHeld();
    await sleep(HANDSHAKE_MS);
    relay.allow(Number.POSITIVE_INFINITY);
    return (await looking).view.members.find((member) => member.url === url)?.roundTripMs;
  } finally {
    relay.close();
  }
}

describe('one member', () => {
  afterEach(async () => {
    for (const member of cluster.members)
      if (member.running) member.thaw();
      else member.start();
    await untilEtcdAnswers(cluster);
  });

  test('that is dead is a finding, and the command ends with 1', async () => {
    await members()[2].kill();
    await untilLed(cluster, { alive: 2 });
    const { code, status } = await haleStatus();
    expect({ code, ...seen(status), canLose: status.quorum.canLose }).toEqual({
      code: 1,
      answering: ['m1', 'm2'],
      findings: ['m3 answer'],
      canLose: 0,
    });
    expect(status.members[2]?.problem).toMatch(/ECONNREFUSED/);
  });

  test('that hangs is told so, and the others are shown', async () => {
    members()[1].freeze();
    const { view } = await look();
    expect(view.members.map(({ problem }) => problem)).toEqual([null, 'no answer within the deadline', null]);
    expect(view.members.map(({ roundTripMs }) => roundTripMs)).toEqual([expect.any(Number), null, expect.any(Number)]);
  });

  test('that hangs and comes back is watched throughout', async () => {
    members()[1].freeze();
    const child = spawn(HALE, ['etcd', 'status', '--watch', '--json', ...accessFlags(cluster)], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      let hung = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        const { answering } = seen(JSON.parse(line) as EtcdStatus);
        if (answering.length === 3) break;
        expect(answering).toEqual(['m1', 'm3']);
        if (++hung === 2) members()[1].thaw();
      }
      expect(hung).toBeGreaterThanOrEqual(2);
    } finally {
      child.kill();
    }
  });

  test('whose port takes connections and says nothing is tried by one connection', async () => {
    let tries = 0;
    const server = createServer(() => void tries++).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const silent = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const { view } = await look({ urls: [...cluster.endpoints, silent] });
      expect(view.others).toMatchObject([{ url: silent, problem: 'no answer within the deadline' }]);
      expect(view.quorum.alive).toBe(3);
      expect(tries).toBe(1);
    } finally {
      server.close();
    }
  });

  test('that is left without a quorum shows what it has', async () => {
    await Promise.all(
      members()
        .slice(1)
        .map((member) => member.kill()),
    );
    const untilLost = () => until(haleStatus, ({ status }) => status.quorum.alive === 0, 'the survivor knows no leader');
    const { code, status } = await untilLost();
    expect({ code, ...seen(status) }).toMatchObject({ code: 1, answering: ['m1'], findings: ['cluster quorum', 'm2 answer', 'm3 answer'] });
    expect(status.members.map(({ name }) => name)).toEqual(['m1', 'm2', 'm3']);
    const { stdout } = await hale(['etcd', 'status', ...flags()]);
    expect(stdout).toContain('the quorum is lost');
    expect(stdout).toContain('it may be old');
  });
});

describe('TLS that fails is told in a sentence for each member', () => {
  const problems = async (tls: EtcdTls) => (await look({ tls })).view.others.map(({ problem }) => problem);
  const three = (text: RegExp) => Array.from({ length: 3 }, () => expect.stringMatching(text));

  test('another authority', async () => {
    const { certPem: caPem } = await createAuthority({ commonName: 'another', validityDays: 1 });
    expect(await problems({ ...cluster.tls, caPem })).toEqual(three(/^its certificate is not trusted \([^:]*\)$/));
  });

  test('a client certificate of another authority', async () => {
    const another = await createAuthority({ commonName: 'another', validityDays: 1 });
    const pair = await another.issue({ commonName: 'client', dnsNames: [], ipAddresses: [], usages: ['client'], validityDays: 1 });
    expect(await problems({ ...cluster.tls, ...pair })).toEqual(three(/^it refused our client certificate \([a-z ]+\)$/));
  });

  test('an expired client certificate, and when it expired; the command ends with 3', async () => {
    const pair = await cluster.authority.issue({
      commonName: 'client',
      dnsNames: [],
      ipAddresses: [],
      usages: ['client'],
      validityDays: -HOUR / 60,
    });
    expect(await problems({ ...cluster.tls, ...pair })).toEqual(
      three(/^it refused our client certificate \([a-z ]+\), which expired on 20\d\d-/),
    );
    writeKeyPair(cluster.dir, 'expired', pair);
    const files = { ...cluster.files, certFile: join(cluster.dir, 'expired.crt'), keyFile: join(cluster.dir, 'expired.key') };
    const { code, stdout } = await hale(['etcd', 'status', ...flags(files)]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: expect.stringContaining('which expired on') });
  });

  test('an expired certificate of one member', async () => {
    const at = (name: string) => join(cluster.dir, name);
    const both = ['m3.crt', 'm3.key'];
    for (const name of both) copyFileSync(at(name), at(`${name}.good`));
    try {
      // etcd reads it anew with each connection.
      const expired = { commonName: 'm3', dnsNames: [], ipAddresses: ['127.0.0.1'], usages: USAGES, validityDays: -HOUR / 60 };
      writeKeyPair(cluster.dir, 'm3', await cluster.authority.issue(expired));
      const { view } = await look();
      expect(view.members.map(({ problem }) => problem)).toEqual([null, null, 'its certificate is not trusted (certificate has expired)']);
    } finally {
      for (const name of both) copyFileSync(at(`${name}.good`), at(name));
    }
  });
});

test.skipIf(findEtcdPrograms('3.6') === undefined)(
  'a member that serves its metrics elsewhere, as under k3s, is shown without them',
  async () => {
    const own = await startEtcdCluster({ members: 1, version: '3.6', flags: { 'listen-client-http-urls': 'https://127.0.0.1:0' } });
    try {
      const [member] = statusOf(await look({ urls: own.endpoints, tls: own.tls })).members;
      expect(member).toMatchObject({ isLeader: true, problem: null, disk: null, quotaBytes: 2 * 1024 ** 3 });
      expect(member?.figuresProblem).toContain('it serves no /metrics at its client URL');
      expect(await roundTripAfterHandshake(own.endpoints[0] as string, own.tls)).toBeLessThan(HANDSHAKE_MS);
    } finally {
      await own.close();
    }
  },
);

const others = ETCD_LINES.filter((line) => line !== '3.4' && findEtcdPrograms(line) !== undefined);

test.each(['3.4', ...others] as const)('etcd %s serves every metric that is read', async (version) => {
  const own = version === '3.4' ? cluster : await startEtcdCluster({ members: 3, version });
  try {
    const { observed } = await (own === cluster ? look() : look({ urls: own.endpoints, tls: own.tls }));
    const needed = (Object.keys(ETCD_METRICS) as EtcdMetricName[]).filter((name) => ETCD_METRICS[name].appearsLater === undefined);
    for (const { observation } of observed.values())
      expect([...(observation?.scrape.series.keys() ?? [])]).toEqual(expect.arrayContaining(needed));
    expect(observed.size).toBe(3);
  } finally {
    if (own !== cluster) await own.close();
  }
});
