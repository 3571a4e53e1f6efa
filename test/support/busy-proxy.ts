/** A process whose proxy is passing on much when it ends, with code 7. Its parameter is the port of a backend that never stops talking. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { ProxyDatapath } from '../../src/drivers/proxy/proxy.ts';

const ENOUGH_BYTES = 20 * 2 ** 20;
// An address of its own: a free port of one that others use may be taken before the proxy listens there.
const address = `127.1.${(process.pid >> 8) & 0xff}.${process.pid & 0xff}`;
const spare = createServer().listen(0, address);
await once(spare, 'listening');
const frontend = spare.address() as AddressInfo;
await new Promise((resolve) => spare.close(resolve));
const backends = [{ name: 'a', address: '127.0.0.1', port: Number(process.argv[2]), state: 'ready' as const }];
await ProxyDatapath.open({ self: 0, frontends: [frontend], backends }, () => {});
let bytes = 0;
for (let i = 0; i < 4; i++) {
  connect(frontend.port, address).on('data', (chunk) => {
    bytes += chunk.length;
    if (bytes > ENOUGH_BYTES) process.exit(7);
  });
}
