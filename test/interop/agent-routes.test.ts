import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findProgram } from '../../src/lab/find-program.ts';
import { createLab, type Lab } from '../../src/lab/lab.ts';
import type { RoutesStatus } from '../../src/ports/control.ts';
import { HALE, until } from '../support/hale.ts';
import { labImpossible, statuses } from '../support/lab.ts';
import { LAB_ROUTER, labPaths, labRoutes, routedSettings, startLabRouter } from '../../src/lab/router.ts';
import { STAND_IN } from '../../src/lab/kubernetes/programs.ts';

const problem = labImpossible ?? (findProgram('bird') === undefined ? '(BIRD is not installed)' : undefined);
const DRAIN_SECONDS = 2;

describe.skipIf(problem !== undefined).each(['dsr', 'nat'] as const)(`advertise: bgp with datapath %s ${problem ?? ''}`, (datapath) => {
  let lab: Lab;
  beforeAll(async () => {
    const settings = routedSettings({ bfdMs: 50 }, { drainSeconds: DRAIN_SECONDS });
    lab = await createLab({ name: `routes-${process.pid}`, kubernetes: STAND_IN, datapath, settings });
    await startLabRouter(lab, { bfdMs: 50 });
  });
  afterAll(() => lab?.down());

  const untilPaths = (...names: string[]) =>
    until(
      () => labPaths(lab),
      (paths) => paths.join() === names.join(),
      `the router's paths are by way of ${names.join(', ')}`,
    );
  const onHost = (name: string, ...args: string[]) => lab.host(name).exec([HALE, ...args]);

  /** A client's request through the router. */
  async function ask(): Promise<string> {
    const url = `https://${lab.plan.endpoint.dnsName}:${lab.plan.endpoint.port}/readyz`;
    const { stdout, stderr } = await lab.client.exec(['curl', '-sS', '--max-time', '3', '--cacert', '/etc/kubernetes/pki/ca.crt', url]);
    return stdout + stderr;
  }

  test('every host announces the address, and clients reach the API by way of the router', async () => {
    for (let i = 0; i < 12; i++) expect(await ask()).toBe('ok');
    const said = await onHost('cp1', 'bgp', 'status', '--json');
    expect(said.code).toBe(0);
    const routes = JSON.parse(said.stdout) as RoutesStatus;
    expect(routes).toMatchObject({ by: 'bgp', prefixes: ['10.66.0.100/32'], wanted: 'announced', problem: null });
    expect(routes.peers).toMatchObject([
      { address: LAB_ROUTER, asn: 65_001, state: 'Established', announced: ['10.66.0.100/32'], bfd: { state: 'Up', detectionTimeMs: 150 } },
    ]);
    for (const status of await statuses(lab)) {
      expect(status).toMatchObject({ role: 'holder', holder: status?.host, guarded: true, datapath: { datapath } });
      expect(status?.endpoint.weaker ?? '').toContain(datapath === 'dsr' ? '' : 'are reset');
    }
    const { stdout: metrics } = await lab.host('cp1').exec(['curl', '-s', 'http://127.0.0.1:7701/metrics']);
    expect(metrics).toContain(`hale_bgp_established{peer="${LAB_ROUTER}"} 1`);
    expect(metrics).toContain(`hale_bfd_up{peer="${LAB_ROUTER}"} 1`);
    expect(metrics).toMatch(/hale_bgp_events_total\{peer="10\.66\.0\.200",event="sentUpdate"\} [1-9]/);
  });

  test('a host that is drained asks routers to prefer others, then withdraws; it comes back', async () => {
    await onHost('cp2', 'agent', 'drain');
    await untilPaths('cp1', 'cp3');
    expect(await labRoutes(lab)).toContain('BGP.community: (65535,0)');
    await until(
      () => labRoutes(lab),
      (text) => !text.includes('(65535,0)'),
      'the route is withdrawn',
    );
    const drained = await onHost('cp2', 'bgp', 'status');
    expect([drained.code, drained.stdout]).toEqual([1, expect.stringContaining('cp2: withdrawn by hale')]);
    expect(await ask()).toBe('ok');
    await onHost('cp2', 'agent', 'resume');
    await untilPaths('cp1', 'cp2', 'cp3');
  });

  test('an agent that is killed takes its host out of the routes, and puts it back when it is started again', async () => {
    await lab.host('cp1').kill('agent');
    await untilPaths('cp2', 'cp3');
    expect(await ask()).toBe('ok');
    await lab.host('cp1').restart('agent');
    await untilPaths('cp1', 'cp2', 'cp3');
  });

  test('without a ready API server every host withdraws, and announces again when there is one', async () => {
    await Promise.all(lab.controlPlane.map((host) => host.kill('apiserver')));
    await untilPaths();
    const [status] = await statuses(lab);
    expect(status).toMatchObject({ role: 'follower', whyNotHolding: 'this host reaches no ready API server' });
    await lab.startApiservers();
    await untilPaths('cp1', 'cp2', 'cp3');
  });

  test('an agent that is stopped drains, and leaves no route; started again it is taken back at once', async () => {
    const host = lab.host('cp3');
    host.signal('agent', 'TERM');
    await until(
      () => !existsSync(`${host.folder}/run/hale/agent.sock`) || !host.running('agent'),
      (ended) => ended,
      'the agent has ended',
    );
    await untilPaths('cp1', 'cp2');
    const { stdout } = await lab.client.exec(['birdc', '-s', '/run/bird.ctl', 'show', 'protocols', 'all', 'cp3']);
    expect(stdout).not.toContain('Established');
    expect(await ask()).toBe('ok');
    await host.restart('agent');
    await untilPaths('cp1', 'cp2', 'cp3');
  });
});
