import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EtcdEndpointStatus } from '../../src/core/etcd/rows.ts';
import { packageFolder } from '../../src/drivers/program.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { createLab, type Lab, listLabs, removeLab } from '../../src/lab/lab.ts';
import { kubectl } from '../support/control-plane-lab.ts';
import { kubernetesProblem } from '../support/kubernetes.ts';
import { labImpossible } from '../support/lab.ts';

const problem = labImpossible ?? kubernetesProblem('kube-controller-manager', 'kube-scheduler', 'kubectl');
let base: string;
let lab: Lab;

describe.skipIf(problem !== undefined)(`faults of whoever leads a real control plane ${problem ?? ''}`, () => {
  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), 'hale-leaders-test-'));
    process.env['HALE_LAB_DIR'] = base;
    lab = await createLab({ name: 'leaders' });
  }, 300_000);

  afterAll(async () => {
    for (const { name } of listLabs()) await removeLab(name);
    rmSync(base, { recursive: true });
    delete process.env['HALE_LAB_DIR'];
  });

  test.each([
    { fault: 'controller-leader-kill', daemon: 'controller-manager', leader: () => leaseHolder('kube-controller-manager') },
    { fault: 'scheduler-leader-kill', daemon: 'scheduler', leader: () => leaseHolder('kube-scheduler') },
    { fault: 'etcd-leader-kill', daemon: 'etcd', leader: etcdLeader },
  ] as const)(
    '$fault kills the one that leads, wherever it is; another leads, and its undo starts the first again',
    async ({ fault, daemon, leader }) => {
      const before = await another(leader);
      const named = lab.controlPlane.find(({ name }) => name !== before)?.name as string;
      const injected = await lab.inject(fault, named, { undoAfterMs: 200_000 });
      expect(injected.record.struck).toEqual([before]);
      expect(lab.controlPlane.filter((host) => !host.running(daemon)).map(({ name }) => name)).toEqual([before]);
      await another(leader, before);
      await injected.undo();
      expect(lab.controlPlane.every((host) => host.running(daemon))).toBe(true);
    },
    300_000,
  );
});

async function leaseHolder(lease: string): Promise<string | undefined> {
  const { stdout } = await kubectl(lab, '--request-timeout=5s', '--namespace=kube-system', 'get', 'lease', lease, '--output=json');
  return /"holderIdentity": "([^_"]+)_/.exec(stdout)?.[1];
}

/** As hale asks the members over gRPC; the fault reads their metrics. */
async function etcdLeader(): Promise<string | undefined> {
  const [host] = lab.controlPlane;
  const { stdout } = await (host as LabHost).exec([join(packageFolder, 'hale'), 'status', '--json', '--config', '/etc/hale/cluster.yaml']);
  const { etcd } = JSON.parse(stdout) as { etcd: EtcdEndpointStatus[] };
  const leader = etcd.find(({ isLeader }) => isLeader)?.endpoint;
  return lab.controlPlane.find(({ addresses }) => leader?.includes(`//${addresses[0]}:`))?.name;
}

async function another(leader: () => Promise<string | undefined>, than?: string): Promise<string> {
  const deadline = Date.now() + 120_000;
  for (;;) {
    const name = await leader();
    if (name !== undefined && name !== than) return name;
    if (Date.now() > deadline) throw new Error(`nobody leads but ${than ?? 'nobody'}`);
    await sleep(500);
  }
}
