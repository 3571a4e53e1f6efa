/**
 * Child of guardian.test.ts, an agent in small: holds addresses on eth0 (unless told otherwise), has a guardian, and renews. Prints a
 * line whenever it is guarded or not any more. SIGTERM: withdraws and lets the guardian stand down.
 * Arguments: a JSON object of type GuardedHolderOptions.
 */
import { Guardian } from '../../src/agent/guardian/guardian.ts';
import { createServer } from 'node:net';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import { openEndpoint } from '../../src/drivers/linux/endpoint.ts';
import { linkByName } from '../../src/drivers/linux/links.ts';
import { listenFreebind } from '../../src/drivers/linux/listen.ts';

export interface GuardedHolderOptions {
  lockPath: string;
  addresses: string[];
  /** False: somebody else holds, and this one only has the guardian. */
  holds: boolean;
  leaseMs: number;
  from: string;
  to: string;
  port: number;
  /** What the guardian sends, each as one datagram. */
  lastWords: string[];
}

const RENEW_MS = 50;
const options = JSON.parse(process.argv[2] as string) as GuardedHolderOptions;
const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const link = linkByName('eth0');
const guardian = await Guardian.start({ lockPath: options.lockPath, host: 'test', clock: boottime, log });
const open = () =>
  openEndpoint({ link, addresses: options.addresses, neighbors: { announce: () => ({ ok: true }) }, clock: boottime, log, graceMs: 1000 });
const endpoint = options.holds ? open() : undefined;
const { addresses, leaseMs, from, to, port } = options;
const datagrams = options.lastWords.map((word) => Buffer.from(word).toString('base64'));
guardian.arm({ linkIndex: link.index, addresses, gate: 'passing', leaseMs, from, port, lastWords: [{ to, datagrams }], resignations: [] });

if (options.holds)
  createServer((client) => void client.write('.')).listen({ fd: listenFreebind({ address: addresses[0] as string, port: 8443 }) });

let said = false;
function renew(): void {
  endpoint?.hold(boottime.now() + leaseMs);
  if (guardian.guarded === said) return;
  said = guardian.guarded;
  process.stdout.write(`${said ? 'guarded' : 'unguarded'}\n`);
}

renew();
setInterval(renew, RENEW_MS);
process.on('SIGTERM', () => {
  endpoint?.close();
  guardian.standDown();
  process.exit(0);
});
