/** Child of endpoint.test.ts: holds addresses on eth0, renewing a short lease, and prints each lease's end as a line. */
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import { openEndpoint } from '../../../src/drivers/linux/endpoint.ts';
import { linkByName } from '../../../src/drivers/linux/links.ts';

const LEASE_MS = 300;
const RENEW_MS = 60;

const endpoint = openEndpoint({
  link: linkByName('eth0'),
  addresses: process.argv.slice(2),
  neighbors: { announce: () => ({ ok: true }) },
  clock: boottime,
  graceMs: 1000,
  log: { debug() {}, info() {}, warn() {}, error: (facts, message) => process.stderr.write(`${message} ${JSON.stringify(facts)}\n`) },
});

function renew(): void {
  const until = boottime.now() + LEASE_MS;
  const held = endpoint.hold(until);
  if (!held.ok) process.stderr.write(`${held.reason}\n`);
  process.stdout.write(`${until}\n`);
}

renew();
setInterval(renew, RENEW_MS);
