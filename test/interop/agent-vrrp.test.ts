import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentStatus } from '../../src/lab/drill/agents.ts';
import { findProgram } from '../../src/lab/find-program.ts';
import { writePlain } from '../../src/lab/folder.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { STAND_IN } from '../../src/lab/kubernetes/programs.ts';
import { createLab, type Lab } from '../../src/lab/lab.ts';
import { agentArgv } from '../../src/lab/services.ts';
import type { VrrpStatus } from '../../src/ports/control.ts';
import { HALE, until } from '../support/hale.ts';
import { hostsWithAddress, labImpossible } from '../support/lab.ts';

const keepalived = findProgram('keepalived');
const problem = labImpossible ?? (keepalived === undefined ? '(keepalived is not installed)' : undefined);
const VIRTUAL_ROUTER_ID = 74;
const settings = { election: 'vrrp', vrrp: { virtualRouterId: VIRTUAL_ROUTER_ID, advertisementIntervalMs: 100 } };

describe.skipIf(problem !== undefined)(`election: vrrp beside keepalived ${problem ?? ''}`, () => {
  let lab: Lab;
  let other: LabHost;
  /** Those that run an agent. */
  let hosts: LabHost[];
  beforeAll(async () => {
    lab = await createLab({ name: `vrrp-${process.pid}`, kubernetes: STAND_IN, settings, services: ['etcd', 'apiserver'] });
    other = lab.host('cp3');
    hosts = [lab.host('cp1'), lab.host('cp2')];
    writePlain(join(other.folder, 'etc/hale/keepalived.conf'), { text: configuration(lab), mode: 0o644 });
    await startKeepalived();
    await untilHeldBy(other);
    await Promise.all(hosts.map((host) => host.spawn('agent', agentArgv(), { atBoot: true })));
    await until(
      () => Promise.all(hosts.map((host) => agentStatus(host).catch(() => undefined))),
      (all) => all.every((status) => status?.vrrp?.active !== null && status?.backends.every(({ state }) => state === 'ready')),
      'both agents hear the active router and reach every API server',
    );
  });
  afterAll(() => lab?.down());

  const startKeepalived = () =>
    other.spawn('keepalived', [
      keepalived as string,
      '--vrrp',
      '-n',
      '-l',
      '-p',
      '/run/keepalived-own.pid',
      '-f',
      '/etc/hale/keepalived.conf',
    ]);
  const untilHeldBy = (...allowed: LabHost[]) =>
    until(
      () => hostsWithAddress(lab),
      (names) => names.length === 1 && allowed.some(({ name }) => name === names[0]),
      `one of ${allowed.map(({ name }) => name).join(', ')} has the address, and nobody else`,
    );
  async function holder(): Promise<LabHost> {
    const [held] = await untilHeldBy(...hosts);
    return hosts.find(({ name }) => name === held) as LabHost;
  }

  async function vrrpOf(host: LabHost): Promise<VrrpStatus> {
    return JSON.parse((await host.exec([HALE, 'vrrp', 'status', '--json'])).stdout) as VrrpStatus;
  }

  async function ask(): Promise<string> {
    const url = `https://${lab.plan.endpoint.dnsName}:${lab.plan.endpoint.port}/readyz`;
    const { stdout, stderr } = await lab.client.exec(['curl', '-sS', '--max-time', '3', '--cacert', '/etc/kubernetes/pki/ca.crt', url]);
    return stdout + stderr;
  }

  test('agents follow a keepalived that is active, and say who it is', async () => {
    for (const [i, host] of hosts.entries()) {
      expect(await vrrpOf(host)).toMatchObject({
        virtualRouterId: VIRTUAL_ROUTER_ID,
        state: 'backup',
        priority: 240 - 25 * i,
        active: { address: '10.66.0.13', host: 'cp3', priority: 50 },
        warnings: [],
      });
    }
    expect(await ask()).toBe('ok');
  });

  test('keepalived ends: a host of hale answers; keepalived comes back and leaves it there', async () => {
    other.signal('keepalived', 'TERM');
    const held = await holder();
    expect(await ask()).toBe('ok');
    expect((await vrrpOf(held)).state).toBe('active');
    await until(
      () => other.running('keepalived'),
      (running) => !running,
      'keepalived has ended',
    );
    await startKeepalived();
    await until(
      () => readFileSync(join(other.folder, 'log/keepalived.log'), 'utf8').split('Entering BACKUP STATE').length,
      (parts) => parts > 2,
      'keepalived is a backup again',
    );
    expect(await hostsWithAddress(lab)).toEqual([held.name]);
  });

  test('drain: another host of hale has the address, none of higher priority than it wanted it', async () => {
    const before = await holder();
    await before.exec([HALE, 'agent', 'drain']);
    await untilHeldBy(...hosts.filter((host) => host !== before));
    expect(await vrrpOf(before)).toMatchObject({ priority: 0, state: 'initialize', warnings: [] });
    expect(await ask()).toBe('ok');
    await before.exec([HALE, 'agent', 'resume']);
  });

  test('an agent that is killed leaves the address to another at once, and none behind', async () => {
    const before = await holder();
    const untilBackup = (host: LabHost) =>
      until(
        // An agent that has just started does not answer yet.
        () => agentStatus(host).catch(() => undefined),
        (status) => status?.vrrp?.state === 'backup',
        `${host.name} is a backup`,
      );
    await Promise.all(hosts.filter((host) => host !== before).map(untilBackup));
    await before.kill('agent');
    await untilHeldBy(...hosts.filter((host) => host !== before));
    await before.restart('agent');
    await untilBackup(before);
    expect(await hostsWithAddress(lab)).toEqual([expect.not.stringContaining(before.name)]);
  });

  test('no agent of hale is left: keepalived has the address', async () => {
    await Promise.all(hosts.map((host) => host.signal('agent', 'TERM')));
    await untilHeldBy(other);
    expect(await ask()).toBe('ok');
  });
});

function configuration(lab: Lab): string {
  return `global_defs {
  vrrp_version 3
}
vrrp_instance apiserver {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id ${VIRTUAL_ROUTER_ID}
  priority 50
  advert_int 0.1
  virtual_ipaddress {
    ${lab.plan.endpoint.addresses[0]}/32 dev eth0
  }
}
`;
}
