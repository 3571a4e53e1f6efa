/**
 * Child of the keepalived tests: a virtual router of hale on eth0 with the real endpoint. Its argument is a `RouterSettings` as JSON. Prints
 * each event as a line of JSON, and takes lines `priority N`, `counters` and `shutdown`.
 */
import { createInterface } from 'node:readline';
import type { Family } from '../../src/base/address.ts';
import type { VirtualRouterConfig } from '../../src/core/vrrp/state.ts';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import { openEndpoint } from '../../src/drivers/linux/endpoint.ts';
import { linkByName } from '../../src/drivers/linux/links.ts';
import { openNeighbors } from '../../src/drivers/linux/neighbors.ts';
import { openVrrpLink } from '../../src/drivers/linux/vrrp.ts';
import { VrrpEngine } from '../../src/engine/vrrp.ts';

export interface RouterSettings {
  config: Omit<VirtualRouterConfig, 'links' | 'authType'>;
  priority: number;
  password?: string;
  links: readonly { family: Family; source: string; addresses: readonly string[]; peers?: readonly string[] }[];
}

const settings = JSON.parse(process.argv[2] as string) as RouterSettings;
const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const complain = (facts: object, message: string): void => void process.stderr.write(`${message} ${JSON.stringify(facts)}\n`);
const link = linkByName('eth0');
const addresses = settings.links.flatMap((each) => each.addresses);
const endpoint = openEndpoint({
  link,
  addresses,
  neighbors: openNeighbors(link, addresses),
  clock: boottime,
  graceMs: 1000,
  log: { debug() {}, info() {}, warn: complain, error: complain },
});
const engine = new VrrpEngine({
  config: settings.config,
  ...(settings.password !== undefined && { password: settings.password }),
  links: settings.links.map((each) => ({ link: openVrrpLink({ link, ...each }), addresses: each.addresses })),
  clock: boottime,
  endpoint,
  onEvent: print,
});
print({ kind: 'ready' });
engine.setPriority(settings.priority);
createInterface({ input: process.stdin }).on('line', (line) => {
  const [word, number] = line.split(' ');
  if (word === 'priority') engine.setPriority(Number(number));
  else if (word === 'counters') print({ kind: 'counters', ...engine.counters });
  else {
    engine.shutdown();
    setInterval(leaveOnceFollowed, 2);
  }
});

/** It serves on until another is heard as active. */
function leaveOnceFollowed(): void {
  if (engine.holds) return;
  engine.stop();
  endpoint.close();
  process.exit();
}
