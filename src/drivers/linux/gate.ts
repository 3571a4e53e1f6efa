/**
 * The lease, enforced by the kernel: an nftables table `netdev hale` on the interface lets the address be answered for only while the
 * address is an element of a set, and the element has a timeout. A process that is stopped, killed or starved cannot prolong it.
 *
 *   incoming: packets to the address, ARP requests and neighbour solicitations for it are dropped unless the lease runs.
 *   outgoing: nothing with the address as its source leaves unless the lease runs. Without this, connections that a stale holder still
 *     has open make its kernel send ARP requests in the address's name, which move the neighbours' entries back to it.
 *
 * An ARP announcement (a request from the address itself) is let in although it asks for the address: the kernel answers none of those,
 * and this host must hear who else claims it. The timeout counts jiffies from the moment of the write, so it neither counts suspended
 * time nor knows when the caller read its clock; `open` covers the second.
 */
import { spawnSync } from 'node:child_process';
import { assert } from '../../base/assert.ts';
import { parseIp } from '../../base/address.ts';
import type { Clock } from '../../ports/clock.ts';
import { done, type Effect } from '../../ports/effect.ts';
import * as libc from './libc.ts';
import { type NetlinkAnswer, NETLINK_NETFILTER, openNetlink } from './netlink.ts';
import { addElement, deleteElement, deleteTable, type Element, flushSet, transaction } from './nft-sets.ts';

const TABLE = 'hale';
const FLUSH = ['lease4', 'lease6', 'target6'].map((set) => flushSet({ table: TABLE, set }));
/** The kernel rounds a timeout to its tick, 10 ms at most and towards the past; this is the room for a late write as well. */
const MARGIN_MS = 8;
const ATTEMPTS = 4;

export interface Gate {
  /** Lets the address be answered for until `untilMs` of the clock and no later. After a failure the gate is closed. */
  open(untilMs: number): Effect;
  close(): Effect;
  /** Deletes the table, so that the address is guarded no more, and gives the socket back. */
  remove(): Effect;
}

/** `weakness` says what a gate without outgoing rules does not promise. */
export type GateInstalled = { ok: true; gate: Gate; weakness: string | undefined } | { ok: false; reason: string };

export interface GateOptions {
  interfaceName: string;
  addresses: readonly string[];
  clock: Clock;
}

/** Makes the table, closed; replaces a leftover one at one instant. Runs the `nft` program once. */
export function installGate(options: GateOptions): GateInstalled {
  const made = makeTable(options);
  if (!made.ok) return made;
  return { ok: true, gate: gateOf(options), weakness: made.weakness };
}

function gateOf(options: GateOptions): Gate {
  const netfilter = openNetlink(NETLINK_NETFILTER);
  const elements = options.addresses.flatMap(elementsOf);
  const add = (timeoutMs: number) => elements.map((element) => addElement(element, timeoutMs));
  // The delete is refused when the old element has run out, so a renewal that was decided before a freeze cannot revive a lease.
  const renew = (timeoutMs: number) => transaction(netfilter, [...elements.map(deleteElement), ...add(timeoutMs)]);
  const replace = (timeoutMs: number) => transaction(netfilter, [...FLUSH, ...add(timeoutMs)]);
  // A refused transaction costs the kernel an RCU grace period, 16 ms, so at a takeover nothing is tried that is known to fail.
  let openUntilMs = Number.NEGATIVE_INFINITY;
  const close = (): Effect => {
    openUntilMs = Number.NEGATIVE_INFINITY;
    return goneIsDone(transaction(netfilter, FLUSH), 'close the gate');
  };
  return {
    open(untilMs) {
      const first = options.clock.now() < openUntilMs ? renew : replace;
      const opened = openBefore(untilMs, { clock: options.clock, first, replace, remake: () => makeTable(options) });
      if (opened.ok) openUntilMs = untilMs;
      else close();
      return opened;
    },
    close,
    remove() {
      const removed = goneIsDone(transaction(netfilter, [deleteTable(TABLE)]), 'remove the gate');
      netfilter.close();
      return removed;
    },
  };
}

interface Writes {
  clock: Clock;
  first(timeoutMs: number): NetlinkAnswer;
  replace(timeoutMs: number): NetlinkAnswer;
  remake(): TableMade;
}

/** Where there is nothing to renew, replaces; where there is no table, makes it. Whatever was held up past the margin is written again. */
function openBefore(untilMs: number, { clock, first, replace, remake }: Writes): Effect {
  let write = first;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const timeoutMs = Math.floor(untilMs - clock.now() - MARGIN_MS);
    if (timeoutMs <= 0) return { ok: false, reason: `the lease ends within ${MARGIN_MS} ms` };
    const answer = write(timeoutMs);
    if (answer.ok && clock.now() + timeoutMs <= untilMs) return done;
    if (answer.ok) continue;
    if (answer.errno !== libc.ENOENT) return { ok: false, reason: `open the gate: ${answer.reason}` };
    if (write === replace) {
      // Somebody ran `nft flush ruleset`; a restarted firewall does.
      const made = remake();
      if (!made.ok) return made;
    }
    write = replace;
  }
  return { ok: false, reason: `open the gate: held up past ${MARGIN_MS} ms or its table deleted, ${ATTEMPTS} times in a row` };
}

function goneIsDone(answer: NetlinkAnswer, what: string): Effect {
  return answer.ok || answer.errno === libc.ENOENT ? done : { ok: false, reason: `${what}: ${answer.reason}` };
}

function elementsOf(address: string): Element[] {
  const key = parseIp(address);
  assert(key !== undefined, `${address} is an IP address`);
  return (key.length === 4 ? ['lease4'] : ['lease6', 'target6']).map((set) => ({ table: TABLE, set, key }));
}

type TableMade = { ok: true; weakness: string | undefined } | { ok: false; reason: string };

function makeTable({ interfaceName, addresses }: GateOptions): TableMade {
  const full = runNft(ruleset({ interfaceName, addresses, outgoing: true }));
  if (full.ok) return { ok: true, weakness: undefined };
  if (full.nftMissing) return full;
  const incoming = runNft(ruleset({ interfaceName, addresses, outgoing: false }));
  if (!incoming.ok) return incoming;
  return { ok: true, weakness: `outgoing packets of the address are not gated (needs Linux 5.16 and nft 1.0.1): ${full.reason}` };
}

type NftRun = { ok: true } | { ok: false; reason: string; nftMissing: boolean };

function runNft(script: string): NftRun {
  const run = spawnSync('nft', ['-f', '-'], { input: script, encoding: 'utf8' });
  if (run.error !== undefined) return { ok: false, reason: `nft cannot be started: ${run.error.message}`, nftMissing: true };
  if (run.status === 0) return { ok: true };
  const firstLine = run.stderr.split('\n').find((line) => line !== '');
  return { ok: false, reason: `nft: ${firstLine ?? `ended by ${run.signal ?? run.status}`}`, nftMissing: false };
}

/** Three statements, one transaction: declaring the table first lets the deletion succeed when there is none. */
function ruleset({
  interfaceName,
  addresses,
  outgoing,
}: {
  interfaceName: string;
  addresses: readonly string[];
  outgoing: boolean;
}): string {
  const hook = (name: string) => `type filter hook ${name} device "${interfaceName}" priority -200; policy accept;`;
  const rules = (of: (address: string) => string[]) => addresses.flatMap(of).join('\n    ');
  return `table netdev ${TABLE}
delete table netdev ${TABLE}
table netdev ${TABLE} {
  set lease4 { type ipv4_addr; flags timeout; }
  set lease6 { type ipv6_addr; flags timeout; }
  set target6 { typeof @th,64,128; flags timeout; }
  chain incoming {
    ${hook('ingress')}
    ${rules(incomingRules)}
  }
  ${outgoing ? `chain outgoing {\n    ${hook('egress')}\n    ${rules(outgoingRules)}\n  }` : ''}
}
`;
}

function incomingRules(address: string): string[] {
  const bytes = parseIp(address) as Uint8Array;
  if (bytes.length === 4) {
    return [
      `ip daddr ${address} ip daddr != @lease4 drop`,
      `arp operation request arp saddr ip != ${address} arp daddr ip ${address} arp daddr ip != @lease4 drop`,
    ];
  }
  // `icmpv6 taddr` came with nft 1.0.8; the target is 8 bytes into the message (RFC 4861 section 4.3). A raw field has a type of its own, hence its own set.
  const target = `@th,64,128 0x${Buffer.from(bytes).toString('hex')} @th,64,128 != @target6`;
  return [`ip6 daddr ${address} ip6 daddr != @lease6 drop`, `icmpv6 type nd-neighbor-solicit ${target} drop`];
}

function outgoingRules(address: string): string[] {
  if (address.includes(':')) return [`ip6 saddr ${address} ip6 saddr != @lease6 drop`];
  return [`ip saddr ${address} ip saddr != @lease4 drop`, `arp saddr ip ${address} arp saddr ip != @lease4 drop`];
}
