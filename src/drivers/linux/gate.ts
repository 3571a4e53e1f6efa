/**
 * The lease, enforced by the kernel: the table of ruleset.ts lets the address be answered for only while it is an element of a set, and
 * the element has a timeout. A process that is stopped, killed or starved cannot prolong it.
 *
 * The timeout counts jiffies from the moment of the write, so it neither counts suspended time nor knows when the caller read its clock;
 * `open` covers the second as far as a process can. Where the kernel has it, deadline.ts is a second lock that covers both: a packet must
 * pass the two of them.
 */
import { ipBytes, macBytes } from '../../base/address.ts';
import type { Clock } from '../../ports/clock.ts';
import { done, type Effect } from '../../ports/effect.ts';
import type { Deadline } from './deadline.ts';
import * as libc from './libc.ts';
import { type Netlink, type NetlinkAnswer, type NetlinkMessage, NETLINK_NETFILTER, openNetlink } from './netlink.ts';
import { runNft } from './nft-program.ts';
import { addElement, countRules, deleteElement, deleteTable, type Element, flushSet, transaction } from './nft-sets.ts';
import { TABLE } from './ruleset.ts';

const flushAll = (sets: readonly string[]) => sets.map((set) => flushSet({ table: TABLE, set }));
const FLUSH_LEASE = flushAll(['lease4', 'lease6', 'target6']);
const FLUSH_HANDOVER: Record<GateKind, NetlinkMessage[]> = {
  passing: flushAll(['partner', ...[4, 6].flatMap((v) => [`yielding${v}`, `successor${v}`, `inheriting${v}`, `predecessor${v}`])]),
  steering: flushAll(['yielding4', 'yielding6']),
};
/** The kernel rounds a timeout to its tick, 10 ms at most and towards the past; this is the room for a late write as well. */
const MARGIN_MS = 8;
const ATTEMPTS = 4;

/**
 * What goes on in a hand-over. `passing`: connections end on the host that holds the address, so both hosts pass on what belongs to the
 * other. `steering`: they end on any backend (dsr/ruleset.ts), and for the grace time both hosts steer alike.
 */
export type GateKind = 'passing' | 'steering';

/** The nftables table that the gate opens and closes. */
export interface GateTable {
  kind: GateKind;
  /** All of it as a script of nft, closed; without chains for what leaves where the kernel or nft lacks the hook. Frames that are passed on carry `mac` as their source. */
  script(options: { outgoing: boolean; mac: string }): string;
  /** The table was made anew: what the script leaves out comes back now. */
  onMade?(): void;
}

export interface Gate {
  /** Lets the address be answered for until `untilMs` of the clock and no later. After a failure the gate is closed. */
  open(untilMs: number): Effect;
  /** Closed at once, hand-overs included. */
  close(): Effect;
  /** Closed for everything but what `mac` passes on; and once open, connections that did not begin here are passed back to it. */
  inherit(mac: string, forMs: number): Effect;
  /** Closed for new connections at the same instant at which they begin to be passed on to `mac`; those under way stay. */
  yieldTo(mac: string, forMs: number): Effect;
  /** Makes the table and the deadline anew when somebody else changed or deleted them, or the interface has another MAC; says in words what was mended. */
  reconcile(mac: string): string[];
  /** Deletes the table and takes the deadline away, so that the address is guarded no more; gives the socket back. */
  remove(): Effect;
  /** Closes, and gives the sockets back; table and deadline stay, for connections that end on this host. */
  leave(): Effect;
}

/** `weakness` says what a gate without outgoing rules does not promise. */
export type GateInstalled = { ok: true; gate: Gate; weakness: string | undefined } | { ok: false; reason: string };

export interface GateOptions {
  table: GateTable;
  /** The interface's own. */
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
  const { kind } = options.table;
  const table = keepTable(options, netfilter);
  const close = (): Effect => {
    openUntilMs = handoverUntilMs = Number.NEGATIVE_INFINITY;
    setDeadline();
    return closeGate(netfilter, kind);
  };
  const handOver = ({ elements: sets, flush, forMs }: HandOver): Effect => {
    const untilMs = options.clock.now() + forMs;
    const added = sets.map((element) => addElement(element, forMs));
    const answer = transaction(netfilter, [...flush, ...added]);
    if (!answer.ok) return effectOf(answer, 'hand the gate over');
    handoverUntilMs = untilMs;
    setDeadline();
    return done;
  };
  return {
    open(untilMs) {
      const first = options.clock.now() < openUntilMs ? renew : replace;
      const opened = openBefore(untilMs, { clock: options.clock, first, replace, remake: table.remake });
      if (!opened.ok) {
        close();
        return opened;
      }
      openUntilMs = untilMs;
      setDeadline();
      return done;
    },
    close,
    reconcile(mac) {
      const mended = table.reconcile(mac);
      const timeoutMs = Math.floor(openUntilMs - options.clock.now() - MARGIN_MS);
      if (mended.length > 0 && timeoutMs > 0) replace(timeoutMs);
      return [...mended, ...(options.deadline?.reconcile() ?? [])];
    },
    inherit(predecessorMac, forMs) {
      if (kind === 'steering') return done;
      const inheriting = passingElements({ sets: ['inheriting', 'predecessor'], mac: predecessorMac, addresses: options.addresses });
      return handOver({ elements: inheriting, flush: FLUSH_HANDOVER.passing, forMs });
    },
    yieldTo(successorMac, forMs) {
      openUntilMs = Number.NEGATIVE_INFINITY;
      return handOver({ elements: yieldingElements(options, successorMac), flush: [...FLUSH_LEASE, ...FLUSH_HANDOVER[kind]], forMs });
    },
    leave() {
      const closed = close();
      netfilter.close();
      options.deadline?.leave();
      return closed;
    },
    remove() {
      const removed = goneIsDone(transaction(netfilter, [deleteTable(TABLE)]), 'remove the gate');
      netfilter.close();
      const unlocked = options.deadline?.close() ?? done;
      return removed.ok ? unlocked : removed;
    },
  };
}

interface KeptTable {
  remake(): TableMade;
  reconcile(mac: string): string[];
}

/** Knows whether the table is as it was made. */
function keepTable(options: GateOptions, netfilter: Netlink): KeptTable {
  let { mac } = options;
  let expectedRules = countRules(netfilter, { table: TABLE });
  /** What has been mended and not been said yet. */
  let mended: string[] = [];
  const remake = (what: string): TableMade => {
    const made = makeTable({ ...options, mac });
    expectedRules = countRules(netfilter, { table: TABLE });
    mended.push(`${what}: the table netdev ${TABLE} ${made.ok ? 'made anew' : `cannot be made anew: ${made.reason}`}`);
    return made;
  };
  return {
    remake: () => remake('somebody else deleted the rules'),
    reconcile(macNow) {
      const rules = countRules(netfilter, { table: TABLE });
      const moved = macNow !== mac;
      mac = macNow;
      if (moved) remake(`the interface has another MAC address, ${mac}`);
      else if (rules !== undefined && rules !== expectedRules) remake('somebody else changed the rules');
      const said = mended;
      mended = [];
      return said;
    },
  };
}

interface HandOver {
  elements: readonly Element[];
  flush: readonly NetlinkMessage[];
  forMs: number;
}

/**
 * Closes the gate at once, hand-overs included; also one that another process made and left. Success when there is none. The table is
 * enough: a packet must pass it whatever the deadline says.
 */
export function closeGate(netfilter: Netlink, kind: GateKind): Effect {
  return goneIsDone(transaction(netfilter, [...FLUSH_LEASE, ...FLUSH_HANDOVER[kind]]), 'close the gate');
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
function passingElements(options: { sets: readonly [set: string, map: string]; mac: string; addresses: readonly string[] }): Element[] {
  const { addresses, mac } = options;
  const [set, map] = options.sets;
  const data = macBytes(mac);
  const elements = addresses.flatMap((address) => [elementOf(set, address), { ...elementOf(map, address), data }]);
  return [{ table: TABLE, set: 'partner', key: data }, ...elements];
}

/** With steering nothing is passed on: for the grace time this host steers as before. */
function yieldingElements({ table, addresses }: GateOptions, successorMac: string): Element[] {
  if (table.kind === 'steering') return addresses.map((address) => elementOf('yielding', address));
  return passingElements({ sets: ['yielding', 'successor'], mac: successorMac, addresses });
}

/** In the set of the address's family. */
function elementOf(set: string, address: string): Element {
  const key = ipBytes(address);
  return { table: TABLE, set: `${set}${key.length === 4 ? 4 : 6}`, key };
}

function effectOf(answer: NetlinkAnswer, what: string): Effect {
  return answer.ok ? done : { ok: false, reason: `${what}: ${answer.reason}` };
}

function goneIsDone(answer: NetlinkAnswer, what: string): Effect {
  return !answer.ok && answer.errno === libc.ENOENT ? done : effectOf(answer, what);
}

function elementsOf(address: string): Element[] {
  const element = elementOf('lease', address);
  return element.key.length === 4 ? [element] : [element, { ...element, set: 'target6' }];
}

type TableMade = { ok: true; weakness: string | undefined } | { ok: false; reason: string };

function makeTable({ table, mac }: Pick<GateOptions, 'table' | 'mac'>): TableMade {
  const full = runNft(table.script({ outgoing: true, mac }));
  const made: TableMade = full.ok
    ? { ok: true, weakness: undefined }
    : full.nftMissing
      ? full
      : withoutOutgoing({ table, mac }, full.reason);
  if (made.ok) table.onMade?.();
  return made;
}

function withoutOutgoing({ table, mac }: Pick<GateOptions, 'table' | 'mac'>, reason: string): TableMade {
  const incoming = runNft(table.script({ outgoing: false, mac }));
  if (!incoming.ok) return incoming;
  return { ok: true, weakness: `outgoing packets of the address are not gated (needs Linux 5.16 and nft 1.0.1): ${reason}` };
}
