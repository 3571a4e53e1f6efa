import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { findProgram } from '../../src/lab/find-program.ts';
import { writePlain } from '../../src/lab/folder.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { STAND_IN } from '../../src/lab/kubernetes/programs.ts';
import { createLab, type Lab } from '../../src/lab/lab.ts';
import { LAB_ROUTER, labPaths, labRoutes, startLabRouter } from '../../src/lab/router.ts';
import { HALE, until, untilWithin } from '../support/hale.ts';
import { labImpossible } from '../support/lab.ts';

const bird = findProgram('bird');
const problem = labImpossible ?? (bird === undefined ? '(BIRD is not installed)' : undefined);
const settings = { advertise: 'bird', bgp: { drainSeconds: 1, communities: ['65000:7'] } };

describe.skipIf(problem !== undefined)(`advertise: bird ${problem ?? ''}`, () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await createLab({ name: `bird-${process.pid}`, kubernetes: STAND_IN, services: ['etcd', 'apiserver'], settings });
    lab.controlPlane.forEach(scheduleSnapshots);
    await Promise.all(lab.controlPlane.map(startBird));
    await lab.startAgents();
    await startLabRouter(lab);
  });
  afterAll(() => lab?.down());

  function scheduleSnapshots({ folder }: LabHost): void {
    const file = join(folder, 'etc/hale/cluster.yaml');
    const document = parseDocument(readFileSync(file, 'utf8'));
    document.setIn(['etcd', 'snapshots'], { everyMinutes: 5 });
    writeFileSync(file, String(document));
  }

  /** The routing daemon of a host, which was there before hale. */
  async function startBird(host: LabHost): Promise<void> {
    const [own] = host.addresses;
    const text = `router id ${own};
include "/run/hale*/bird.conf";
protocol device {}
protocol bgp router1 {
  local ${own} as 65000;
  neighbor ${LAB_ROUTER} as 65001;
  ipv4 { import none; export where proto ~ "hale_*"; };
}
`;
    writePlain(join(host.folder, 'etc/hale/bird.conf'), { text, mode: 0o644 });
    await host.exec(['mkdir', '-p', '/run/bird']);
    await host.spawn('bird', [bird as string, '-f', '-c', '/etc/hale/bird.conf', '-s', '/run/bird/bird.ctl']);
  }

  const untilPaths = (...names: string[]) =>
    until(
      () => labPaths(lab),
      (paths) => paths.join() === names.join(),
      `the router's paths are by way of ${names.join(', ')}`,
    );

  test('every host announces through its own BIRD, with the communities of cluster.yaml', async () => {
    await untilPaths('cp1', 'cp2', 'cp3');
    expect((await labRoutes(lab)).match(/BGP\.community: \(65000,7\)/g)).toHaveLength(3);
    expect((await lab.host('cp1').exec([HALE, 'bgp', 'status'])).stdout).toContain('cp1: announced by bird');
  });

  test('a drained host leaves the routes, and comes back', async () => {
    await lab.host('cp2').exec([HALE, 'agent', 'drain']);
    await untilPaths('cp1', 'cp3');
    await lab.host('cp2').exec([HALE, 'agent', 'resume']);
    await untilPaths('cp1', 'cp2', 'cp3');
  });

  test('an agent that is killed, and one that is frozen: their routes go by themselves, while their BIRD runs', async () => {
    await lab.host('cp1').kill('agent');
    lab.host('cp3').signal('agent', 'STOP');
    await untilPaths('cp2');
    expect([lab.host('cp1').running('bird'), lab.host('cp3').running('bird')]).toEqual([true, true]);
    lab.host('cp3').signal('agent', 'CONT');
    await lab.host('cp1').restart('agent');
    await untilPaths('cp1', 'cp2', 'cp3');
  });

  test('snapshots by schedule are taken by one host, though every host has the address', async () => {
    const taken = () =>
      lab.controlPlane.map(({ folder }) => {
        const snapshots = join(folder, 'var/lib/hale/snapshots');
        return existsSync(snapshots) ? readdirSync(snapshots).filter((name) => name.endsWith('.db')).length : 0;
      });
    await untilWithin(40_000, { look: taken, wanted: (counts) => counts.some((count) => count > 0), what: 'there is a snapshot' });
    expect(taken().reduce((all, count) => all + count)).toBe(1);
  });
});
