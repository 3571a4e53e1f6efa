/** Requests to a shared address, and the hosts that answer them: each answer is the name of its host. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseIp } from '../../../src/base/address.ts';
import * as libc from '../../../src/drivers/linux/libc.ts';
import { socketAddress } from '../../../src/drivers/linux/socket-address.ts';
import type { TestHost } from '../netns.ts';

const PORT = 7000;
const PATIENCE_MS = 3000;
const BETWEEN_MS = 2;

/** Gives the host these addresses on its loopback, and answers there. */
export function answerAt(host: TestHost, { addresses, name }: { addresses: readonly string[]; name: string }): { close(): void } {
  const sockets = addresses.map((address) => {
    host.run('ip', 'address', 'add', address, 'dev', 'lo', ...(address.includes(':') ? ['nodad'] : []));
    const socket = udpSocket(host, { address, port: PORT });
    socket.on('message', (_, from) => socket.send(name, from.port, from.address));
    return socket;
  });
  return {
    close: () => {
      for (const socket of sockets) socket.close();
    },
  };
}

export interface Traffic {
  /** Names of those that have answered since the last look. */
  answers(): string[];
  /** Waits for the last answers. Requests without one. */
  end(): Promise<number>;
}

/** One request after the other, each from a port of its own, to all addresses in turn. */
export function sendTraffic(client: TestHost, addresses: readonly string[]): Traffic {
  const stop = new AbortController();
  let lost = 0;
  let answers: string[] = [];
  const pending: Promise<void>[] = [];
  const run = async () => {
    for (let i = 0; !stop.signal.aborted; i++) {
      pending.push(
        ask(client, addresses[i % addresses.length] as string).then((name) => {
          if (name === undefined) lost++;
          else answers.push(name);
        }),
      );
      await sleep(BETWEEN_MS);
    }
  };
  const running = run();
  return {
    answers: () => answers.splice(0),
    async end() {
      stop.abort();
      await running;
      await Promise.all(pending);
      return lost;
    },
  };
}

function ask(client: TestHost, address: string): Promise<string | undefined> {
  const socket = udpSocket(client, { address: address.includes(':') ? '::' : '0.0.0.0', port: 0 });
  return new Promise((resolve) => {
    const finish = (name: string | undefined) => {
      clearTimeout(timer);
      socket.close();
      resolve(name);
    };
    const timer = setTimeout(() => finish(undefined), PATIENCE_MS);
    socket.on('message', (bytes) => finish(bytes.toString()));
    socket.on('error', () => {});
    socket.send('who', PORT, address);
  });
}

function udpSocket(host: TestHost, { address, port }: { address: string; port: number }): UdpSocket {
  const ip = parseIp(address) as Uint8Array;
  const [family, type] = ip.length === 4 ? ([libc.AF_INET, 'udp4'] as const) : ([libc.AF_INET6, 'udp6'] as const);
  const fd = host.inside(() => libc.socket(family, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0));
  const local = socketAddress(ip, port);
  if (libc.bind(fd, local, local.length) !== 0) throw new Error(`bind to ${address} port ${port}: ${libc.errnoName(libc.lastErrno())}`);
  const socket = createSocket(type);
  socket.bind({ fd });
  return socket;
}
