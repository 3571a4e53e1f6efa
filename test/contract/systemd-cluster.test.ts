/** A cluster of three hosts from rendered files alone, under real systemds, as docs/guide/systemd.md sets it up. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Status } from '../../src/cli/render-status.ts';
import type { FleetRecord } from '../../src/core/drill/fleet.ts';
import { judgeFleet } from '../../src/core/drill/ledger.ts';
import { type Instrument, startFleet } from '../../src/lab/probe/process.ts';
import { ENDPOINT, guideCommands, SystemdCluster } from '../support/systemd-cluster.ts';
import { lackingProgram, type SystemdHost, until } from '../support/systemd-host.ts';
import { systemdProblem } from '../support/systemd-machine.ts';

const START_MS = 300_000;
const UNITS = ['hale-agent', 'etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'];
const problem = systemdProblem() ?? lackingProgram();

describe.skipIf(problem !== undefined)(`three hosts${problem === undefined ? '' : `: skipped: ${problem}`}`, { timeout: START_MS }, () => {
  let cluster: SystemdCluster;
  let fleet: Instrument<FleetRecord> | undefined;

  beforeAll(async () => {
    cluster = await SystemdCluster.start();
    for (const commands of guideCommands()) await cluster.shell(commands);
  }, START_MS);

  afterEach(async () => {
    await fleet?.abandon();
    fleet = undefined;
  });

  afterAll(async () => cluster?.remove());

  async function statusOf({ machine }: SystemdHost): Promise<Status> {
    const { stdout, stderr } = await machine.run(['hale', 'status', '--json']);
    return stdout.startsWith('{') ? (JSON.parse(stdout) as Status) : ({ problem: stderr } as never);
  }

  /** All that a healthy cluster shows at each of its hosts. */
  async function untilWhole(): Promise<SystemdHost> {
    const look = async () =>
      Promise.all(
        cluster.hosts.map(async (host) => {
          const { role, holder, backends, etcd, controlPlane } = await statusOf(host);
          return {
            role,
            holder,
            backends: backends?.filter(({ state }) => state === 'ready').length,
            etcd: etcd?.filter(({ member, lag }) => member !== undefined && lag !== null).length,
            apiservers: controlPlane?.apiservers.filter(({ ready }) => ready).length,
            leaders: controlPlane?.leaders.filter(({ holder: leader, stale }) => leader !== null && !stale).length,
          };
        }),
      );
    const seen = await until(
      look,
      (all) =>
        all.filter(({ role }) => role === 'holder').length === 1 &&
        new Set(all.map(({ holder }) => holder)).size === 1 &&
        all.every(({ backends, etcd, apiservers, leaders }) => backends === 3 && etcd === 3 && apiservers === 3 && leaders === 2),
      'the cluster is whole',
    );
    return cluster.hosts[seen.findIndex(({ role }) => role === 'holder')] as SystemdHost;
  }

  async function startRequests(): Promise<void> {
    fleet = await startFleet(cluster.prefix, {
      address: ENDPOINT,
      port: 6443,
      serverName: 'kubernetes',
      ...cluster.adminFiles(),
      watchers: 6,
      writers: 6,
      writesPerSecond: 5,
      getEveryMs: 20,
      settleMs: 60_000,
      outFile: join(cluster.dir, 'fleet.json'),
    });
  }

  /** What clients of the address went through meanwhile. */
  async function endRequests() {
    const record = await (fleet as Instrument<FleetRecord>).stop();
    fleet = undefined;
    const { lostWrites, lostEvents, unreadWriters, cutOff } = judgeFleet(record);
    return {
      gets: record.gets.length,
      failedGets: record.gets.filter(({ ok }) => !ok),
      failedWrites: record.writers.flatMap(({ writes }) => writes.filter(({ outcome }) => outcome !== 'acknowledged')),
      lost: [lostWrites.count, lostEvents.count, unreadWriters, cutOff],
    };
  }

  test('certificates, files, copies and the start of the units, as the guide has them, make a cluster', async () => {
    await untilWhole();
    const holders = await Promise.all(cluster.hosts.map(({ machine }) => machine.output('ip', '-brief', 'address', 'show', 'dev', 'eth0')));
    expect(holders.filter((text) => text.includes(` ${ENDPOINT}/`))).toHaveLength(1);
    const admin = 'kubectl --kubeconfig tree/cp2/etc/kubernetes/admin.conf';
    expect(await cluster.shell('grep server: tree/cp2/etc/kubernetes/admin.conf')).toContain(`https://${ENDPOINT}:6443`);
    await cluster.shell(`${admin} create deployment works --image=none --replicas=2`);
    await until(
      () => cluster.shell(`${admin} get pods -o name`),
      (pods) => pods.split('\n').filter((name) => name.startsWith('pod/works-')).length === 2,
      'the controllers make Pods',
    );
    // Each API server adds itself within 10 s (k8s.io/kubernetes, pkg/controlplane/reconcilers).
    await until(
      () => cluster.shell(`${admin} get endpointslices kubernetes -o jsonpath='{.endpoints[*].addresses[*]}'`),
      (addresses) => addresses.split(' ').toSorted().join(' ') === '10.77.0.11 10.77.0.12 10.77.0.13',
      'the Service kubernetes leads to all API servers',
    );
  });

  test('no daemon warns of a flag of its own', async () => {
    for (const host of cluster.hosts) for (const unit of UNITS) expect(await host.journal(unit)).not.toMatch(/deprecated/i);
  });

  test('with a schedule in cluster.yaml one host takes the snapshot that is due, within what its unit allows', async () => {
    await cluster.shell(`sed -i 's/^etcd:/&\\n  snapshots: { everyMinutes: 60 }/' cluster.yaml
      hale render cluster.yaml --out tree --force
      for host in cp1 cp2 cp3; do
        tar -C tree/$host --owner=root --group=root -cf - etc | ssh root@$host tar -C / --no-overwrite-dir -xpf -
        ssh root@$host 'systemd-tmpfiles --create && systemctl daemon-reload && systemctl restart hale-agent'
      done`);
    const taken = async () => {
      const lists = await Promise.all(cluster.hosts.map(({ machine }) => machine.run(['ls', '/var/lib/hale/snapshots'])));
      return lists.flatMap(({ stdout }) => stdout.split('\n').filter((name) => name.endsWith('.db')));
    };
    expect(await until(taken, (names) => names.length > 0, 'a snapshot is there')).toHaveLength(1);
    await untilWhole();
  });

  test('clients that keep one HTTP/2 connection are asked to open another now and then (--goaway-chance)', async () => {
    // One in a thousand: this many without it are as good as impossible.
    const limit = 20_000;
    const wanted = JSON.stringify({ url: `https://${ENDPOINT}:6443`, ca: join(cluster.dir, 'tree/cp1/etc/kubernetes/pki/ca.crt'), limit });
    const said = cluster.client.run(process.execPath, join(import.meta.dirname, '../support/count-goaway.ts'), wanted);
    const { sent, good, goaway } = JSON.parse(said) as { sent: number; good: number; goaway: number | null };
    // NO_ERROR, and every request under way was answered.
    expect([goaway, good]).toEqual([0, sent]);
  });

  test('an API server that is stopped drains: no request through the address fails, not even on its holder', async () => {
    const holder = await untilWhole();
    await startRequests();
    await sleep(1000);
    await holder.machine.output('systemctl', 'stop', 'kube-apiserver');
    await sleep(1000);
    const { gets, ...bad } = await endRequests();
    await holder.machine.output('systemctl', 'start', 'kube-apiserver');
    expect(gets).toBeGreaterThan(100);
    expect(bad).toEqual({ failedGets: [], failedWrites: [], lost: [0, 0, 0, 0] });
    await untilWhole();
  });

  test('an API server that is killed is started again, and no acknowledged write is lost', async () => {
    const holder = await untilWhole();
    const before = await holder.mainPid('kube-apiserver');
    await startRequests();
    await holder.machine.output('kill', '-9', `${before}`);
    await until(
      () => holder.mainPid('kube-apiserver'),
      (pid) => pid !== before && pid > 0,
      'there is another',
    );
    await untilWhole();
    expect((await endRequests()).lost).toEqual([0, 0, 0, 0]);
    expect((await holder.machine.output('systemctl', 'show', '--value', '--property=NRestarts', 'kube-apiserver')).trim()).toBe('1');
  });

  test('a host that is rebooted hands everything over, and comes back by itself', async () => {
    const holder = await untilWhole();
    await startRequests();
    await holder.machine.run(['systemctl', 'reboot']);
    await holder.machine.ended();
    await holder.machine.boot();
    await untilWhole();
    const { gets, ...bad } = await endRequests();
    expect(gets).toBeGreaterThan(100);
    expect(bad).toEqual({ failedGets: [], failedWrites: [], lost: [0, 0, 0, 0] });
  });

  test('a host whose power fails comes back by itself, and no acknowledged write is lost', async () => {
    const holder = await untilWhole();
    await startRequests();
    await holder.machine.cutPower();
    await sleep(3000);
    await holder.machine.boot();
    await untilWhole();
    expect((await endRequests()).lost).toEqual([0, 0, 0, 0]);
  });
});
