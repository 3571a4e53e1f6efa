import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { askAnyStatus } from '../../src/drivers/control/client.ts';
import { type KeyPair, createAuthority } from '../../src/drivers/pki/authority.ts';
import { listenFreebind } from '../../src/drivers/linux/listen.ts';
import { CONTROL_SOCKET, type NodeStatus } from '../../src/ports/control.ts';
import { until } from '../support/hale.ts';
import { SteeredMachine, steeringProblem } from '../support/steered-machine.ts';

const problem = steeringProblem();
const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const HOSTS = { cp1: '10.77.0.21', cp2: '10.77.0.22', cp3: '10.77.0.23' };
const SHARED = '10.77.0.100';
const PORT = 6443;
/** A control socket and a root of the cgroups of the machine's own. */
const PRIVATE = `mount -t tmpfs hale-test /run && umount --recursive --lazy /sys/fs/cgroup && mount -t cgroup2 hale-test /sys/fs/cgroup && exec "$@"`;

interface Run {
  code: number | null;
  said: string;
}

/** Many programs are started, each of which takes seconds on a busy machine. */
vi.setConfig({ testTimeout: 180_000 });

describe.skipIf(problem)(`hale agent --node${problem ? `: skipped, ${problem}` : ''}`, () => {
  let machine: SteeredMachine;
  let folder: string;
  let servers: Map<string, { server: Server; clients: Socket[] }>;
  let agents: ChildProcess[];

  beforeEach(async () => {
    [servers, agents] = [new Map(), []];
    folder = mkdtempSync(join(tmpdir(), 'hale-test-node-'));
    machine = await SteeredMachine.start();
    machine.net.host.run('ip', 'route', 'add', 'unreachable', SHARED);
    const authority = await createAuthority({ commonName: 'node test', validityDays: 1 });
    writeFileSync(join(folder, 'ca.crt'), authority.certPem);
    const ipAddresses = [SHARED, ...Object.values(HOSTS)];
    const pair = await authority.issue({ commonName: 'kube-apiserver', dnsNames: [], ipAddresses, usages: ['server'], validityDays: 1 });
    for (const [name, address] of Object.entries(HOSTS)) {
      machine.addToPeer(address);
      await serve(name, { address, pair });
    }
  });
  afterEach(() => {
    for (const agent of agents) agent.kill('SIGKILL');
    for (const name of servers.keys()) stopServer(name);
    machine?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  async function serve(name: string, { address, pair }: { address: string; pair: KeyPair }): Promise<void> {
    const clients: Socket[] = [];
    const server = createServer({ cert: pair.certPem, key: pair.keyPem }, (_, res) => res.end('ok'));
    server.on('connection', (socket) => clients.push(socket as Socket));
    servers.set(name, { server, clients });
    server.listen({ fd: machine.net.peer.inside(() => listenFreebind({ address, port: PORT })) });
    await once(server, 'listening');
  }

  function stopServer(name: string): void {
    const { server, clients } = servers.get(name) as { server: Server; clients: Socket[] };
    server.close();
    for (const client of clients) client.resetAndDestroy();
  }

  function configuration(hosts: Record<string, string>): string {
    const file = join(folder, 'cluster.yaml');
    const members = Object.entries(hosts).map(([name, address]) => `    - { name: ${name}, address: ${address}/24 }\n`);
    writeFileSync(
      file,
      `apiVersion: hale.dev/v1alpha1\nkind: Cluster\nname: test\nendpoint: { address: ${SHARED} }\ncontrolPlane:\n  hosts:\n${members.join('')}apiserver: { bind: host, caFile: ${folder}/ca.crt }\nagent: { profile: fast }\n`,
    );
    return file;
  }

  /** In the network of the machine, without a control socket of its own; `beside` an agent, with its. */
  function hale(args: readonly string[], beside?: ChildProcess): { child: ChildProcess; end: Promise<Run> } {
    const command = [process.execPath, MAIN, ...args];
    const machineWide = [`--net=/run/netns/${machine.net.host.namespace}`, 'unshare', '--mount', '--cgroup', 'sh', '-c', PRIVATE, 'sh'];
    const where = beside === undefined ? machineWide : ['-t', String(beside.pid), '--net', '--mount', '--cgroup', '--'];
    const child = spawn('nsenter', [...where, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text));
    return { child, end: once(child, 'close').then(([code]) => ({ code: code as number | null, said })) };
  }

  async function startAgent(): Promise<{ child: ChildProcess; end: Promise<Run> }> {
    const agent = hale(['agent', '--node', '--config', configuration(HOSTS)]);
    agents.push(agent.child);
    let said = '';
    const started = new Promise<void>((resolve) => {
      agent.child.stderr?.on('data', (text: string) => {
        said += text;
        if (said.includes('node agent started')) resolve();
      });
    });
    const ended = agent.end.then((run) => Promise.reject(new Error(`the agent ended at its start: ${run.said}`)));
    await Promise.race([started, ended]);
    return agent;
  }

  const statusOf = async (agent: ChildProcess): Promise<Partial<NodeStatus>> => {
    if (agent.exitCode !== null) throw new Error('the agent has ended');
    const status = await askAnyStatus(`/proc/${agent.pid}/root${CONTROL_SOCKET}`).catch(() => undefined);
    return status?.role === 'node' ? status : {};
  };
  const steeredTo = (agent: ChildProcess, wanted: string) =>
    until(
      () => statusOf(agent),
      (status) => status.steeredTo?.join(' ') === wanted,
      `connections go to "${wanted}"`,
    );
  /** Which API server a new connection is on. */
  const arrival = async (): Promise<string | undefined> => {
    const { socket } = machine.connect(SHARED, { port: PORT });
    const on = () => [...servers].find(([, { clients }]) => clients.some((client) => client.remotePort === socket.localPort))?.[0];
    const name = await until(on, (found) => found !== undefined, 'the connection is accepted');
    socket.destroy();
    return name;
  };

  test('connections follow the health of the API servers, go on without the agent, and end with uninstall', async () => {
    const { child: first, end } = await startAgent();
    await steeredTo(first, 'cp1 cp2 cp3');
    stopServer('cp2');
    const status = await steeredTo(first, 'cp1 cp3');
    expect(status).toMatchObject({ role: 'node', cluster: 'test', problem: null, endpoint: { addresses: [SHARED], port: PORT } });
    expect(status.backends?.map(({ name, state }) => `${name} ${state}`)).toEqual(['cp1 ready', 'cp2 dead', 'cp3 ready']);
    const arrivals = [await arrival(), await arrival(), await arrival(), await arrival()];
    expect(arrivals.filter((name) => name !== 'cp1' && name !== 'cp3')).toEqual([]);
    const shown = await hale(['status', '--config', join(folder, 'cluster.yaml')], first).end;
    expect(shown.said).toContain('go straight to cp1, cp3');
    const running = await hale(['agent', 'uninstall', '--config', join(folder, 'cluster.yaml')], first).end;
    expect(running).toMatchObject({ code: 3, said: expect.stringContaining('agent_running') });
    const drained = await hale(['agent', 'drain'], first).end;
    expect(drained).toMatchObject({ code: 3, said: expect.stringContaining('this machine is a node') });

    first.kill('SIGTERM');
    expect((await end).code).toBe(0);
    expect(['cp1', 'cp3']).toContain(await arrival());
    const { child: second, end: secondEnd } = await startAgent();
    await steeredTo(second, 'cp1 cp3');
    second.kill('SIGKILL');
    await secondEnd;
    expect(['cp1', 'cp3']).toContain(await arrival());
    const hooks = ['sock_release', 'getpeername4', 'getpeername6', 'connect4', 'connect6'].map((hook) => `cgroup/${hook}`);
    expect(await hale(['agent', 'uninstall', '--config', join(folder, 'cluster.yaml')]).end).toEqual({
      code: 0,
      said: `removed ${hooks.join(', ')}\n`,
    });
    expect(() => machine.connect(SHARED, { port: PORT })).toThrow('EHOSTUNREACH');
    expect(await hale(['agent', 'uninstall', '--config', join(folder, 'cluster.yaml')]).end).toEqual({
      code: 0,
      said: 'nothing of hale is left in the kernel\n',
    });
  });

  test('a node whose API servers are all dead leaves its connections to the address, and status finds that', async () => {
    for (const name of servers.keys()) stopServer(name);
    const { child } = await startAgent();
    await until(
      () => statusOf(child),
      (status) => status.backends?.every(({ state }) => state === 'dead') ?? false,
      'all are known to be dead',
    );
    const { code, said } = await hale(['status', '--config', join(folder, 'cluster.yaml')], child).end;
    expect({ code, said }).toMatchObject({ code: 1, said: expect.stringContaining('are left to the address') });
    expect(() => machine.connect(SHARED, { port: PORT })).toThrow('EHOSTUNREACH');
  });

  test('a host of the control plane is no node', async () => {
    const file = configuration({ cp1: '10.77.0.1' });
    const { code, said } = await hale(['agent', '--node', '--config', file]).end;
    expect({ code, said }).toMatchObject({ code: 2, said: expect.stringContaining('has the address of cp1') });
  });

  test('a machine without cgroup v2 is told what is missing', async () => {
    const file = configuration(HOSTS);
    const bare = 'mount -t tmpfs hale-test /run && umount --recursive --lazy /sys/fs/cgroup && exec "$@"';
    const inside = [`--net=/run/netns/${machine.net.host.namespace}`, 'unshare', '--mount', 'sh', '-c', bare, 'sh'];
    const child = spawn('nsenter', [...inside, process.execPath, MAIN, 'agent', '--node', '--config', file], { stdio: 'pipe' });
    agents.push(child);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const [code] = (await once(child, 'close')) as [number];
    expect({ code, said }).toEqual({ code: 3, said: expect.stringMatching(/no cgroup v2 is mounted.*steering_unavailable/) });
  });
});
