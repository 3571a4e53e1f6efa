/**
 * The lease, enforced by the kernel: the table of ruleset.ts lets the address be answered for only while it is an element of a set, and
 * the element has a timeout. A process that is stopped, killed or starved cannot prolong it.
 *
 * The timeout counts jiffies from the moment of the write, so it neither counts suspended time nor knows when the caller read its clock;
 * `open` covers the second as far as a process can. Where the kernel has it, deadline.ts is a second lock that covers both: a packet must
 * pass the two of them.
 */
import { assert } from '../../base/assert.ts';
import { parseIp, parseMac } from '../../base/address.ts';
import type { Clock } from '../../ports/clock.ts';
import { done, type Effect } from '../../ports/effect.ts';
import type { Deadline } from './deadline.ts';
import * as libc from './libc.ts';
import { type Netlink, type NetlinkAnswer, type NetlinkMessage, NETLINK_NETFILTER, openNetlink } from './netlink.ts';
import { runNft } from './nft-program.ts';
import { addElement, deleteElement, deleteTable, type Element, flushSet, transaction } from './nft-sets.ts';
import { ruleset, TABLE } from './ruleset.ts';

const flushAll = (sets: readonly string[]) => sets.map((set) => flushSet({ table: TABLE, set }));
const FLUSH_LEASE = flushAll(['lease4', 'lease6', 'target6']);
const FLUSH_HANDOVER = flushAll([
  'partner',
  ...[4, 6].flatMap((v) => [`yielding${v}`, `successor${v}`, `inheriting${v}`, `predecessor${v}`]),
]);
/** The kernel rounds a timeout to its tick, 10 ms at most and towards the past; this is the room for a late write as well. */
const MARGIN_MS = 8;
const ATTEMPTS = 4;

export interface Gate {
  /** Lets the address be answered for until `untilMs` of the clock and no later. After a failure the gate is closed. */
  open(untilMs: number): Effect;
  /** Closed at once, hand-overs included. */
  close(): Effect;
  /** Closed for everything but what `mac` passes on; and once open, connections that did not begin here are passed back to it. */
  inherit(mac: string, forMs: number): Effect;
  /** Closed for new connections at the same instant at which they begin to be passed on to `mac`; those under way stay. */
  yieldTo(mac: string, forMs: number): Effect;
  /** Deletes the table and takes the deadline away, so that the address is guarded no more; gives the socket back. */
  remove(): Effect;
}

/** `weakness` says what a gate without outgoing rules does not promise. */
export type GateInstalled = { ok: true; gate: Gate; weakness: string | undefined } | { ok: false; reason: string };

export interface GateOptions {
  interfaceName: string;
  mac: string;
  addresses: readonly string[];
  clock: Clock;
  /** Of CLOCK_BOOTTIME, as the clock is; belongs to the gate from then on. */
  deadline: Deadline | undefined;
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
  const replace = (timeoutMs: number) => transaction(netfilter, [...FLUSH_LEASE, ...add(timeoutMs)]);
  // A refused transaction costs the kernel an RCU grace period, 16 ms, so at a takeover nothing is tried that is known to fail.
  let openUntilMs = Number.NEGATIVE_INFINITY;
  let handoverUntilMs = Number.NEGATIVE_INFINITY;
  // While a hand-over runs, the table alone ends the lease. It goes first: what it has closed by then cannot be opened by a later deadline.
  const setDeadline = () => options.deadline?.set(Math.max(openUntilMs, handoverUntilMs));
  const close = (): Effect => {
    openUntilMs = handoverUntilMs = Number.NEGATIVE_INFINITY;
    setDeadline();
    return closeGate(netfilter);
  };
  const handOver = ({ sets, flush, mac, forMs }: HandOver): Effect => {
    const untilMs = options.clock.now() + forMs;
    const added = handoverElements({ sets, mac, addresses: options.addresses }).map((element) => addElement(element, forMs));
    const answer = transaction(netfilter, [...flush, ...added]);
    if (!answer.ok) return effectOf(answer, 'hand the gate over');
    handoverUntilMs = untilMs;
    setDeadline();
    return done;
  };
  return {
    open(untilMs) {
      const first = options.clock.now() < openUntilMs ? renew : replace;
      const opened = openBefore(untilMs, { clock: options.clock, first, replace, remake: () => makeTable(options) });
      if (!opened.ok) {
        close();
        return opened;
      }
      openUntilMs = untilMs;
      setDeadline();
      return done;
    },
    close,
    inherit: (mac, forMs) => handOver({ sets: ['inheriting', 'predecessor'], flush: FLUSH_HANDOVER, mac, forMs }),
    yieldTo(mac, forMs) {
      openUntilMs = Number.NEGATIVE_INFINITY;
      return handOver({ sets: ['yielding', 'successor'], flush: [...FLUSH_LEASE, ...FLUSH_HANDOVER], mac, forMs });
    },
    remove() {
      const removed = goneIsDone(transaction(netfilter, [deleteTable(TABLE)]), 'remove the gate');
      netfilter.close();
      const unlocked = options.deadline?.close() ?? done;
      return removed.ok ? unlocked : removed;
    },
  };
}

interface HandOver {
  sets: readonly [set: string, map: string];
  flush: readonly NetlinkMessage[];
  mac: string;
  forMs: number;
}

/**
 * Closes the gate at once, hand-overs included; also one that another process made and left. Success when there is none. The table is
 * enough: a packet must pass it whatever the deadline says.
 */
export function closeGate(netfilter: Netlink): Effect {
  return goneIsDone(transaction(netfilter, [...FLUSH_LEASE, ...FLUSH_HANDOVER]), 'close the gate');
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

/** Elements of a hand-over with the host at `mac`: its frames are served, and each address is in a set and has that MAC in a map. */
function handoverElements(options: Pick<HandOver, 'sets' | 'mac'> & Pick<GateOptions, 'addresses'>): Element[] {
  const { addresses, mac } = options;
  const [set, map] = options.sets;
  const macBytes = parseMac(mac);
  assert(macBytes !== undefined, `${mac} is a MAC address`);
  const elements = addresses.flatMap((address) => {
    const key = parseIp(address) as Uint8Array;
    const family = key.length === 4 ? 4 : 6;
    return [
      { table: TABLE, set: `${set}${family}`, key },
      { table: TABLE, set: `${map}${family}`, key, data: macBytes },
    ];
  });
  return [{ table: TABLE, set: 'partner', key: macBytes }, ...elements];
}

function effectOf(answer: NetlinkAnswer, what: string): Effect {
  return answer.ok ? done : { ok: false, reason: `${what}: ${answer.reason}` };
}

function goneIsDone(answer: NetlinkAnswer, what: string): Effect {
  return !answer.ok && answer.errno === libc.ENOENT ? done : effectOf(answer, what);
}

function elementsOf(address: string): Element[] {
  const key = parseIp(address);
  assert(key !== undefined, `${address} is an IP address`);
  return (key.length === 4 ? ['lease4'] : ['lease6', 'target6']).map((set) => ({ table: TABLE, set, key }));
}

type TableMade = { ok: true; weakness: string | undefined } | { ok: false; reason: string };

function makeTable({ interfaceName, mac, addresses }: GateOptions): TableMade {
  const full = runNft(ruleset({ interfaceName, mac, addresses, outgoing: true }));
  if (full.ok) return { ok: true, weakness: undefined };
  if (full.nftMissing) return full;
  const incoming = runNft(ruleset({ interfaceName, mac, addresses, outgoing: false }));
  if (!incoming.ok) return incoming;
  return { ok: true, weakness: `outgoing packets of the address are not gated (needs Linux 5.16 and nft 1.0.1): ${full.reason}` };
}
