import { createSocket } from 'node:dgram';
import { familyOf, formatIp, hostPort, parseIp } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import type { Packets } from '../../ports/packets.ts';

/** The UDP socket of a member, bound to its own address: peers know each other by it. Throws HaleError `agent_port_in_use`, `agent_port_unavailable`. */
export async function openUdp({ address, port }: { address: string; port: number }): Promise<Packets> {
  const socket = createSocket(familyOf(address) === 'IPv4' ? 'udp4' : 'udp6');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close();
      reject(bindError(error, address, port));
    });
    socket.bind(port, address, resolve);
  });
  socket.removeAllListeners('error');
  // A peer that is down answers with ICMP; the next packet finds out by itself.
  socket.on('error', () => {});
  return {
    send: (to, bytes) => socket.send(bytes, port, to, () => {}),
    onReceive: (handler) => void socket.on('message', (bytes, remote) => handler(bytes, canonical(remote.address))),
    close: () => socket.close(),
  };
}

function canonical(address: string): string {
  const bytes = parseIp(address.replace(/%.*$/, ''));
  return bytes === undefined ? address : formatIp(bytes);
}

function bindError(error: NodeJS.ErrnoException, address: string, port: number): HaleError {
  const where = hostPort(address, port);
  const busy = error.code === 'EADDRINUSE';
  return new HaleError({
    code: busy ? 'agent_port_in_use' : 'agent_port_unavailable',
    kind: 'world',
    message: `UDP ${where}, where this agent listens to the others: ${error.code ?? error.message}`,
    remedy: busy ? 'is another hale agent running here? see: hale status' : `is ${address} configured on this host? see: ip address`,
    cause: error,
  });
}
