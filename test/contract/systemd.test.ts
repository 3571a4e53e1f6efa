/** The units of a control-plane host as they are rendered, and its agent, under a real systemd. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Service } from '../../src/core/render/service.ts';
import { unitFile } from '../../src/core/render/systemd/unit.ts';
import { lackingProgram, SystemdHost, until } from '../support/systemd-host.ts';
import { createTestLan, type TestLan } from '../support/netns.ts';
import { systemdProblem } from '../support/systemd-machine.ts';

const UNITS = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'hale-agent'];
const START_MS = 240_000;
const problem = systemdProblem();

let lan: TestLan;
let host: SystemdHost;

beforeAll(async () => {
  if (problem !== undefined) return;
  lan = createTestLan([]);
  host = await SystemdHost.start(lan.lan);
  await host.install();
}, START_MS);

afterAll(async () => {
  await host?.machine.remove();
  lan?.remove();
});

describe.skipIf(problem !== undefined)(`units${problem === undefined ? '' : `: skipped: ${problem}`}`, { timeout: START_MS }, () => {
  test('systemd has no complaint about any of them', async () => {
    const units = lackingProgram() === undefined ? UNITS : ['hale-agent'];
    const { code, stderr } = await host.machine.run([
      'systemd-analyze',
      'verify',
      ...units.map((name) => `/etc/systemd/system/${name}.service`),
    ]);
    expect([code, stderr]).toEqual([0, '']);
  });

  test.each(UNITS)('%s is exposed less than 3.0, as systemd counts', async (name) => {
    const path = `/etc/systemd/system/${name}.service`;
    const said = await host.machine.output('systemd-analyze', 'security', '--offline=yes', '--no-pager', path);
    const exposure = Number(/Overall exposure level for .*: ([\d.]+)/.exec(said)?.[1]);
    expect(exposure).toBeLessThan(3);
  });

  test('words reach a program as they are, whatever is in them', async () => {
    const words = [
      '--plain=a,b',
      '100%',
      '%n',
      '$HOME',
      '${HOME}',
      'two words',
      'a "quote"',
      "it's",
      'back\\slash',
      '*',
      ';',
      'tab\tand\nline',
      '',
    ];
    const dir = '/opt/a %n $HOME dir';
    host.put({ path: `${dir}/show`, text: '#!/bin/sh\nfor word; do printf "<%s>" "$word"; done >"/var/lib/show/said"\n', mode: 0o755 });
    const service: Service = { ...showService, arguments: words };
    const unit = unitFile(service, dir);
    const path = '/etc/systemd/system/show.service';
    host.put({ ...unit, path });
    expect((await host.machine.run(['systemd-analyze', 'verify', path])).stderr).toBe('');
    await host.machine.output('systemctl', 'daemon-reload');
    await host.machine.output('systemctl', 'start', 'show');
    const said = join(host.machine.root, 'var/lib/show/said');
    await until(
      () => (existsSync(said) ? readFileSync(said, 'utf8') : ''),
      (text) => text.length > 0,
      'it has run',
    ).finally(() => host.machine.run(['systemctl', 'stop', 'show']));
    expect(readFileSync(said, 'utf8')).toBe(words.map((word) => `<${word}>`).join(''));
  });
});

const showService: Service = {
  name: 'etcd',
  description: 'shows its arguments',
  after: [],
  unit: [],
  type: 'exec',
  user: 'root',
  program: 'show',
  arguments: [],
  writes: [],
  stopTimeoutSeconds: 5,
  capabilities: [],
  hardening: {},
  extra: ['StateDirectory=show'],
};

describe.skipIf(problem !== undefined)(`agent${problem === undefined ? '' : `: skipped: ${problem}`}`, { timeout: START_MS }, () => {
  beforeAll(async () => {
    await host.machine.output('systemctl', 'start', 'hale-agent');
    await untilStatus((status) => status?.guarded === true);
  }, START_MS);

  test.each([
    ['datapath: auto', {}],
    ['datapath: nat', { datapath: 'nat' }],
    ['election: vrrp', { election: 'vrrp' }],
    ['a virtual MAC address', { election: 'vrrp', vrrp: { virtualMac: true } }],
  ])('has all the rights that it needs with %s', async (_, changes: object) => {
    const before = (await host.journal('hale-agent')).length;
    await host.machine.output('systemctl', 'stop', 'hale-agent');
    const endpoint = { address: '10.77.0.100', port: 'datapath' in changes ? 8443 : 6443, interface: 'eth0' };
    host.describe({ endpoint, ...changes });
    await host.machine.output('systemctl', 'start', 'hale-agent');
    const status = await untilStatus((now) => now?.role === 'holder');
    expect(status).toMatchObject({ realtime: true, guarded: true });
    const said = (await host.journal('hale-agent')).slice(before);
    expect(said.split('\n').filter((line) => /"level":"?(warn|error)/.test(line))).toEqual([]);
  });

  test('has all the rights that it needs with advertise: bgp', async () => {
    const before = (await host.journal('hale-agent')).length;
    await host.machine.output('systemctl', 'stop', 'hale-agent');
    const peer = { address: '10.77.0.1', as: 65_001, bfd: true };
    const endpoint = { address: '10.77.0.100', port: 6443, interface: 'eth0' };
    host.describe({ endpoint, advertise: 'bgp', bgp: { peers: [peer], drainSeconds: 0 } });
    await host.machine.output('systemctl', 'start', 'hale-agent');
    // There is no router, nor an API server that could be announced.
    const status = await untilStatus((now) => (now?.routes?.peers[0]?.counters['connectAttempts'] ?? 0) > 0);
    expect(status).toMatchObject({ realtime: true, routes: { wanted: 'withdrawn' } });
    const said = (await host.journal('hale-agent')).slice(before);
    expect(said.split('\n').filter((line) => /"level":"?(warn|error)/.test(line))).toEqual([]);
    await host.machine.output('systemctl', 'stop', 'hale-agent');
    host.describe({ endpoint });
    await host.machine.output('systemctl', 'start', 'hale-agent');
    await untilStatus((now) => now?.role === 'holder');
  });

  test('its guardian is given the time to act when the agent is killed', async () => {
    const before = await host.mainPid('hale-agent');
    const guardian = (await host.machine.output('sh', '-c', `cat /proc/${before}/task/*/children`)).trim().split(' ');
    // As slow as can be: systemd hears of the death first, and wakes it with its SIGTERM.
    await host.machine.output('kill', '-STOP', ...guardian);
    await host.machine.output('kill', '-9', `${before}`);
    await until(
      () => host.mainPid('hale-agent'),
      (pid) => pid !== before && pid > 0,
      'there is another agent',
    );
    expect(await host.journal('hale-agent')).toContain('the agent is dead: address withdrawn, lease given back');
    await untilStatus((status) => status?.guarded === true);
  });

  test('nothing of it is left when it is stopped, and its guardian had nothing to do', async () => {
    const since = (await host.journal('hale-agent')).length;
    await host.machine.output('systemctl', 'stop', 'hale-agent');
    expect((await host.machine.output('systemctl', 'show', '--value', '--property=Result', 'hale-agent')).trim()).toBe('success');
    const said = (await host.journal('hale-agent')).slice(since);
    expect(said).not.toContain('the agent is dead');
    expect(await host.machine.output('ip', 'address', 'show', 'dev', 'eth0')).not.toContain('10.77.0.100');
  });
});

async function untilStatus(wanted: (status: AgentStatus | undefined) => boolean): Promise<AgentStatus | undefined> {
  const look = async () => {
    const { code, stdout } = await host.machine.run(['hale', 'status', '--json']);
    return code === 0 || stdout.startsWith('{') ? (JSON.parse(stdout) as AgentStatus) : undefined;
  };
  return await until(look, wanted, 'the agent says so').catch(async (error: Error) => {
    throw new Error(`${error.message}\n${await host.journal('hale-agent')}`, { cause: error });
  });
}

interface AgentStatus {
  role: string;
  realtime: boolean;
  guarded: boolean;
  routes: { wanted: string; peers: { counters: Record<string, number> }[] } | null;
}
