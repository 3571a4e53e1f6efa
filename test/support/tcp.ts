/** TCP servers and clients of this process that live in other network namespaces: a socket stays where it was made. */
import { createServer, type Server, Socket } from 'node:net';
import { parseIp } from '../../src/base/address.ts';
import * as libc from '../../src/drivers/linux/libc.ts';
import { socketAddress } from '../../src/drivers/linux/socket-address.ts';
import type { TestHost } from './netns.ts';

/** A server on all addresses of the host, IPv4 and IPv6, as an API server listens; it keeps its half of a connection open until told. */
export function listenIn(host: TestHost, onConnection: (socket: Socket) => void, port = 0): Server {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  // With an address or a name Node would make the socket later, outside the namespace.
  host.inside(() => server.listen(port));
  return server;
}

/** A client that is connected when this returns; the server's kernel answers by itself. */
export function connectFrom(host: TestHost, { address, port, ownPort = 0 }: { address: string; port: number; ownPort?: number }): Socket {
  const ip = parseIp(address) as Uint8Array;
  const family = ip.length === 4 ? libc.AF_INET : libc.AF_INET6;
  const fd = host.inside(() => libc.socket(family, libc.SOCK_STREAM | libc.SOCK_CLOEXEC, 0));
  const from = socketAddress(new Uint8Array(ip.length), ownPort);
  if (libc.bind(fd, from, from.length) !== 0) throw new Error(`bind to port ${ownPort}: ${libc.errnoName(libc.lastErrno())}`);
  const to = socketAddress(ip, port);
  if (libc.connect(fd, to, to.length) !== 0) {
    const error = new Error(`connect to ${address} port ${port}: ${libc.errnoName(libc.lastErrno())}`);
    libc.close(fd);
    throw error;
  }
  return new Socket({ fd });
}
