/** Child of dsr.test.ts, run inside a lab host: a backend that serves the address and, under orders from stdin, holds it. Answers each order with a line. */
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { familyOf } from '../../src/base/address.ts';
import { flowKey } from '../../src/core/balancer/flow.ts';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import { putUpServing } from '../../src/drivers/linux/dsr/serving.ts';
import { DsrTable } from '../../src/drivers/linux/dsr/table.ts';
import { openEndpoint } from '../../src/drivers/linux/endpoint.ts';
import { linkByName } from '../../src/drivers/linux/links.ts';
import { openNeighbors } from '../../src/drivers/linux/neighbors.ts';

const [address, self, ...macs] = process.argv.slice(2) as [string, string, ...string[]];
const LEASE_MS = 60_000;
const PORT = 8443;

const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const link = linkByName('eth0');
const table = new DsrTable({
  interfaceName: link.name,
  addresses: [address],
  port: PORT,
  backends: macs.length,
  self: Number(self),
  stations: macs,
});
const neighbors = openNeighbors(link, [address]);
const members = table.memberMacs();
const endpoint = openEndpoint({
  link,
  addresses: [address],
  neighbors,
  clock: boottime,
  log,
  graceMs: 60_000,
  table: table.gateTable,
  members,
});
table.guardWith(endpoint.deadline);
const { problems } = putUpServing({ interfaceName: link.name, addresses: [address] });
if (problems.length > 0) console.error(problems);

const server = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.on('data', () => socket.write(`${self}\n`));
});
server.listen({ host: familyOf(address) === 'IPv4' ? '0.0.0.0' : '::', port: PORT });

const orders: Record<string, (...words: string[]) => unknown> = {
  hold: () => endpoint.hold(boottime.now() + LEASE_MS),
  announce: () => endpoint.announce(),
  yieldTo: (successorMac) => endpoint.yieldTo(successorMac as string),
  withdraw: () => endpoint.withdraw(),
  steer: (opening, established) => table.steer({ opening: Number(opening), established: Number(established) }),
  stations: (...stations) => table.setStations(stations),
  except(client, port, backend) {
    if (client === undefined || port === undefined) return table.except(new Map());
    const flow = { address: client, port: Number(port) };
    return table.except(new Map([[flowKey(flow), { flow, backend: Number(backend) }]]));
  },
  reconcile() {
    const { mac } = linkByName('eth0');
    neighbors.setMac(mac);
    return endpoint.reconcile(mac);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [order, ...words] = line.split(' ') as [string, ...string[]];
  process.stdout.write(`${JSON.stringify(orders[order]?.(...words) ?? { ok: true })}\n`);
}
endpoint.close();
process.exit(0);
