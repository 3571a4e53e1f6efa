/** Three hosts that serve and a client on one switch, with the servers that all subjects lead to. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../../src/base/error.ts';
import { all } from '../../src/lab/command.ts';
import { writePlain } from '../../src/lab/folder.ts';
import { lastComplaint, type LabHost } from '../../src/lab/host.ts';
import { createLab, type Lab } from '../../src/lab/lab.ts';
import { primaryAddress } from '../../src/lab/services.ts';
import { requireProgram } from '../program.ts';

/**
 * On every host, at all its addresses, and on this many ports from here on: each subject has one of its own. A server that closes remembers
 * the client's port for a minute (TIME-WAIT, RFC 9293 3.6.1), and would refuse the same port of another subject, whose clock differs.
 */
export const HTTP_PORT = 6443;
const HTTP_PORTS = 16;
/** Only on the far host: a server that has one core for itself. */
export const LATENCY_PORT = 7443;
export const STREAM_PORT = 5201;
export const CLIENT_CORE = 0;
const SERVER_CORE = availableParallelism() - 1;
/** Everything in /etc/hale is of the host alone. */
const FOLDER = '/etc/hale';
const TIMEOUT_MS = 15_000;
const LOOK_AGAIN_MS = 10;

export interface Rig {
  lab: Lab;
  client: LabHost;
  /** All three; the first is the holder of the address. */
  hosts: readonly LabHost[];
  holder: LabHost;
  /** The host that serves where only one does: not the holder, so that everything takes the longest way. */
  far: LabHost;
  address: string;
  signal: AbortSignal;
}

/** Made of a lab without its services. Whoever makes it calls `lab.down()`. */
export async function createRig(signal: AbortSignal): Promise<Rig> {
  const programs = { nginx: requireProgram('nginx', 'nginx-light'), iperf3: requireProgram('iperf3') };
  requireProgram('wrk');
  const lab = await createLab({ name: `bench-${process.pid}`, services: [], signal });
  try {
    const [holder, far] = lab.controlPlane as [LabHost, LabHost, LabHost];
    const rig = {
      lab,
      client: lab.client,
      hosts: lab.controlPlane,
      holder,
      far,
      address: lab.plan.endpoint.addresses[0] as string,
      signal,
    };
    await all([...rig.hosts.map((host) => serve(host, programs)), serveLatency(far, programs.nginx)]);
    return rig;
  } catch (error) {
    await lab.down();
    throw error;
  }
}

async function serve(host: LabHost, programs: { nginx: string; iperf3: string }): Promise<void> {
  const ports = `${HTTP_PORT}-${HTTP_PORT + HTTP_PORTS - 1}`;
  await serveHttp(host, { name: 'nginx', program: programs.nginx, ports, workers: 'worker_processes auto' });
  await host.spawn('iperf3', [programs.iperf3, '-s', '-p', String(STREAM_PORT)]);
  await awaitListening(host, 'nginx', HTTP_PORT);
  await awaitListening(host, 'iperf3', STREAM_PORT);
}

/**
 * Client and server of a request on a core each, as they are on machines of their own. Left to the scheduler they sometimes share one, where
 * a request takes a third of the time, and no two runs compare.
 */
async function serveLatency(host: LabHost, nginx: string): Promise<void> {
  const workers = `worker_processes 1;\nworker_cpu_affinity ${'1'.padEnd(SERVER_CORE + 1, '0')}`;
  await serveHttp(host, { name: 'nginx-latency', program: nginx, ports: String(LATENCY_PORT), workers });
  await awaitListening(host, 'nginx-latency', LATENCY_PORT);
}

async function serveHttp(host: LabHost, options: { name: string; program: string; ports: string; workers: string }): Promise<void> {
  const { name, program, ports, workers } = options;
  const config = writeConfig(
    host,
    `${name}.conf`,
    `daemon off;
user root;
${workers};
error_log stderr;
pid /run/${name}-own.pid;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path /run/${name}-body;
  proxy_temp_path /run/${name}-proxy;
  fastcgi_temp_path /run/${name}-fastcgi;
  uwsgi_temp_path /run/${name}-uwsgi;
  scgi_temp_path /run/${name}-scgi;
  server {
    listen 0.0.0.0:${ports} backlog=4096;
    listen [::]:${ports} backlog=4096;
    location / { return 200 "ok"; }
  }
}
`,
  );
  await host.spawn(name, [program, '-c', config]);
}

/** Writes a file that the host sees as the returned path. */
export function writeConfig(host: LabHost, name: string, text: string): string {
  writePlain(join(host.folder, FOLDER, name), { text, mode: 0o644 });
  return `${FOLDER}/${name}`;
}

/** Waits until a daemon listens. */
export async function awaitListening(host: LabHost, daemon: string, port: number): Promise<void> {
  await awaitDaemon(host, daemon, async () => (await host.exec(['ss', '-Hltn', `sport = :${port}`])).stdout !== '');
}

/** Waits for a file that a daemon writes when it is ready. */
export async function awaitFile(host: LabHost, daemon: string, path: string): Promise<void> {
  await awaitDaemon(host, daemon, () => Promise.resolve(existsSync(join(host.folder, path))));
}

async function awaitDaemon(host: LabHost, daemon: string, isReady: () => Promise<boolean>): Promise<void> {
  await until(`${daemon} on ${host.name}`, async () => {
    if (await isReady()) return true;
    if (!host.running(daemon)) throw notReady(`${daemon} ended on ${host.name}: ${lastComplaint(host, daemon)}`);
    return false;
  });
}

/** Asks a daemon to end and waits until it has. */
export async function endDaemon(host: LabHost, name: string): Promise<void> {
  host.signal(name, 'TERM');
  await until(`the end of ${name} on ${host.name}`, () => Promise.resolve(!host.running(name)));
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + TIMEOUT_MS;
  while (!(await condition())) {
    if (performance.now() > untilMs) throw notReady(`waited ${TIMEOUT_MS / 1000} s for ${what}`);
    await sleep(LOOK_AGAIN_MS);
  }
}

export function ownAddress(host: LabHost): string {
  return primaryAddress(host);
}

function notReady(reason: string): HaleError {
  return new HaleError({ code: 'bench_rig_not_ready', kind: 'world', message: `the rig did not become ready: ${reason}` });
}
