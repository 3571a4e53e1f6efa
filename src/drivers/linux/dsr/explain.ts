import { slotCount } from '../../../core/balancer/slots.ts';
import type { Explanation } from '../../../ports/datapath.ts';
import { listText } from '../nft-program.ts';
import { TABLE } from '../ruleset.ts';
import { chainOf } from './ruleset.ts';
import { onLoopback } from './serving.ts';

export interface DsrQuery {
  /** Names of the backends in order. */
  backends: readonly string[];
  self: number;
  addresses: readonly string[];
}

/** Where this host steers packets when it holds the address, and what it serves, read without an agent; undefined when the table does not steer. Runs the nft program once. */
export function explainDsr({ backends, self, addresses }: DsrQuery): Explanation | undefined {
  const listed = listText(['list', 'table', 'netdev', TABLE]);
  if (!listed.ok || !/map opening \{/.test(listed.text)) return undefined;
  const { text } = listed;
  const [opening, established] = ['opening', 'established'].map((map) => sharesOf(text, map));
  const exceptions = countElements(text, 'exceptions4') + countElements(text, 'exceptions6');
  const here = onLoopback();
  const shares = (found: ReadonlyMap<string, number>) =>
    backends.map((name, i) => `${name} ${found.get(chainOf(i)) ?? 0}`).join(', ') + ` of ${slotCount(backends.length)} slots`;
  const [served, servedBytes] = sumCounters(text, /ether saddr @members counter packets (\d+) bytes (\d+)/g);
  return {
    part: 'dsr',
    says: [
      'frames that another control-plane host sends for the address are served here, whoever holds it, and never sent on',
      `while this host holds the address, a packet that opens a connection goes by the hash of its client to: ${shares(opening as Map<string, number>)}`,
      same(opening as Map<string, number>, established as Map<string, number>)
        ? 'packets of connections under way go by the same slots'
        : `packets of connections under way still go to: ${shares(established as Map<string, number>)}; a backend has come or drains`,
      `${exceptions} connections live elsewhere than their slot says, and are known one by one`,
    ],
    counters: [
      ...backends.map((name, i) => {
        const [packets, bytes] = sumCounters(text, new RegExp(`chain ${chainOf(i)} \\{\\s*counter packets (\\d+) bytes (\\d+)`, 'g'));
        const what = i === self ? `clients' packets served here, as the holder` : `clients' packets steered to ${name}`;
        return { what, packets, bytes, connections: null };
      }),
      { what: 'packets served here that another holder steered', packets: served, bytes: servedBytes, connections: null },
    ],
    problems: addresses
      .filter((address) => !here.has(address))
      .map((address) => ({
        what: `${address} is not on lo, so this host serves nothing that is steered to it`,
        fix: `ip address add ${address} dev lo`,
      })),
  };
}

/** Slots by chain, as nft prints them: `3 : goto backend1`. */
function sharesOf(text: string, map: string): Map<string, number> {
  const body = new RegExp(`map ${map} \\{([^}]*\\}?)`).exec(text)?.[1] ?? '';
  const shares = new Map<string, number>();
  for (const [, chain] of body.matchAll(/goto (\w+)/g)) shares.set(chain as string, (shares.get(chain as string) ?? 0) + 1);
  return shares;
}

function countElements(text: string, map: string): number {
  return [...sharesOf(text, map).values()].reduce((sum, count) => sum + count, 0);
}

function sumCounters(text: string, pattern: RegExp): [packets: number, bytes: number] {
  return [...text.matchAll(pattern)].reduce<[number, number]>(
    ([p, b], [, packets, bytes]) => [p + Number(packets), b + Number(bytes)],
    [0, 0],
  );
}

function same(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean {
  return one.size === other.size && [...one].every(([chain, count]) => other.get(chain) === count);
}
