import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseIp } from '../../../src/base/address.ts';
import type { BackendState } from '../../../src/core/balancer/health.ts';
import * as libc from '../../../src/drivers/linux/libc.ts';
import { socketAddress } from '../../../src/drivers/linux/socket-address.ts';
import { MAPPED4, PORT, SHARED4, SHARED6, SteeredMachine, steeringProblem } from '../../support/steered-machine.ts';

const problem = steeringProblem();

describe.skipIf(problem)(`connections steered at their socket${problem ? `: skipped, ${problem}` : ''}`, () => {
  let machine: SteeredMachine;

  beforeEach(async () => {
    machine = await SteeredMachine.start();
  });
  afterEach(() => machine?.remove());

  test.each([SHARED4, SHARED6, MAPPED4])(
    'a connect to %s arrives at every ready backend and at no other, and its peer is the address that was asked for',
    async (address) => {
      machine.apply(machine.open(), 'ready', 'dead', 'ready');
      expect(await machine.arriveAt(address)).toBe('ac');
      const { socket, name } = machine.connect(address);
      expect(['a', 'c']).toContain(await name);
      expect([socket.remoteAddress, socket.remotePort]).toEqual([address, PORT]);
    },
  );

  test('an address that is nowhere will do', async () => {
    machine.loseShared();
    const steering = machine.open();
    expect(() => machine.connect(SHARED4)).toThrow('EHOSTUNREACH');
    machine.apply(steering, 'dead', 'ready', 'ready');
    expect(await machine.arriveAt(SHARED4)).toBe('bc');
  });

  test('the API server of this machine comes first while it is ready; then all that are ready; then those that answer; then the shared address itself', async () => {
    const steering = machine.open({ self: 0 });
    const arrivals: string[] = [];
    for (const states of ['ready ready ready', 'draining ready ready', 'draining dead draining', 'dead dead dead'] as const) {
      machine.apply(steering, ...(states.split(' ') as BackendState[]));
      arrivals.push(`${await machine.arriveAt(SHARED4)} ${steering.chosen().join('')}`);
    }
    expect(arrivals).toEqual(['a a', 'bc bc', 'ac ac', 'shared ']);
  });

  test('until every backend was probed nothing is attached', async () => {
    const steering = machine.open();
    machine.apply(steering, 'ready', 'unknown', 'ready');
    expect(machine.attached()).toEqual([]);
    expect(await machine.arrivesAt(SHARED4)).toBe('shared');
  });

  test('other ports, other addresses, UDP, other cgroups and other network namespaces are left alone', async () => {
    await machine.serve(machine.net.peer, { name: 'other port', addresses: [SHARED4, SHARED6], port: 8443 });
    machine.addToPeer('10.99.0.101');
    await machine.serve(machine.net.peer, { name: 'other address', addresses: ['10.99.0.101'], port: PORT });
    machine.addToPeer('fd99::1:0:0:100');
    await machine.serve(machine.net.peer, { name: 'other half', addresses: ['fd99::1:0:0:100'], port: PORT });
    machine.apply(machine.open(), 'ready', 'ready', 'ready');
    expect(await machine.arrivesAt(SHARED4, { port: 8443 })).toBe('other port');
    expect(await machine.arrivesAt(SHARED6, { port: 8443 })).toBe('other port');
    expect(await machine.arrivesAt('10.99.0.101')).toBe('other address');
    expect(await machine.arrivesAt('fd99::1:0:0:100')).toBe('other half');
    expect(await machine.arrivesAt(SHARED4, { host: machine.net.peer })).toBe('shared');
    expect(await machine.arrivesAt(MAPPED4, { host: machine.net.peer })).toBe('shared');
    // Directly to a backend: its own address is the peer's.
    const direct = machine.connect('10.77.0.12', { port: 6443 });
    expect([await direct.name, direct.socket.remoteAddress]).toEqual(['b', '10.77.0.12']);
    const udp = machine.net.host.inside(() => {
      const fd = libc.socket(libc.AF_INET, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0);
      const remote = socketAddress(parseIp(SHARED4) as Uint8Array, PORT);
      expect(libc.connect(fd, remote, remote.length)).toBe(0);
      return fd;
    });
    expect(machine.net.host.run('ss', '-Hun')).toContain(`${SHARED4}:${PORT}`);
    libc.close(udp);
    expect(await machine.arriveAt(SHARED4)).toBe('abc');
    machine.cgroup.remove();
    expect(await machine.arrivesAt(SHARED4)).toBe('shared');
  });

  test('a backend dies: what was steered to it ends at once, also while connecting; what somebody connected directly stays; others stay', async () => {
    const steering = machine.open();
    machine.apply(steering, 'dead', 'ready', 'dead');
    const onB = [machine.connect(SHARED4), machine.connect(SHARED6), machine.connect(MAPPED4)];
    const direct = machine.connect('10.77.0.12', { port: 6443 });
    expect(await Promise.all([...onB, direct].map(({ name }) => name))).toEqual(['b', 'b', 'b', 'b']);
    machine.apply(steering, 'dead', 'draining', 'ready');
    const onC = machine.connect(SHARED4);
    expect(await onC.name).toBe('c');
    expect(onB.map(({ socket }) => socket.readyState)).toEqual(['open', 'open', 'open']);
    machine.apply(steering, 'dead', 'dead', 'ready');
    expect(await Promise.all(onB.map(({ fate }) => fate))).toEqual(['ECONNABORTED', 'ECONNABORTED', 'ECONNABORTED']);
    expect(steering.destroyed()).toBe(3);
    // What is still true a turn later was not going to change.
    onC.socket.write('?');
    direct.socket.write('?');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([direct, onC].map(({ socket }) => socket.readyState)).toEqual(['open', 'open']);
    expect(await machine.arriveAt(SHARED4)).toBe('c');
  });

  test('a connection under way to a backend that does not answer is ended too', async () => {
    machine.net.peer.run('ip', 'address', 'del', '10.77.0.12/32', 'dev', 'eth0');
    machine.net.peer.run('ip', 'route', 'add', 'blackhole', '10.77.0.12');
    const steering = machine.open();
    machine.apply(steering, 'dead', 'ready', 'dead');
    const fd = machine.net.host.inside(() => {
      const made = libc.socket(libc.AF_INET, libc.SOCK_STREAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
      const remote = socketAddress(parseIp(SHARED4) as Uint8Array, PORT);
      libc.connect(made, remote, remote.length);
      expect(libc.errnoName(libc.lastErrno())).toBe('EINPROGRESS');
      return made;
    });
    machine.apply(steering, 'dead', 'dead', 'ready');
    expect(steering.destroyed()).toBe(1);
    expect(libc.recv(fd, new Uint8Array(1), 1, 0)).toBe(-1);
    expect(libc.errnoName(libc.lastErrno())).toBe('ECONNABORTED');
    libc.close(fd);
  });

  test('with nowhere to go, connections to dead backends are left to live through it', async () => {
    const steering = machine.open();
    machine.apply(steering, 'dead', 'ready', 'dead');
    const client = machine.connect(SHARED4);
    await client.name;
    machine.apply(steering, 'dead', 'dead', 'dead');
    expect(steering.destroyed()).toBe(0);
    machine.apply(steering, 'ready', 'dead', 'dead');
    expect(await client.fate).toBe('ECONNABORTED');
  });

  test('closed sockets are forgotten', async () => {
    const steering = machine.open();
    machine.apply(steering, 'dead', 'ready', 'dead');
    const made = [machine.connect(SHARED4), machine.connect(SHARED6)];
    await Promise.all(made.map(({ name }) => name));
    expect(steering.connections()).toBe(2);
    for (const { socket } of made) socket.destroy();
    await vi.waitFor(() => expect(steering.connections()).toBe(0), 10_000);
  });
});
