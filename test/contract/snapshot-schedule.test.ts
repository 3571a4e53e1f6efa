import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { packageFolder } from '../../src/drivers/program.ts';
import { awaitSteady } from '../../src/lab/drill/agents.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { STAND_IN } from '../../src/lab/kubernetes/programs.ts';
import { createLab, type Lab } from '../../src/lab/lab.ts';
import { etcdctl } from '../support/control-plane-lab.ts';
import { untilWithin } from '../support/hale.ts';
import { labImpossible } from '../support/lab.ts';

const TIMEOUT_MS = 240_000;
const PATIENCE_MS = 90_000;
const KEY = '/hale/etcd/snapshot';
const FOLDER = 'var/lib/hale/snapshots';

describe.skipIf(labImpossible !== undefined)(`snapshots by schedule ${labImpossible ?? ''}`, () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await createLab({ name: 'schedule', services: ['etcd', 'apiserver'], kubernetes: STAND_IN });
    for (const { folder } of lab.controlPlane) {
      const file = join(folder, 'etc/hale/cluster.yaml');
      const document = parseDocument(readFileSync(file, 'utf8'));
      document.setIn(['etcd', 'snapshots'], { everyMinutes: 5 });
      writeFileSync(file, String(document));
    }
    await lab.startAgents();
  }, TIMEOUT_MS);

  afterAll(async () => {
    await lab?.down();
  });

  const holder = () => awaitSteady(lab, { timeoutMs: PATIENCE_MS });
  const snapshotsOf = ({ folder }: LabHost) =>
    existsSync(join(folder, FOLDER)) ? readdirSync(join(folder, FOLDER)).filter((name) => name.endsWith('.db')) : [];
  const counts = () => lab.controlPlane.map((host) => snapshotsOf(host).length);
  const totalIs = (total: number) =>
    untilWithin(PATIENCE_MS, { look: counts, wanted: (each) => each.reduce((a, b) => a + b) === total, what: `${total} snapshots` });

  async function record(host: LabHost): Promise<Record<string, unknown>> {
    return JSON.parse((await etcdctl(host, ['get', '--print-value-only', KEY])).stdout) as Record<string, unknown>;
  }

  /** As if the newest had been taken long ago. */
  async function makeDue(host: LabHost): Promise<void> {
    const old = { ...(await record(host)), takenAt: '2020-01-01T00:00:00.000Z' };
    expect((await etcdctl(host, ['put', KEY, JSON.stringify(old)])).code).toBe(0);
  }

  async function metric(host: LabHost, name: string): Promise<number> {
    const get = `fetch('http://127.0.0.1:7701/metrics').then((r) => r.text()).then((t) => process.stdout.write(t))`;
    const { stdout } = await host.exec([process.execPath, '-e', get]);
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(stdout)?.[1]);
  }

  async function moveFrom(host: LabHost): Promise<LabHost> {
    await host.exec([join(packageFolder, 'hale'), 'agent', 'drain']);
    const next = await untilWithin(PATIENCE_MS, { look: holder, wanted: ({ name }) => name !== host.name, what: 'another holder' });
    await host.exec([join(packageFolder, 'hale'), 'agent', 'resume']);
    return next;
  }

  test(
    'the holder takes one, and the next holder none before it is due',
    async () => {
      const first = await holder();
      await totalIs(1);
      const [name] = snapshotsOf(first) as [string];
      expect(name).toMatch(/^hale-schedule-\d{8}T\d{6}Z-rev\d+\.db$/);
      const remembered = await untilWithin(PATIENCE_MS, {
        look: () => record(first).catch(() => undefined),
        wanted: (r) => r !== undefined,
        what: 'a record',
      });
      expect(remembered).toMatchObject({ place: `/${FOLDER}/${name}` });
      const asked = ['etcd', 'snapshot', 'save', '--if-due', '--json'];
      const { stdout, code } = await first.exec([join(packageFolder, 'hale'), ...asked]);
      expect([code, JSON.parse(stdout)]).toMatchObject([
        0,
        { schedule: { saved: false, newestAtMs: Date.parse(String(remembered?.['takenAt'])) } },
      ]);

      const second = await moveFrom(first);
      const looked = () => readFileSync(join(second.folder, 'log/agent.log'), 'utf8');
      await untilWithin(PATIENCE_MS, { look: looked, wanted: (log) => log.includes('no snapshot of etcd is due'), what: 'a look' });
      expect(counts().toSorted()).toEqual([0, 0, 1]);
      expect(await metric(second, 'hale_etcd_snapshot_newest_timestamp_seconds')).toBe(Date.parse(String(remembered?.['takenAt'])) / 1000);
    },
    TIMEOUT_MS,
  );

  test(
    'one that cannot be taken is counted and told, and tried again',
    async () => {
      const first = await holder();
      await makeDue(first);
      const blocked = lab.controlPlane.filter(({ name, folder }) => name !== first.name && !existsSync(join(folder, FOLDER)));
      for (const { folder } of blocked) {
        mkdirSync(dirname(join(folder, FOLDER)), { recursive: true });
        writeFileSync(join(folder, FOLDER), 'in the way');
      }
      const second = await moveFrom(first);
      expect(blocked).toContainEqual(expect.objectContaining({ name: second.name }));
      const look = () => metric(second, 'hale_etcd_snapshot_failures_total');
      await untilWithin(PATIENCE_MS, { look, wanted: (count) => count === 1, what: 'a failure that is counted' });
      const log = readFileSync(join(second.folder, 'log/agent.log'), 'utf8');
      expect(log).toMatch(/"reason":"[^"]*var\/lib\/hale\/snapshots[^"]*","msg":"no snapshot of etcd could be taken"/);
      expect(await metric(second, 'hale_holding')).toBe(1);
      const { stdout } = await second.exec([join(packageFolder, 'hale'), 'status', '--json']);
      const { findings } = JSON.parse(stdout) as { findings: string[] };
      expect(findings).toContainEqual(expect.stringMatching(/^the newest snapshot of etcd is \d+ minutes old, more than 15 /));
    },
    TIMEOUT_MS,
  );
});
