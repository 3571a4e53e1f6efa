import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCluster } from '../../src/core/cluster/read.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { createLab, type Lab, listLabs, openLab, removeLab } from '../../src/lab/lab.ts';
import { canRunLab } from '../../src/lab/privileges.ts';
import { etcdCache } from '../../src/lab/etcd-programs.ts';
import { identify } from '../../src/lab/process.ts';
import { etcdProblem } from '../support/etcd-programs.ts';
import { IS_MACHINE_ROOT } from '../support/user.ts';

const capability = await canRunLab();
const LAB_MODULE = JSON.stringify(new URL('../../src/lab/lab.ts', import.meta.url).href);

/** Long enough for a segment to cross the bridge, for asserting that none does. */
const SILENCE_MS = 300;

let base: string;
let lab: Lab;
const children: ChildProcess[] = [];

describe.skipIf(!capability.ok || capability.how !== 'root')('lab', () => {
  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), 'hale-lab-test-'));
    process.env['HALE_LAB_DIR'] = base;
    lab = await createLab({ name: 'a', families: '46', services: ['etcd'] });
  });

  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    for (const { name } of listLabs()) await removeLab(name);
    rmSync(base, { recursive: true });
    delete process.env['HALE_LAB_DIR'];
  });

  test('each host has its own name, files and addresses, and a cluster.yaml that hale accepts', async () => {
    const [cp1, cp2] = [lab.host('cp1'), lab.host('cp2')];
    expect((await cp1.exec(['hostname'])).stdout).toBe('cp1\n');
    await cp1.exec(['sh', '-c', 'echo own | tee /etc/hale/own /run/own /etc/own /var/lib/own']);
    expect((await cp2.exec(['ls', '/etc/hale/own', '/run/own', '/etc/own', '/var/lib/own'])).stdout).toBe('');
    expect(['/etc/hale/own', '/run/own', '/etc/own', '/var/lib/own'].filter((path) => existsSync(path))).toEqual([]);
    expect(readFileSync(join(cp1.folder, 'etc/hale/own'), 'utf8')).toBe('own\n');
    expect(statSync(join(cp1.folder, 'etc/hale/cluster.key')).mode & 0o777).toBe(0o600);
    const read = readCluster(readFileSync(join(cp2.folder, 'etc/hale/cluster.yaml'), 'utf8'), 'cluster.yaml');
    expect(read.ok && read.cluster.controlPlane.hosts.map((host) => host.addresses)).toEqual(
      [11, 12, 13].map((id) => [
        expect.objectContaining({ address: `10.66.0.${id}` }),
        expect.objectContaining({ address: `fd66::${id}` }),
      ]),
    );
  });

  test('another etcd than that on PATH must be in the folder given, and of a release that hale knows', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hale-lab-test-'));
    try {
      await expect(createLab({ name: 'b', etcd: folder })).rejects.toMatchObject({ code: 'lab_etcd_not_in_folder', kind: 'usage' });
      writeFileSync(join(folder, 'etcd'), '#!/bin/sh\necho etcd Version: 3.3.27\n', { mode: 0o755 });
      await expect(createLab({ name: 'b', etcd: folder })).rejects.toMatchObject({ code: 'lab_etcd_unknown_release' });
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect(listLabs().map(({ name }) => name)).toEqual(['a']);
  });

  test.skipIf(etcdProblem('3.6') !== undefined)(`runs the etcd of a folder ${etcdProblem('3.6') ?? ''}`, async () => {
    const other = await createLab({ name: 'b', etcd: etcdCache('3.6'), services: ['etcd'] });
    try {
      const [cp1] = other.controlPlane as [LabHost];
      const read = readCluster(readFileSync(join(cp1.folder, 'etc/hale/cluster.yaml'), 'utf8'), 'cluster.yaml');
      expect(read.ok && read.cluster.etcd.version).toBe('3.6');
      const file = (name: string) =>
        `--${name}=/etc/kubernetes/pki/etcd/${name === 'cacert' ? 'ca.crt' : `server.${name === 'cert' ? 'crt' : 'key'}`}`;
      const tls = ['cacert', 'cert', 'key'].map(file);
      const { stdout } = await cp1.exec([join(etcdCache('3.6'), 'etcdctl'), ...tls, 'endpoint', 'status', '--cluster', '-w', 'json']);
      const statuses = JSON.parse(stdout) as { Status: { version: string; dbSizeQuota: number } }[];
      const seen = statuses.map(({ Status }) => [Status.version, Status.dbSizeQuota]);
      expect(seen).toEqual(other.controlPlane.map(() => [other.plan.etcd.version, 8 * 1024 ** 3]));
    } finally {
      await other.down();
    }
  });

  test('hosts and client reach each other over both families', async () => {
    for (const from of [lab.host('cp1'), lab.client]) {
      expect(await connect(from, '10.66.0.13')).toBe('connected');
      expect(await connect(from, 'fd66::13')).toBe('connected');
    }
  });

  test('etcd answers only clients that show a certificate', async () => {
    expect(await putKey('--cert=/etc/kubernetes/pki/etcd/server.crt', '--key=/etc/kubernetes/pki/etcd/server.key')).toBe('OK\n');
    expect(await putKey('--command-timeout=1s')).toBe('');
  });

  test('a power cut is silent, keeps what is on disk, and a boot starts the same daemons again', async () => {
    const host = lab.host('cp2');
    writeFileSync(join(host.folder, 'var/lib/hale/kept'), 'kept');
    writeFileSync(join(host.folder, 'run/lost'), 'lost');
    const heard = listen(lab.client, '10.66.0.12');
    await heard.connected;
    const fault = await lab.inject('crash', 'cp2', { undoAfterMs: 60_000 });
    expect(host.isOn()).toBe(false);
    await sleep(SILENCE_MS);
    expect(heard.events()).toEqual(['connected']);
    expect(cgroupsOf('a').map((path) => basename(path))).not.toContain('cp2');
    await fault.undo();
    // In a user namespace nobody may make cgroups, and a lab goes without.
    if (IS_MACHINE_ROOT) expect(cgroupsOf('a').map((path) => basename(path))).toContain('cp2');
    expect((await host.exec(['ls', '/var/lib/hale', '/run'])).stdout).toMatch(/^\/run:\netcd.pid\n\n\/var\/lib\/hale:\nkept\n$/);
    await lab.startEtcd();
    expect(await connect(lab.client, '10.66.0.12')).toBe('connected');
  });

  test.skipIf(!IS_MACHINE_ROOT)('each host has a cgroup and pins of its own, as if they were the machine’s', async () => {
    const [cp1, cp3] = [lab.host('cp1'), lab.host('cp3')];
    for (const host of [cp1, cp3]) {
      const look = 'grep ^0:: /proc/1/cgroup /proc/$(cat /run/etcd.pid)/cgroup /proc/self/cgroup; grep -c cgroup2 /proc/mounts';
      expect((await host.exec(['sh', '-c', look])).stdout).toMatch(/^(\S+:0::\/\n){3}1\n$/);
      expect((await host.exec(['grep', '-x', '1', '/sys/fs/cgroup/cgroup.procs'])).code).toBe(0);
      expect((await host.exec(['sh', '-c', 'grep -x $(cat /run/etcd.pid) /sys/fs/cgroup/cgroup.procs'])).code).toBe(0);
    }
    await cp1.exec(['mkdir', '/sys/fs/cgroup/own', '/sys/fs/bpf/own']);
    expect((await cp1.exec(['ls', '-d', '/sys/fs/cgroup/own', '/sys/fs/bpf/own'])).code).toBe(0);
    expect((await cp3.exec(['ls', '/sys/fs/cgroup/own', '/sys/fs/bpf/own'])).stdout).toBe('');
    expect(existsSync('/sys/fs/bpf/own')).toBe(false);
  });

  test('isolate cuts a host from its peers but not from the client', async () => {
    const fault = await lab.inject('isolate', 'cp3', { undoAfterMs: 60_000 });
    expect(await connect(lab.host('cp1'), '10.66.0.13')).toBe('no answer');
    expect(await connect(lab.host('cp3'), 'fd66::11')).toBe('no answer');
    expect(await connect(lab.client, '10.66.0.13')).toBe('connected');
    expect(await connect(lab.host('cp1'), '10.66.0.12')).toBe('connected');
    await expect(lab.inject('isolate', 'cp3', { undoAfterMs: 60_000 })).rejects.toMatchObject({ code: 'lab_fault_active' });
    await fault.undo();
    expect(await connect(lab.host('cp1'), '10.66.0.13')).toBe('connected');
    expect(lab.faults()).toEqual([]);
  });

  test('freeze stops all daemons of a host, and its undo wakes them', async () => {
    const state = async (): Promise<string> =>
      (await lab.host('cp3').exec(['sh', '-c', 'ps -o state= -p $(cat /run/etcd.pid)'])).stdout.trim();
    const fault = await lab.inject('freeze', 'cp3', { undoAfterMs: 60_000 });
    expect(await state()).toBe('T');
    await fault.undo();
    expect(await state()).not.toBe('T');
  });

  test('a fault is undone by its timer when the process that injected it is killed', async () => {
    const script = `const { openLab } = await import(${LAB_MODULE});
      await openLab('a').inject('isolate', 'cp3', { undoAfterMs: 1000 });
      process.kill(process.pid, 'SIGKILL');`;
    await once(runNode(script), 'exit');
    expect(lab.faults()).toHaveLength(1);
    await until(() => lab.faults().length === 0);
    expect(await connect(lab.host('cp1'), '10.66.0.13')).toBe('connected');
  });

  test('faults refuse a host that is not of the control plane and a daemon that does not run', async () => {
    await expect(lab.inject('crash', 'client', { undoAfterMs: 60_000 })).rejects.toMatchObject({ code: 'lab_fault_target_invalid' });
    await expect(lab.inject('apiserver-hang', 'cp1', { undoAfterMs: 60_000 })).rejects.toMatchObject({ code: 'lab_daemon_not_running' });
    expect(lab.faults()).toEqual([]);
  });

  test('two labs with the same addresses do not meet, and a name is taken once', async () => {
    const other = await createLab({ name: 'b', services: [] });
    expect(await connect(other.client, '10.66.0.11')).toBe('ECONNREFUSED');
    expect(await connect(lab.client, '10.66.0.11')).toBe('connected');
    expect(listLabs().map(({ name, running }) => [name, running])).toEqual([
      ['a', true],
      ['b', true],
    ]);
    await expect(createLab({ name: 'b', services: [] })).rejects.toMatchObject({ code: 'lab_exists' });
    expect(openLab('b').host('cp1').isOn()).toBe(true);
    await other.down();
    expect(listLabs().map(({ name }) => name)).toEqual(['a']);
  });

  test('down leaves no process, namespace, mount or file, also with a fault in force and a host switched off', async () => {
    const doomed = await createLab({ name: 'c', services: ['etcd'] });
    await doomed.host('cp1').powerOff();
    await doomed.inject('freeze', 'cp2', { undoAfterMs: 60_000 });
    const namespaces = namespacesOf(doomed);
    expect(inhabitants(namespaces).length).toBeGreaterThan(0);
    expect(processesNaming('c')).not.toEqual([]);
    if (IS_MACHINE_ROOT) expect(cgroupsOf('c')).not.toEqual([]);
    expect(await doomed.down()).toBe(true);
    expect(cgroupsOf('c')).toEqual([]);
    expect(inhabitants(namespaces)).toEqual([]);
    expect(processesNaming('c')).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(base);
    expect(existsSync(doomed.folder)).toBe(false);
    expect(await doomed.down()).toBe(false);
  });

  test.each(['creating', 'starting etcd'])('Ctrl-C while %s leaves nothing', async (step) => {
    const child = runNode(`const { createLab } = await import(${LAB_MODULE});
      const abort = new AbortController();
      process.once('SIGINT', () => abort.abort());
      await createLab({ name: 'd', services: ['etcd'], signal: abort.signal, progress: console.log }).catch((error) => console.log(error.name));`);
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes(step)) child.kill('SIGINT');
    });
    await once(child, 'close');
    expect(said).toMatch(/AbortError\n$/);
    expect(listLabs().map(({ name }) => name)).toEqual(['a']);
    expect(processesNaming('d')).toEqual([]);
    expect(cgroupsOf('d')).toEqual([]);
  });

  test('a lab whose maker was killed half-way can be taken down', async () => {
    const child = runNode(`const { createLab } = await import(${LAB_MODULE});
      await createLab({ name: 'e', services: ['etcd'], progress: console.log });`);
    child.stdout?.on('data', () => child.kill('SIGKILL'));
    await once(child, 'close');
    expect(await removeLab('e')).toBe(true);
    expect(cgroupsOf('e')).toEqual([]);
    await until(() => processesNaming('e').length === 0);
  });

  test('down never kills a process that merely has the number of an old init', async () => {
    const bystander = spawn('sleep', ['1000']);
    children.push(bystander);
    const identity = identify(bystander.pid as number);
    mkdirSync(join(base, 'f', 'switch'), { recursive: true });
    writeFileSync(join(base, 'f', 'switch', 'init.json'), JSON.stringify({ ...identity, startTicks: '1' }));
    expect(await removeLab('f')).toBe(true);
    await sleep(SILENCE_MS);
    expect(bystander.signalCode).toBeNull();
  });
});

/** What etcdctl in cp1 says to a write on cp2. */
async function putKey(...flags: string[]): Promise<string> {
  const argv = ['etcdctl', '--endpoints=https://cp2:2379', '--cacert=/etc/kubernetes/pki/etcd/ca.crt', ...flags, 'put', 'key', 'value'];
  return (await lab.host('cp1').exec(argv, { env: { ETCDCTL_API: '3' } })).stdout;
}

const CONNECT = `const socket = net.connect({ host: process.argv[1], port: 2379 });
const end = (word) => { console.log(word); process.exit(); };
socket.on('connect', () => end('connected'));
socket.on('error', (error) => end(error.code));
setTimeout(end, 700, 'no answer');`;

/** What a client in the host hears from etcd's port. */
async function connect(from: LabHost, address: string): Promise<string> {
  return (await from.exec([process.execPath, '-e', CONNECT, address])).stdout.trim();
}

const LISTEN = `const socket = net.connect({ host: process.argv[1], port: 2379 });
for (const event of ['connect', 'end', 'error', 'close']) socket.on(event, () => console.log(event + 'ed'));
process.stdin.resume().on('end', () => process.exit());`;

/** Everything that happens to one connection, until the test ends. */
function listen(from: LabHost, address: string): { connected: Promise<unknown>; events: () => string[] } {
  const [program, ...args] = from.command([process.execPath, '-e', LISTEN, address]);
  const child = spawn(program as string, args);
  children.push(child);
  let heard = '';
  child.stdout.on('data', (chunk: Buffer) => {
    heard += chunk.toString();
  });
  return { connected: once(child.stdout, 'data'), events: () => heard.trim().split('\n') };
}

function runNode(script: string): ChildProcess {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}

function eachProcess(): string[] {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The cgroups of a lab and its hosts, wherever version 2 is mounted. */
function cgroupsOf(name: string): string[] {
  const mount = /^\S+ (\S+) cgroup2 /m.exec(readText('/proc/mounts'))?.[1] ?? '';
  return readdirSync(mount, { recursive: true, encoding: 'utf8' }).filter((path) => path.startsWith(`hale-lab-${name}-${digest(name)}`));
}

function digest(name: string): string {
  return createHash('sha256').update(join(base, name)).digest('hex').slice(0, 8);
}

function namespacesOf(of: Lab): Set<string> {
  const files = ['switch', 'hosts/cp2', 'hosts/cp3', 'hosts/client'].map((machine) => join(of.folder, machine, 'init.json'));
  const pids = files.map((file) => (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid);
  return new Set(pids.flatMap((pid) => ['pid', 'net', 'mnt', 'uts'].map((kind) => readLink(`/proc/${pid}/ns/${kind}`))));
}

/** Living processes in any of these namespaces; zombies wait for the machine's init, which takes its time, and hold nothing. */
function inhabitants(namespaces: Set<string>): string[] {
  const inside = (pid: string): boolean => ['pid', 'net', 'mnt', 'uts'].some((kind) => namespaces.has(readLink(`/proc/${pid}/ns/${kind}`)));
  return eachProcess().filter((pid) => inside(pid) && !/^State:\s+Z/m.test(readText(`/proc/${pid}/status`)));
}

/** Command lines that name a lab, as those of its inits and timers do. */
function processesNaming(name: string): string[] {
  return eachProcess()
    .map((pid) => readText(`/proc/${pid}/cmdline`).replaceAll('\0', ' '))
    .filter((line) => line.includes(join(base, name)) || (line.includes('undo.ts') && line.includes(` ${name} `)));
}
