/** Hosts, API servers and clients for tests of the `socket` datapath. */
import { once } from 'node:events';
import { createServer, type Server, Socket } from 'node:net';
import { parseIp } from '../../src/base/address.ts';
import type { BackendState } from '../../src/core/balancer/health.ts';
import { attachedPrograms, CGROUP_HOOKS, type CgroupHook } from '../../src/drivers/linux/bpf/cgroup.ts';
import * as libc from '../../src/drivers/linux/libc.ts';
import { listenFreebind } from '../../src/drivers/linux/listen.ts';
import { networkNamespace } from '../../src/drivers/linux/network-namespace.ts';
import { socketAddress } from '../../src/drivers/linux/socket-address.ts';
import { openCgroup } from '../../src/drivers/linux/socket/cgroup.ts';
import { openSocketSteering, type SocketSteering, type SteeringOptions } from '../../src/drivers/linux/socket/steering.ts';
import type { Log } from '../../src/ports/log.ts';
import { bpfProblem } from './bpf.ts';
import { cgroupProblem, createTestCgroup, type TestCgroup } from './cgroup.ts';
import { createTestLink, netnsProblem, type TestHost, type TestLink } from './netns.ts';

export const PORT = 7443;
export const SHARED4 = '10.99.0.100';
export const SHARED6 = 'fd99::100';
export const MAPPED4 = `::ffff:${SHARED4}`;
/** b, c and what has the shared addresses are on the peer; a is on the machine itself. */
export const BACKENDS = [
  { name: 'a', addresses: ['10.77.0.1', 'fd77::1'], port: 6443 },
  { name: 'b', addresses: ['10.77.0.12', 'fd77::12'], port: 6443 },
  { name: 'c', addresses: ['10.77.0.13', 'fd77::13'], port: 6443 },
];
const AT_SHARED = { name: 'shared', addresses: [SHARED4, SHARED6], port: PORT };
export const HOOKS = Object.keys(CGROUP_HOOKS) as CgroupHook[];
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Why nothing can be steered here, for the title of a skipped suite. */
export function steeringProblem(): string | undefined {
  return netnsProblem() ?? bpfProblem() ?? cgroupProblem() ?? (networkNamespace() === undefined ? 'needs Linux 5.14' : undefined);
}

export interface Client {
  socket: Socket;
  /** Of the backend, as it says itself. */
  name: Promise<string>;
  /** How the connection ended. */
  fate: Promise<string>;
}

/** A machine, `net.host`, whose sockets are steered while this process is in the cgroup, which it is. */
export class SteeredMachine {
  readonly net: TestLink = createTestLink();
  readonly cgroup: TestCgroup = createTestCgroup();
  readonly #servers: Server[] = [];
  readonly #clients: Socket[] = [];
  #steerings: SocketSteering[] = [];

  static async start(): Promise<SteeredMachine> {
    const machine = new SteeredMachine();
    const { host, peer } = machine.net;
    try {
      for (const address of [...BACKENDS.slice(1), AT_SHARED].flatMap(({ addresses }) => addresses)) machine.addToPeer(address);
      host.run('ip', 'route', 'add', '10.99.0.0/24', 'dev', 'eth0');
      host.run('ip', 'route', 'add', 'fd99::/64', 'dev', 'eth0');
      await machine.serve(host, BACKENDS[0] as typeof AT_SHARED);
      for (const backend of [...BACKENDS.slice(1), AT_SHARED]) await machine.serve(peer, backend);
      machine.cgroup.enter();
      return machine;
    } catch (error) {
      machine.remove();
      throw error;
    }
  }

  remove(): void {
    for (const client of this.#clients) client.destroy();
    for (const server of this.#servers) server.close();
    for (const steering of this.#steerings) steering.close();
    this.cgroup.remove();
    this.net.remove();
  }

  addToPeer(address: string): void {
    const v6 = address.includes(':');
    this.net.peer.run('ip', 'address', 'add', `${address}/${v6 ? 128 : 32}`, 'dev', 'eth0', ...(v6 ? ['nodad'] : []));
  }

  /** The shared IPv4 address leads nowhere. */
  loseShared(): void {
    this.net.host.run('ip', 'route', 'replace', 'unreachable', '10.99.0.0/24');
  }

  /** Says its name to everybody who comes. */
  async serve(host: TestHost, { name, addresses, port }: typeof AT_SHARED): Promise<void> {
    for (const address of addresses) {
      const server = createServer((socket) => {
        socket.on('error', () => socket.destroy());
        socket.write(name);
      });
      this.#servers.push(server.listen({ fd: host.inside(() => listenFreebind({ address, port })) }));
      await once(server, 'listening');
    }
  }

  options(more?: Partial<SteeringOptions>): SteeringOptions {
    return { addresses: [SHARED4, SHARED6], port: PORT, backends: BACKENDS, log: silent, cgroup: this.cgroup.path, ...more };
  }

  open(more?: Partial<SteeringOptions>): SocketSteering {
    const opened = this.net.host.inside(() => openSocketSteering(this.options(more)));
    if (!opened.ok) throw new Error(opened.reason);
    this.#steerings.push(opened.steering);
    return opened.steering;
  }

  /** Closes as the kernel does when the agent dies; with `uninstall`, what that says. */
  letGo(steering: SocketSteering, how: 'close' | 'uninstall' = 'close'): unknown {
    this.#steerings = this.#steerings.filter((one) => one !== steering);
    return this.net.host.inside(() => steering[how]());
  }

  apply(steering: SocketSteering, ...states: BackendState[]): void {
    const backends = BACKENDS.map(({ name, addresses, port }, i) => ({
      name,
      address: addresses[0] as string,
      port,
      state: states[i] as BackendState,
    }));
    this.net.host.inside(() => steering.apply({ backends }));
  }

  /** A blocking connect of this process, on one host. */
  connect(address: string, { host = this.net.host, port = PORT } = {}): Client {
    const fd = host.inside(() => {
      const bytes = parseIp(address) as Uint8Array;
      const made = libc.socket(bytes.length === 4 ? libc.AF_INET : libc.AF_INET6, libc.SOCK_STREAM | libc.SOCK_CLOEXEC, 0);
      const remote = socketAddress(bytes, port);
      if (libc.connect(made, remote, remote.length) === 0) return made;
      const reason = libc.errnoName(libc.lastErrno());
      libc.close(made);
      throw new Error(reason);
    });
    const socket = new Socket({ fd, readable: true, writable: true });
    this.#clients.push(socket);
    const fate = new Promise<string>((resolve) => {
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error')).on('end', () => resolve('end'));
    });
    return { socket, name: once(socket, 'data').then(([bytes]) => String(bytes)), fate };
  }

  /** Where a connect arrives. */
  arrivesAt(address: string, more?: { host?: TestHost; port?: number }): Promise<string> {
    return this.connect(address, more).name;
  }

  /** All places where many connects arrive: with three to choose from, one is missed once in 10,000 times. */
  async arriveAt(address: string): Promise<string> {
    const names = await Promise.all(Array.from({ length: 24 }, () => this.arrivesAt(address)));
    return [...new Set(names)].toSorted().join('');
  }

  /** Programs at the hooks of the cgroup. */
  attached(): number[] {
    const opened = openCgroup(this.cgroup.path);
    if (!opened.ok) throw new Error(opened.reason);
    const found = HOOKS.map((hook) => attachedPrograms(opened.fd, hook));
    opened.close();
    return found.flatMap((one) => (one.ok ? one.ids : []));
  }
}
