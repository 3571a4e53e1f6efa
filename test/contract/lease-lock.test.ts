import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ElectionRecord } from '../../src/core/election/record.ts';
import { createKubernetesClient } from '../../src/drivers/kubernetes/client.ts';
import { createLeaseLock } from '../../src/drivers/kubernetes/lease-lock.ts';
import type { Kubernetes } from '../../src/ports/kubernetes.ts';
import type { Lock, LockRead } from '../../src/ports/lock.ts';
import { until } from '../support/hale.ts';
import { type KubernetesCluster, kubernetesProblem, startKubernetes } from '../support/kubernetes.ts';
import { LeaseCandidate } from '../support/lease-candidate.ts';

const problem = kubernetesProblem('kube-scheduler');
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases';

describe.skipIf(problem !== undefined)(`lock on a Lease of a real kube-apiserver${problem === undefined ? '' : ` (${problem})`}`, () => {
  let cluster: KubernetesCluster;
  let admin: Kubernetes;
  let locks: Lock[] = [];
  let number = 0;

  beforeAll(async () => {
    cluster = await startKubernetes();
    admin = createKubernetesClient({ kubeconfig: cluster.adminConf });
  }, 180_000);
  afterAll(async () => {
    admin?.close();
    await cluster?.close();
  });
  afterEach(() => {
    for (const lock of locks) lock.close();
    locks = [];
  });

  function open(name: string, options: { namespace?: string; kubeconfig?: string } = {}): Lock {
    const { namespace = 'kube-system', kubeconfig = cluster.adminConf } = options;
    const lock = createLeaseLock({ kubernetes: createKubernetesClient({ kubeconfig }), namespace, name, timeoutMs: 5000 });
    locks.push(lock);
    return lock;
  }

  const newName = (): string => `lease-${number++}`;
  const record = (holderIdentity: string, changes: Partial<ElectionRecord> = {}): ElectionRecord => {
    const now = '2026-11-21T19:00:00.123456Z';
    return { holderIdentity, leaseDurationSeconds: 15, acquireTime: now, renewTime: now, leaseTransitions: 0, ...changes };
  };
  async function found(lock: Lock): Promise<LockRead & { kind: 'found' }> {
    const read = await lock.read();
    if (read.kind !== 'found') throw new Error(JSON.stringify(read));
    return read;
  }

  test('is absent, then written, then read as written', async () => {
    const lock = open(newName());
    expect(await lock.read()).toEqual({ kind: 'absent' });
    const written = await lock.write(record('a'), undefined);
    expect(written).toEqual({ kind: 'written', version: expect.any(String) });
    expect(await lock.read()).toEqual({ kind: 'found', record: record('a'), version: (written as { version: string }).version });
  });

  test('of many that create it at once exactly one wins, and of many that replace it', async () => {
    const name = newName();
    const racers = Array.from({ length: 8 }, () => open(name));
    const created = await Promise.all(racers.map((lock, i) => lock.write(record(`c${i}`), undefined)));
    expect(created.map(({ kind }) => kind).toSorted()).toEqual([...Array.from({ length: 7 }, () => 'conflict'), 'written']);
    for (let round = 1; round <= 5; round++) {
      const reads = await Promise.all(racers.map(found));
      expect(new Set(reads.map(({ version }) => version)).size).toBe(1);
      // Something new each time: the API server writes nothing, and refuses nothing, where nothing changes.
      const results = await Promise.all(
        racers.map((lock, i) => lock.write(record(`r${i}`, { leaseTransitions: round }), reads[i]?.version)),
      );
      const winners = results.flatMap(({ kind }, i) => (kind === 'written' ? [`r${i}`] : []));
      expect(winners).toHaveLength(1);
      expect(results.filter(({ kind }) => kind === 'conflict')).toHaveLength(7);
      expect((await found(racers[0] as Lock)).record.holderIdentity).toBe(winners[0]);
    }
  });

  test('a version that was read earlier is not written over what was read since', async () => {
    const name = newName();
    const [ours, other] = [open(name), open(name)];
    await ours.write(record('ours'), undefined);
    const { version } = await found(ours);
    await other.read();
    await other.write(record('other'), (await found(other)).version);
    await ours.read();
    expect(await ours.write(record('ours'), version)).toEqual({ kind: 'conflict' });
    expect((await found(ours)).record.holderIdentity).toBe('other');
  });

  test('what else a Lease says stays: labels, annotations, fields of its spec', async () => {
    const name = newName();
    const metadata = { name, namespace: 'kube-system', labels: { app: 'x' }, annotations: { note: 'y' } };
    await admin.request('POST', LEASES, { body: { metadata, spec: { holderIdentity: 'somebody' } } });
    const lock = open(name);
    const { version, record: first } = await found(lock);
    expect(first).toEqual({ holderIdentity: 'somebody', leaseDurationSeconds: 0, acquireTime: '', renewTime: '', leaseTransitions: 0 });
    const written = await lock.write(record('ours'), version);
    expect(await lock.write(record('ours again'), (written as { version: string }).version)).toMatchObject({ kind: 'written' });
    const { body } = await admin.request('GET', `${LEASES}/${name}`);
    expect(body).toMatchObject({ metadata, spec: record('ours again') });
  });

  test('one that is let go of has an empty holder', async () => {
    const lock = open(newName());
    const { version } = (await lock.write(record('ours'), undefined)) as { version: string };
    await lock.write(record('', { leaseDurationSeconds: 1, leaseTransitions: 3 }), version);
    expect((await found(lock)).record).toEqual(record('', { leaseDurationSeconds: 1, leaseTransitions: 3 }));
  });

  test('one that was removed meanwhile is a conflict, and absent', async () => {
    const name = newName();
    const lock = open(name);
    const { version } = (await lock.write(record('ours'), undefined)) as { version: string };
    await admin.request('DELETE', `${LEASES}/${name}`);
    expect(await lock.write(record('ours'), version)).toEqual({ kind: 'conflict' });
    expect(await lock.read()).toEqual({ kind: 'absent' });
  });

  test('why it cannot be used is said in the words of the API server', async () => {
    expect(await open('x', { namespace: 'nowhere' }).write(record('a'), undefined)).toEqual({
      kind: 'failed',
      reason: 'HTTP 404: namespaces "nowhere" not found',
    });
    const kubeconfig = await cluster.writeKubeconfig({ file: 'nobody.conf', commonName: 'nobody' });
    expect(await open('x', { kubeconfig }).read()).toEqual({
      kind: 'failed',
      reason: expect.stringMatching(/^HTTP 403: .*User "nobody" cannot get/),
    });
    expect(await open(newName()).write(record('a', { leaseDurationSeconds: -1 }), undefined)).toEqual({
      kind: 'failed',
      reason: expect.stringMatching(/^HTTP 422: .*leaseDurationSeconds/),
    });
  });

  describe('turns with real kube-schedulers, which elect by client-go', () => {
    const logOf = (name: string): string => readFileSync(join(cluster.dir, `${name}.log`), 'utf8');

    function startScheduler(name: string, lease: string) {
      return cluster.start('kube-scheduler', {
        name,
        arguments: [
          `--kubeconfig=${cluster.adminConf}`,
          '--secure-port=0',
          `--leader-elect-resource-name=${lease}`,
          '--leader-elect-lease-duration=6s',
          '--leader-elect-renew-deadline=4s',
          '--leader-elect-retry-period=1s',
        ],
      });
    }

    /** Looks until the record has been renewed so often by who holds it now. */
    async function renewals(lock: Lock, count: number): Promise<ElectionRecord> {
      const seen = new Set<string>();
      return (
        await until(
          () => found(lock),
          ({ record: now }) => seen.add(`${now.holderIdentity} ${now.renewTime}`).size > count,
          `${count} renewals`,
        )
      ).record;
    }

    test('ours waits while a scheduler renews and takes over when it was killed; the reverse when ours lets go, and when ours is gone', async () => {
      const lease = newName();
      const watcher = open(lease);
      const holder = async (): Promise<string> => {
        const read = await watcher.read();
        return read.kind === 'found' ? read.record.holderIdentity : '';
      };
      const first = startScheduler('scheduler-1', lease);
      await until(holder, (name) => name !== '', 'a scheduler that leads');
      const ours = new LeaseCandidate(open(lease), 'ours', { durationSeconds: 6, periodMs: 1000 });
      expect((await renewals(watcher, 8)).holderIdentity).not.toBe('ours');
      expect(ours.writes).toBe(0);

      first.kill('SIGKILL');
      await until(holder, (name) => name === 'ours', 'ours leads');
      expect((await found(watcher)).record.leaseTransitions).toBe(1);

      startScheduler('scheduler-2', lease);
      await until(
        () => logOf('scheduler-2'),
        (log) => log.includes('Attempting to acquire leader lease'),
        'a scheduler that waits',
      );
      expect((await renewals(watcher, 8)).holderIdentity).toBe('ours');
      expect(logOf('scheduler-2')).not.toContain('Successfully acquired lease');

      await ours.release();
      const taken = await until(holder, (name) => name !== 'ours' && name !== '', 'the second scheduler leads');
      expect(logOf('scheduler-2')).toContain('Successfully acquired lease');
      expect((await found(watcher)).record).toMatchObject({ holderIdentity: taken, leaseTransitions: 2, leaseDurationSeconds: 6 });
    }, 120_000);

    test('two schedulers and ours: whoever is killed, one of the others leads, and never two at a time write', async () => {
      const lease = newName();
      const watcher = open(lease);
      const ours = new LeaseCandidate(open(lease), 'ours', { durationSeconds: 6, periodMs: 1000 });
      await until(
        () => ours.leads,
        (leads) => leads,
        'ours leads',
      );
      const schedulers = ['scheduler-3', 'scheduler-4'].map((name) => ({ name, child: startScheduler(name, lease) }));
      for (const { name } of schedulers)
        await until(
          () => logOf(name),
          (log) => log.includes('Attempting to acquire'),
          `${name} waits`,
        );
      await renewals(watcher, 5);
      ours.stop();
      const leads = ({ name }: { name: string }): boolean => logOf(name).includes('Successfully acquired lease');
      await until(
        () => schedulers.filter(leads),
        (leading) => leading.length > 0,
        'a scheduler leads',
      );
      const holder = (await renewals(watcher, 4)).holderIdentity;
      expect(holder).not.toBe('ours');
      expect(schedulers.filter(leads)).toHaveLength(1);
      schedulers.find(leads)?.child.kill('SIGKILL');
      await until(
        () => schedulers.every(leads),
        (both) => both,
        'the other scheduler leads',
      );
      const { record: last } = await found(watcher);
      expect(last.leaseTransitions).toBe(2);
      expect(last.holderIdentity).not.toBe(holder);
    }, 120_000);
  });
});
