import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DRAIN_GRACE_MS } from '../../src/core/balancer/timing.ts';
import { measure, type Measurement } from '../../src/core/drill/measure.ts';
import { agentStatus, awaitSteady } from '../../src/lab/drill/agents.ts';
import { handOversOf } from '../../src/lab/drill/hand-overs.ts';
import { startInstruments } from '../../src/lab/drill/instruments.ts';
import type { LabHost } from '../../src/lab/host.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { datapathOf } from '../../src/lab/plan.ts';
import { stopDaemon } from '../../src/lab/stop.ts';
import { until } from '../support/hale.ts';
import { hostsWithAddress, labImpossible, restingLab, statuses } from '../support/lab.ts';

const STEADY = { timeoutMs: 30_000 };
/** Long-lived connections beside requests over new ones. */
const LOAD = 60;
const MENDED = /mended/;

/** What clients and the watch see while something is done to a lab. */
async function underLoad(lab: Lab, act: () => Promise<void>): Promise<Measurement & { lost: unknown[] }> {
  const instruments = await startInstruments(lab, { connections: LOAD, intervalMs: 25 });
  try {
    await pause(500);
    const faultMs = lab.now();
    await act();
    await pause(2500);
    const seen = await instruments.stop();
    const course = { datapath: datapathOf(lab.plan), struck: [], handOvers: handOversOf(lab, { sinceMs: faultMs }) };
    const lost = seen.connections
      .filter(({ resetMs, waitingSinceMs }) => (resetMs ?? waitingSinceMs) !== undefined)
      .map(({ server, idle, error, resetMs }) => ({ server, idle, error, afterMs: resetMs === undefined ? null : resetMs - faultMs }));
    return { ...measure({ ...seen, course, marks: [{ timeMs: faultMs, label: 'a bad day', kind: 'fault' }] }), lost };
  } finally {
    await instruments.abandon();
  }
}

/** Names of the tables, chains and sets that a host's kernel has; what is in the sets comes and goes with the lease. */
async function rulesOf(host: LabHost): Promise<string[]> {
  const { stdout } = await host.exec(['nft', '--json', '--stateless', 'list', 'ruleset']);
  const { nftables } = JSON.parse(stdout) as { nftables: Record<string, { family?: string; table?: string; name?: string }>[] };
  return nftables
    .flatMap((entry) => Object.entries(entry).map(([kind, { family, table, name }]) => [kind, family, table, name].join(' ')))
    .sort();
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(labImpossible !== undefined)(`bad days ${labImpossible ?? ''}`, () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await restingLab({ name: `bad-${process.pid}` });
  });
  afterAll(() => lab?.down());

  const metric = async (host: LabHost, line: string): Promise<number> => {
    const script = `fetch('http://127.0.0.1:7701/metrics').then((r) => r.text()).then((t) => console.log(t))`;
    const { stdout } = await host.exec([process.execPath, '-e', script]);
    return Number(
      stdout
        .split('\n')
        .find((l) => l.startsWith(line))
        ?.split(' ')
        .at(-1) ?? 0,
    );
  };
  const log = (host: LabHost) => readFileSync(join(host.folder, 'log', 'agent.log'), 'utf8');

  const stopAgent = (host: LabHost) => stopDaemon(host, 'agent');

  test('kill -9 of the agent: the address leaves its host before another host takes it, and its next start leaves none', async () => {
    const holder = await awaitSteady(lab, STEADY);
    holder.signal('agent', 'KILL');
    await until(
      () => statuses(lab),
      (all) => all.some((s) => s?.role === 'holder' && s.host !== holder.name),
      'another host holds',
    );
    // Had the lease run out, the orphaned address would stay on its interface for seconds more.
    expect(await hostsWithAddress(lab)).not.toContain(holder.name);
    expect(log(holder)).toContain('the agent is dead: address withdrawn, lease given back');
    await holder.restart('agent');
    const next = await awaitSteady(lab, STEADY);
    expect(await hostsWithAddress(lab)).toEqual([next.name]);
  });

  test('etcd down: the address stays', async () => {
    const holder = await awaitSteady(lab, STEADY);
    for (const host of lab.controlPlane) host.signal('etcd', 'STOP');
    await until(
      () => agentStatus(holder),
      (s) => s?.backends.every((b) => b.state !== 'ready') ?? false,
      'no API server is ready',
    );
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect((await agentStatus(holder))?.role).toBe('holder');
    for (const host of lab.controlPlane) host.signal('etcd', 'CONT');
    expect((await awaitSteady(lab, STEADY)).name).toBe(holder.name);
  });

  test('two of three hosts gone: nobody holds the address, and status says why', async () => {
    const [survivor, ...others] = lab.controlPlane as [LabHost, LabHost, LabHost];
    for (const host of others) await host.powerOff();
    const status = await until(
      () => agentStatus(survivor),
      (s) => s?.holder === null && s.whyNotHolding?.startsWith('no majority') === true,
      'no majority',
    );
    expect(status?.whyNotHolding).toBe('no majority: this agent hears 1 of 3 members, itself included, and 2 are needed');
    expect(await hostsWithAddress(lab)).toEqual([]);
    for (const host of others) await host.boot();
    await awaitSteady(lab, STEADY);
  });

  test('an agent with another key is counted and never acted on', async () => {
    const holder = await awaitSteady(lab, STEADY);
    const other = lab.controlPlane.find((host) => host.name !== holder.name) as LabHost;
    const keyFile = join(other.folder, 'etc/hale/cluster.key');
    const key = readFileSync(keyFile, 'utf8');
    const restartWith = async (text: string) => {
      writeFileSync(keyFile, text);
      await stopAgent(other);
      await other.restart('agent');
    };
    await restartWith(`${'0'.repeat(64)}\n`);
    try {
      await until(
        () => metric(holder, 'hale_datagrams_rejected_total{reason="wrong-key"}'),
        (count) => count > 0,
        'wrong-key is counted',
      );
      const seen = () => agentStatus(holder).then((s) => s?.members.find((m) => m.name === other.name)?.alive);
      await until(seen, (alive) => alive === false, 'the member with another key counts as silent');
      expect((await agentStatus(holder))?.role).toBe('holder');
    } finally {
      await restartWith(key);
    }
    await awaitSteady(lab, STEADY);
  });

  test('a stranger and a truncated datagram are counted', async () => {
    const target = await awaitSteady(lab, STEADY);
    const script = `const s = require('dgram').createSocket('udp4'); s.send(Buffer.alloc(90, 1), 7700, process.argv[1], () => s.send(Buffer.alloc(3), 7700, process.argv[1], () => s.close()))`;
    await lab.client.exec([process.execPath, '-e', script, target.addresses[0] as string]);
    await until(
      () => metric(target, 'hale_datagrams_rejected_total{reason="malformed"}'),
      (count) => count >= 2,
      'malformed is counted',
    );
  });

  test('a machine that already answers for the address keeps every agent from claiming it, and is named', async () => {
    const address = lab.plan.endpoint.addresses[0] as string;
    for (const host of lab.controlPlane) {
      await stopAgent(host);
    }
    await lab.client.exec(['ip', 'address', 'add', `${address}/32`, 'dev', 'eth0']);
    try {
      for (const host of lab.controlPlane) await host.restart('agent');
      const reason = `${address} is answered for by ${lab.client.mac}, which is not a member of this cluster`;
      await until(
        () => statuses(lab),
        (all) => all.every((s) => s?.whyNotHolding === reason),
        'every agent names the stranger',
      );
      expect(await hostsWithAddress(lab)).toEqual([]);
    } finally {
      await lab.client.exec(['ip', 'address', 'del', `${address}/32`, 'dev', 'eth0']);
    }
    await awaitSteady(lab, STEADY);
  });

  test('somebody else claims the address that is held: it is defended, counted and logged, and stays', async () => {
    const holder = await awaitSteady(lab, STEADY);
    const address = lab.plan.endpoint.addresses[0] as string;
    await lab.client.exec([process.execPath, join(import.meta.dirname, '../support/announce.ts'), address]);
    await until(
      () => metric(holder, 'hale_address_conflicts_total'),
      (count) => count > 0,
      'the conflict is counted',
    );
    expect(log(holder)).toContain('another machine claims the address that this host holds');
    expect((await awaitSteady(lab, STEADY)).name).toBe(holder.name);
  });

  test('drain moves the address and keeps it away until resume', async () => {
    const holder = await awaitSteady(lab, STEADY);
    await lab.inject('drain', holder.name, { undoAfterMs: 60_000 });
    await until(
      () => statuses(lab),
      (all) => all.some((s) => s?.role === 'holder' && s.host !== holder.name),
      'another host holds',
    );
    expect((await agentStatus(holder))?.whyNotHolding).toMatch(/holds the lease|drained/);
    for (const record of lab.faults()) await lab.undo(record);
    await awaitSteady(lab, STEADY);
  });

  describe('under load', () => {
    // A hand-over of an earlier test leaves two hosts that steer until its grace time is over.
    beforeAll(() => pause(2 * DRAIN_GRACE_MS));

    test.each<{ where: string; pick: (holder: LabHost) => LabHost }>([
      { where: 'the holder', pick: (holder) => holder },
      { where: 'a backend', pick: (holder) => lab.controlPlane.find((host) => host.name !== holder.name) as LabHost },
    ])('`nft flush ruleset` on $where: mended and logged, no second holder', async ({ pick }) => {
      const holder = await awaitSteady(lab, STEADY);
      const host = pick(holder);
      const before = await rulesOf(host);
      const logged = log(host).length;
      const { holders, connections } = await underLoad(lab, async () => {
        await host.exec(['nft', 'flush', 'ruleset']);
        await until(
          () => rulesOf(host),
          (rules) => same(rules, before),
          'the rules are back',
        );
      });
      await until(
        () => Promise.resolve(log(host).slice(logged)),
        (text) => MENDED.test(text),
        'the log says so',
      );
      expect(connections).toMatchObject({ hung: 0 });
      // Without eBPF nothing closes a backend whose rules are gone, as decision 0006 says: in a user namespace, for one.
      if (host !== holder && (await agentStatus(host))?.endpoint.weaker !== null) return;
      expect(holders, JSON.stringify(holders.intervals)).toMatchObject({ maxSimultaneous: 1, overlapMs: 0 });
      expect(new Set(holders.intervals.map((interval) => interval.host))).toEqual(new Set([holder.name]));
    });

    test.each<{ where: string; pick: (holder: LabHost) => LabHost }>([
      { where: 'a backend', pick: (holder) => lab.controlPlane.find((host) => host.name !== holder.name) as LabHost },
      { where: 'the holder', pick: (holder) => holder },
    ])('the agent of $where is restarted: no established connection is lost', async ({ pick }) => {
      const host = pick(await awaitSteady(lab, STEADY));
      const { connections, holders, lost } = await underLoad(lab, async () => {
        await stopDaemon(host, 'agent');
        await host.restart('agent');
        await awaitSteady(lab, STEADY);
      });
      expect(lost).toEqual([]);
      expect(connections).toMatchObject({ total: LOAD, kept: LOAD });
      expect(holders).toMatchObject({ maxSimultaneous: 1, overlapMs: 0 });
    });
  });

  describe('an agent that cannot start says why in one sentence and claims nothing', () => {
    const start = async (host: LabHost, change: (yaml: string) => string, prefix: string[] = []) => {
      const yaml = readFileSync(join(host.folder, 'etc/hale/cluster.yaml'), 'utf8');
      writeFileSync(join(host.folder, 'etc/hale/other.yaml'), change(yaml));
      const result = await host.exec([...prefix, join(import.meta.dirname, '../../hale'), 'agent', '--config', '/etc/hale/other.yaml']);
      expect(result.stdout).toBe('');
      return result;
    };

    test('another agent runs already', async () => {
      const result = await start(lab.controlPlane[0] as LabHost, (yaml) => yaml);
      expect(result).toMatchObject({ code: 3 });
      expect(result.stderr).toContain('another hale agent answers at /run/hale/agent.sock');
    });

    test('the interface is missing', async () => {
      const result = await start(lab.controlPlane[0] as LabHost, (yaml) => yaml.replace('eth0', 'eth9'));
      expect(result).toMatchObject({ code: 3 });
      expect(result.stderr).toContain('endpoint.interface: there is no interface eth9');
    });

    test('no rights for raw sockets', async () => {
      const host = lab.controlPlane[0] as LabHost;
      await stopAgent(host);
      const result = await start(host, (yaml) => yaml, ['setpriv', '--bounding-set', '-net_raw', '--inh-caps', '-net_raw']);
      expect(result).toMatchObject({ code: 3 });
      expect(result.stderr).toMatch(/raw|CAP_NET_RAW/);
      await host.restart('agent');
      await awaitSteady(lab, STEADY);
    });

    test('the file is wrong', async () => {
      const result = await start(lab.controlPlane[0] as LabHost, (yaml) => yaml.replace('profile: default', 'profil: default'));
      expect(result).toMatchObject({ code: 2 });
      expect(result.stderr).toMatch(/other\.yaml:\d+:\d+: .*profil/);
    });
  });
});
