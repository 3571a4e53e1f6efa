/** Child of handover.test.ts, run inside a lab host: serves the address under orders from stdin, and answers each order with a line. */
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import { openEndpoint } from '../../src/drivers/linux/endpoint.ts';
import { linkByName } from '../../src/drivers/linux/links.ts';
import { listenFreebind } from '../../src/drivers/linux/listen.ts';
import { openNeighbors } from '../../src/drivers/linux/neighbors.ts';

const [address, name] = process.argv.slice(2) as [string, string];
const LEASE_MS = 60_000;
const GRACE_MS = 60_000;

const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const link = linkByName('eth0');
const neighbors = openNeighbors(link, [address]);
const endpoint = openEndpoint({ link, addresses: [address], neighbors, clock: boottime, log, graceMs: GRACE_MS });

const server = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.on('data', () => socket.write(`${name}\n`));
});
server.listen({ fd: listenFreebind({ address, port: 8443 }) });

const orders: Record<string, (mac: string) => unknown> = {
  hold: () => endpoint.hold(boottime.now() + LEASE_MS),
  announce: () => endpoint.announce(),
  prepare: (predecessorMac) => endpoint.prepare({ predecessorMac, untilMs: boottime.now() + LEASE_MS }),
  yieldTo: (successorMac) => endpoint.yieldTo(successorMac),
  withdraw: () => endpoint.withdraw(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [order, mac] = line.split(' ') as [string, string];
  process.stdout.write(`${JSON.stringify(orders[order]?.(mac) ?? { ok: true })}\n`);
}
endpoint.close();
process.exit(0);
