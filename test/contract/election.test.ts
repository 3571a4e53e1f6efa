import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageFolder } from '../../src/drivers/program.ts';
import { agentStatus, awaitSteady } from '../../src/lab/drill/agents.ts';
import type { LabHost } from '../../src/lab/host.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { stopDaemon } from '../../src/lab/stop.ts';
import type { AgentStatus } from '../../src/ports/control.ts';
import { until } from '../support/hale.ts';
import { hostsWithAddress, labImpossible, restingLab, statuses } from '../support/lab.ts';

const HALE = join(packageFolder, 'hale');
const STEADY = { timeoutMs: 30_000 };

describe.skipIf(labImpossible !== undefined)(`election: etcd ${labImpossible ?? ''}`, () => {
  let lab: Lab;
  let key: string;
  beforeAll(async () => {
    const name = `election-${process.pid}`;
    key = `/hale/election/${name}/hale`;
    const lease = { durationSeconds: 5, renewDeadlineSeconds: 3, retryPeriodSeconds: 1 };
    lab = await restingLab({ name, settings: { election: 'etcd', lease } });
  });
  afterAll(() => lab?.down());

  /** Waits until a host holds that satisfies the condition; whoever says that it holds must own the record. */
  async function untilHeld(what: string, condition: (holder: AgentStatus) => boolean): Promise<AgentStatus> {
    const all = await until(
      async () => {
        const seen = await statuses(lab);
        const holding = seen.filter((status) => status?.role === 'holder');
        expect(holding.filter((status) => status?.record?.owned !== true)).toEqual([]);
        return holding;
      },
      (holding) => holding.some((status) => condition(status as AgentStatus)),
      what,
    );
    return all[0] as AgentStatus;
  }

  /** Waits until nobody holds, as the agents say, and no kernel has the address. */
  async function untilNobody(): Promise<void> {
    await until(
      async () => ({ all: await statuses(lab), kernels: await hostsWithAddress(lab) }),
      ({ all, kernels }) => all.every((status) => status?.role !== 'holder') && kernels.length === 0,
      'nobody holds',
    );
  }

  const etcdctl = (host: LabHost, ...args: string[]) =>
    host.exec(
      [
        'etcdctl',
        '--endpoints=https://127.0.0.1:2379',
        '--cacert=/etc/kubernetes/pki/etcd/ca.crt',
        '--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt',
        '--key=/etc/kubernetes/pki/etcd/healthcheck-client.key',
        ...args,
      ],
      { env: { ETCDCTL_API: '3' } },
    );

  const readRecord = async (host: LabHost) =>
    JSON.parse((await etcdctl(host, 'get', '--print-value-only', key)).stdout) as { holderIdentity: string };

  test('one host owns the record and holds; the others say why they do not', async () => {
    const holder = await awaitSteady(lab, STEADY);
    // Who does not own it looks once in a while.
    const all = await until(
      () => statuses(lab),
      (seen) => seen.every((status) => status?.record?.owner === holder.name),
      'every host has read the record',
    );
    for (const status of all) {
      const owned = status?.host === holder.name;
      expect(status?.record).toMatchObject({ name: `etcd key ${key}`, owner: holder.name, owned, problem: null });
      expect(status?.members.find(({ name }) => name === status.host)?.fitness).toBe(owned ? 'good' : 'unable');
    }
    expect(await readRecord(holder)).toMatchObject({ holderIdentity: holder.name, leaseDurationSeconds: 5 });
  });

  test('drain: the address moves to a host that owns the record, and the drained one lets go of it', async () => {
    const holder = await awaitSteady(lab, STEADY);
    await holder.exec([HALE, 'agent', 'drain']);
    const next = await untilHeld('another host holds', ({ host }) => host !== holder.name);
    expect(next.record).toMatchObject({ owner: next.host, owned: true });
    const drained = await until(
      () => agentStatus(holder),
      (status) => status?.record?.owner === next.host,
      'the drained host sees the new owner',
    );
    expect(drained?.role).toBe('follower');
    await holder.exec([HALE, 'agent', 'resume']);
    await awaitSteady(lab, STEADY);
  });

  test('the agent stops: it lets go of the record', async () => {
    const holder = await awaitSteady(lab, STEADY);
    await stopDaemon(holder, 'agent');
    expect((await readRecord(holder)).holderIdentity).not.toBe(holder.name);
    await untilHeld('another host holds', ({ host }) => host !== holder.name);
    await holder.restart('agent');
    await awaitSteady(lab, STEADY);
  });

  test('the host of the owner loses its power: another takes the record when it has expired, and then the address', async () => {
    const holder = await awaitSteady(lab, STEADY);
    await holder.powerOff();
    const next = await untilHeld('another host holds', ({ host }) => host !== holder.name);
    expect(next.record?.owner).toBe(next.host);
    await holder.boot();
    await awaitSteady(lab, STEADY);
  });

  test('an owner that reaches no ready API server lets go of the record, as another host reaches one', async () => {
    const holder = await awaitSteady(lab, STEADY);
    await holder.exec(['nft', 'add table inet cut; add chain inet cut out { type filter hook output priority 0; }']);
    await holder.exec(['nft', 'add rule inet cut out tcp dport 6443 drop']);
    const next = await untilHeld('another host holds', ({ host }) => host !== holder.name);
    expect(next.record?.owner).toBe(next.host);
    await holder.exec(['nft', 'delete table inet cut']);
    await awaitSteady(lab, STEADY);
  });

  test('an owner that hears no majority lets go of the record', async () => {
    const holder = await awaitSteady(lab, STEADY);
    const others = lab.controlPlane.filter(({ name }) => name !== holder.name);
    for (const host of others) await stopDaemon(host, 'agent');
    const status = await until(
      () => agentStatus(holder),
      (seen) => seen?.record?.owner === null,
      'the record is free',
    );
    expect(status?.record?.owned).toBe(false);
    for (const host of others) await host.restart('agent');
    await awaitSteady(lab, STEADY);
  });

  test("another program's name in the record: the address goes at once, and comes back when that has expired", async () => {
    const holder = await awaitSteady(lab, STEADY);
    const foreign = { holderIdentity: 'foreign', leaseDurationSeconds: 5, acquireTime: '', renewTime: '', leaseTransitions: 1 };
    expect((await etcdctl(holder, 'put', key, JSON.stringify(foreign))).stdout).toBe('OK\n');
    await untilNobody();
    expect((await agentStatus(holder))?.whyNotHolding).toBe(`foreign owns etcd key ${key}, and only its owner may hold the address`);
    await untilHeld('a host holds again', ({ record }) => record?.owned === true);
    await awaitSteady(lab, STEADY);
  });

  test('etcd down for longer than the deadline: the address goes, status says why, and it comes back', async () => {
    await awaitSteady(lab, STEADY);
    for (const host of lab.controlPlane) host.signal('etcd', 'STOP');
    await untilNobody();
    // Who did not own the record learns by its next look that etcd fails.
    await until(
      async () => (await statuses(lab))[0]?.whyNotHolding ?? '',
      (why) => /owns? etcd key .* only its owner may hold the address; etcd .* failed/.test(why),
      'status says why',
    );
    for (const host of lab.controlPlane) host.signal('etcd', 'CONT');
    await untilHeld('a host holds again', ({ record }) => record?.owned === true);
    await awaitSteady(lab, STEADY);
  });
});
