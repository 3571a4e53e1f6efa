import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asciiBytes } from '../../../src/base/ascii-json.ts';
import { decodeSnapshotRecord, encodeSnapshotRecord, SNAPSHOT_RECORD_KEY } from '../../../src/core/etcd/snapshot/last-save.ts';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import type { EtcdAdmin } from '../../../src/ports/etcd-admin.ts';
import { type EtcdCommand, etcdCommand } from '../../support/etcd-command.ts';
import { type EtcdCluster, startEtcdCluster } from '../../support/etcd-cluster.ts';

const KEY = asciiBytes(SNAPSHOT_RECORD_KEY);
const OLD = { takenAt: '2020-01-01T00:00:00.000Z', revision: 1, host: 'cp1', place: '/srv/old' };

let cluster: EtcdCluster;
let command: EtcdCommand;
let etcd: EtcdAdmin;

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 1 });
  command = etcdCommand(cluster);
  etcd = createEtcdAdmin({ ...cluster, timeoutMs: 5000 });
});

afterAll(async () => {
  etcd?.close();
  await cluster?.close();
});

/** As on a host of the cluster, which has a folder of its own. */
function describedHost(name: string): { folder: string; saveIfDue: string[] } {
  const folder = join(cluster.dir, `${name}-snapshots`);
  const config = join(cluster.dir, `${name}.yaml`);
  const description = {
    apiVersion: 'hale.dev/v1alpha1',
    kind: 'Cluster',
    name: 'due',
    endpoint: { address: '10.77.0.100', interface: 'eth0' },
    controlPlane: { hosts: [{ name: 'cp1', address: '10.77.0.11/24' }] },
    etcd: { snapshots: { folder, everyMinutes: 60 } },
  };
  writeFileSync(config, JSON.stringify(description));
  return { folder, saveIfDue: ['snapshot', 'save', '--if-due', '--config', config] };
}

const record = async () => {
  const [found] = (await etcd.range(KEY)).kvs;
  return found && decodeSnapshotRecord(found.value);
};

interface Turn {
  place?: string;
  schedule: { saved: boolean; newestAtMs: number };
}

test('the first host saves one, and the second none before it is due', async () => {
  const [one, two] = [describedHost('one'), describedHost('two')];
  const saved = await command.json<Turn>(...one.saveIfDue);
  expect(saved).toMatchObject({ code: 0, schedule: { saved: true } });
  expect(await record()).toMatchObject({ place: saved.place });
  const refrained = await command.json<Turn>(...two.saveIfDue);
  expect(refrained).toEqual({ code: 0, schedule: { ...saved.schedule, saved: false, dueAtMs: expect.any(Number) } });
  mkdirSync(two.folder, { recursive: true });
  expect(readdirSync(two.folder)).toEqual([]);
});

test('one that fails is not remembered as taken, and the next that succeeds is', async () => {
  await etcd.put(KEY, encodeSnapshotRecord(OLD));
  const [blocked, free] = [describedHost('blocked'), describedHost('free')];
  writeFileSync(blocked.folder, 'in the way');
  const { code, stderr } = await command.run(...blocked.saveIfDue);
  expect([code, stderr]).toEqual([3, expect.stringContaining(blocked.folder)]);
  expect(await record()).toEqual(OLD);
  const { place } = await command.json<Turn>(...free.saveIfDue);
  expect(await record()).toMatchObject({ place });
});
