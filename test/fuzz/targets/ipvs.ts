/** What the kernel answers about its virtual servers. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { formatIp, parseIp } from '../../../src/base/address.ts';
import { addServer, addService, decodeServer, decodeService, type End } from '../../../src/drivers/linux/ipvs/codec.ts';
import { type IpvsConnection, parseConnections } from '../../../src/drivers/linux/ipvs/connections.ts';
import { attribute, nested } from '../../../src/drivers/linux/netlink.ts';
import type { Target } from '../target.ts';

const service4 = { address: '10.0.0.100', port: 6443 };
const service6 = { address: 'fd00::100', port: 6443 };
const counters = nested(12, [attribute(1, Buffer.alloc(8, 1)), attribute(2, Buffer.alloc(8, 2)), attribute(4, Buffer.alloc(8, 3))]);
const server = Buffer.concat([
  Buffer.from([8, 1, 0, 0]),
  nested(2, [
    attribute(1, parseIp('fd00::11') as Uint8Array),
    attribute(2, Uint8Array.of(25, 43)),
    attribute(3, new Uint8Array(4)),
    attribute(4, Uint8Array.of(1, 0, 0, 0)),
    attribute(7, Uint8Array.of(9, 0, 0, 0)),
    attribute(11, Uint8Array.of(10, 0)),
    counters,
  ]),
]);

const ipvsAnswer: Target = {
  name: 'ipvs-answer',
  property: 'an answer about a virtual or a real server is a value with an address, a port and whole numbers, or passed over',
  seeds: [
    addService(service4, 'lc').payload,
    addService(service6, 'mh').payload,
    server,
    addServer(service4, { ...service4, weight: 1 }).payload,
  ],
  maxLength: 512,
  run(payload) {
    const message = { type: 30, flags: 0, payload };
    const found = decodeService(message);
    if (found !== undefined) {
      checkEnd(found);
      ok(!found.scheduler.includes('\0'), 'the name of a scheduler ends at its zero');
      deepEqual(decodeService({ ...message, payload: addService(found, found.scheduler).payload }), { ...found, counters: undefined });
    }
    for (const service of [service4, service6]) {
      const real = decodeServer(message, service);
      if (real === undefined) continue;
      checkEnd(real);
      for (const number of [real.weight, real.active, ...Object.values(real.counters ?? {})]) ok(number >= 0, `${number}`);
    }
  },
};

const line = 'TCP 0A4D0009 E7F2 0A4D0064 192B 0A4D0002 192B ESTABLISHED     899\n';
const line6 =
  'TCP fd77:0000:0000:0000:0000:0000:0000:0009 E7F2 fd77:0000:0000:0000:0000:0000:0000:0100 192B fd77:0000:0000:0000:0000:0000:0000:0002 192B SYN_RECV     59\n';

const ipvsConnections: Target = {
  name: 'ipvs-connections',
  property: 'the list of connections gives connections whose ends are addresses and ports, and every other line is passed over',
  seeds: ['Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n', line, line6, line + line6].map((text) =>
    Buffer.from(text),
  ),
  text: true,
  maxLength: 512,
  run(input) {
    const found = parseConnections(Buffer.from(input).toString('latin1'));
    for (const { client, frontend, server: real } of found) for (const end of [client, frontend, real]) checkEnd(end);
    deepEqual(parseConnections(found.map(written).join('\n')), found);
  },
};

/** As the kernel writes it. */
function written({ client, frontend, server: real, established }: IpvsConnection): string {
  const words = [client, frontend, real].flatMap(({ address, port }) => [
    Buffer.from(parseIp(address) as Uint8Array).toString('hex'),
    port.toString(16).padStart(4, '0'),
  ]);
  return ['TCP', ...words, established ? 'ESTABLISHED' : 'SYN_RECV', '60'].join(' ');
}

function checkEnd({ address, port }: End): void {
  equal(formatIp(parseIp(address) as Uint8Array), address);
  ok(Number.isInteger(port) && port >= 0 && port <= 65_535, `port ${port}`);
}

export const ipvsTargets: readonly Target[] = [ipvsAnswer, ipvsConnections];
