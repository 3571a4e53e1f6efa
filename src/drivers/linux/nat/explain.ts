import { hostPort } from '../../../base/address.ts';
import type { Explanation } from '../../../ports/datapath.ts';
import { openConntrack, type TrackedConnection } from '../conntrack.ts';
import { listText } from '../nft-program.ts';
import { NAT_TABLE, SLOTS, type Socket } from './ruleset.ts';

/** What the kernel translates, read without an agent; undefined when hale's table is not there. Runs the nft program once. */
export async function explainNat(frontends: readonly Socket[]): Promise<Explanation | undefined> {
  const listed = listText(['list', 'table', 'inet', NAT_TABLE]);
  if (!listed.ok) return undefined;
  const shares = sharesOf(listed.text);
  const translated = frontends.filter(({ address }) => new RegExp(String.raw`daddr ${address}\s`).test(listed.text));
  const found: TrackedConnection[] = [];
  const conntrack = openConntrack();
  for (const frontend of translated)
    await conntrack.find(frontend, (slice) => void found.push(...slice.filter(({ connected }) => connected)));
  conntrack.close();
  const source = /snat ip6? to (\S+)/.exec(listed.text)?.[1];
  const keepsClient = listed.text.includes('fib saddr type local');
  const servers = new Set([...shares.keys(), ...found.map(({ server }) => hostPort(server.address, server.port))]);
  return {
    part: 'nat',
    says: [
      `new connections to ${translated.map(({ address, port }) => hostPort(address, port)).join(' and ')}, of clients and of this host, are given a backend (DNAT), while the address is on this host`,
      shares.size === 0
        ? 'no backend takes new connections now'
        : `they go turn by turn to ${[...shares].map(([backend, share]) => `${backend} (${share} of ${SLOTS})`).join(', ')}`,
      keepsClient
        ? "backends see the client's address; their answers must come back through this host"
        : `backends on other hosts see ${source ?? 'this host'} as the client, and answer to it`,
    ],
    counters: [
      { what: 'connections given a backend since the table was made', packets: null, bytes: null, connections: countOf(listed.text) },
      ...[...servers].map((server) => ({
        what: `connections open to ${server}`,
        packets: null,
        bytes: null,
        connections: found.filter(({ server: { address, port } }) => hostPort(address, port) === server).length,
      })),
    ],
    problems: shares.size === 0 ? [{ what: 'no backend takes new connections', fix: 'hale status' }] : [],
  };
}

/** How many slots each backend has, in both maps: `3 : 10.0.0.2 . 6443`. */
function sharesOf(text: string): Map<string, number> {
  const shares = new Map<string, number>();
  for (const [, address, port] of text.matchAll(/\b\d+ : ([0-9a-f.:]+) \. (\d+)/g)) {
    const backend = hostPort(address as string, Number(port));
    shares.set(backend, (shares.get(backend) ?? 0) + 1);
  }
  return shares;
}

function countOf(text: string): number {
  return [...text.matchAll(/counter connections[46] \{\s*packets (\d+)/g)].reduce((sum, [, packets]) => sum + Number(packets), 0);
}
