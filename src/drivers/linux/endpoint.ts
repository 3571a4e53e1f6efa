/** The shared address on a Linux interface: the gate before it, the address itself, and the announcements. */
import { familyOf } from '../../base/address.ts';
import { solicitedNode } from '../../core/neighbor/ndp.ts';
import type { Clock } from '../../ports/clock.ts';
import { done, type Effect } from '../../ports/effect.ts';
import type { EndpointAddress } from '../../ports/endpoint.ts';
import type { Log } from '../../ports/log.ts';
import { openAddresses } from './addresses.ts';
import { type Deadline, type DeadlineOpened, openDeadline } from './deadline.ts';
import { type GateInstalled, type GateTable, installGate } from './gate.ts';
import type { Link } from './links.ts';
import { passingTable } from './ruleset.ts';
import { joinGroup } from './multicast.ts';
import { overrideSysctl } from './sysctl.ts';

/** The kernel removes the address this long after the lease, so that a crash leaves no orphan; renewed once a second, as every write is broadcast to listeners. */
const ORPHAN_LIFETIME_MS = 3000;
const REFRESH_MS = 1000;

export interface EndpointOptions {
  link: Link;
  /** One or two: at most one of each family. */
  addresses: readonly string[];
  neighbors: { announce(address: string): Effect };
  clock: Clock;
  log: Log;
  /** How long connections under way may go on with the host that handed over. */
  graceMs: number;
  /** False where routers lead clients here, true without it: then the address is on no interface that neighbours ask, and the gate alone opens. */
  onLink?: boolean;
  /** What the gate opens and closes; without it, a table for connections that end on this host. */
  table?: GateTable;
  /** With direct server return: whose frames this host serves from the first moment on. Connections go on after `close`, and with them the gate. */
  members?: readonly Uint8Array[];
}

export interface LinuxEndpoint extends EndpointAddress {
  /**
   * True when the kernel closes the address at the lease's end by itself. Otherwise only the lifetime of the address does, whole
   * seconds and up to half a second late.
   */
  readonly enforced: boolean;
  /** What the kernel does not enforce here, in words, and why; undefined when it enforces all. */
  readonly weakness: string | undefined;
  /** The eBPF lock in front of the gate; undefined where there is none. */
  readonly deadline: Deadline | undefined;
  /** Mends what somebody else changed in the kernel, or what does not fit the interface's MAC any more; what that was, in words. */
  reconcile(mac: string): string[];
  /** Withdraws, and takes the gate down unless others hold the address for connections that end here. */
  close(): Effect;
}

/** Closes the gate and removes an address that an earlier process left behind. Throws HaleError `netlink_unavailable`. */
export function openEndpoint(options: EndpointOptions): LinuxEndpoint {
  const { link, addresses: shared, neighbors, clock, log, graceMs, members, onLink = true } = options;
  const table = options.table ?? passingTable({ interfaceName: link.name, addresses: shared });
  const addresses = openAddresses();
  const locked = openDeadline({ linkIndex: link.index, addresses: shared, ...(members && { members }) });
  const deadline = locked.ok ? locked.deadline : undefined;
  const installed = installGate({ table, mac: link.mac, addresses: shared, clock, deadline });
  // Without the table there would be no hand-over.
  if (!installed.ok) deadline?.close();
  const gate = installed.ok ? installed.gate : undefined;
  const enforced = installed.ok;
  const onEach = (act: (address: string) => Effect): Effect => firstFailure(shared.map(act));
  let refreshAt = Number.NEGATIVE_INFINITY;

  const removeAddresses = (): Effect => {
    refreshAt = Number.NEGATIVE_INFINITY;
    return onEach((address) => addresses.remove({ linkIndex: link.index, address }));
  };
  const withdraw = (): Effect => firstFailure([gate?.close() ?? done, removeAddresses()]);
  const putAddresses = (untilMs: number): Effect => {
    if (!onLink) return done;
    const now = clock.now();
    if (enforced && now < refreshAt) return done;
    refreshAt = now + REFRESH_MS;
    const lifetimeMs = untilMs - now + (enforced ? ORPHAN_LIFETIME_MS : 0);
    const validLftS = Math.max(1, Math.floor(lifetimeMs / 1000));
    return onEach((address) => addresses.add({ linkIndex: link.index, address, validLftS }));
  };

  const undoPreparation = onLink ? prepareLink({ link, addresses: shared, log }) : () => {};
  const left = withdraw();
  if (!left.ok) log.error({ interface: link.name, reason: left.reason }, 'leftover of an earlier run not removed');
  return {
    enforced,
    deadline,
    reconcile: (mac) => gate?.reconcile(mac) ?? [],
    weakness: weaknessOf(installed, locked),
    hold(untilMs) {
      if (clock.now() >= untilMs) return { ok: false, reason: 'the lease has ended' };
      // The gate first: an address that is there before its lease would be answered for.
      const opened = gate?.open(untilMs) ?? done;
      if (!opened.ok) return opened;
      const put = putAddresses(untilMs);
      if (!put.ok) withdraw();
      return put;
    },
    withdraw,
    yieldTo(successorMac) {
      const yielded = gate?.yieldTo(successorMac, graceMs);
      return yielded?.ok ? yielded : withdraw();
    },
    prepare({ predecessorMac, untilMs }) {
      if (gate === undefined) return done;
      const inherited = gate.inherit(predecessorMac, Math.ceil(untilMs - clock.now()) + graceMs);
      return inherited.ok ? putAddresses(untilMs) : inherited;
    },
    announce() {
      if (!onLink) return;
      const said = onEach((address) => neighbors.announce(address));
      if (!said.ok) log.warn({ interface: link.name, reason: said.reason }, 'announcement not sent');
    },
    close() {
      const stays = table.kind === 'steering';
      const closed = firstFailure([withdraw(), (stays ? gate?.leave() : gate?.remove()) ?? done]);
      addresses.close();
      if (!stays) undoPreparation();
      return closed;
    },
  };
}

/** Which promise is weaker here than where the kernel offers everything, by how much, and why. */
function weaknessOf(gate: GateInstalled, deadline: DeadlineOpened): string | undefined {
  if (!gate.ok) return `the lease is not enforced by the kernel: ${gate.reason}`;
  const outgoing = gate.weakness && `${gate.weakness}${deadline.ok ? ', except that nothing leaves after the lease or the hand-over' : ''}`;
  const frozen = deadline.ok
    ? undefined
    : 'the kernel counts the lease from the moment of a write and without suspended time, so after a suspension this host may answer for ' +
      `what was left of its lease, and after a freeze in the midst of a renewal until the agent goes on: no eBPF deadline: ${deadline.reason}`;
  return [outgoing, frozen].filter((words) => words !== undefined).join('; ') || undefined;
}

function firstFailure(effects: readonly Effect[]): Effect {
  return effects.find((effect) => !effect.ok) ?? done;
}

/** What the interface needs for as long as this host may answer for the address; the returned function undoes it. */
function prepareLink({ link, addresses, log }: Pick<EndpointOptions, 'link' | 'addresses' | 'log'>): () => void {
  // The kernel joins the solicited-node group some time after the address is added, and switches learn of it later still, so it is joined now.
  const groups = addresses
    .filter((address) => familyOf(address) === 'IPv6')
    .map((address) => joinGroup({ link, group: solicitedNode(address) }));
  for (const group of groups) {
    if (!group.ok) log.warn({ interface: link.name, reason: group.reason }, 'solicitations may go unheard at first after a takeover');
  }
  // Asking for a client's MAC must not happen in the address's name, which the gate may still forbid (Documentation/networking/ip-sysctl.rst).
  const announce = overrideSysctl(`net/ipv4/conf/${link.name}/arp_announce`, '2');
  if (!announce.ok) log.warn({ reason: announce.reason }, 'a hand-over may cost a new connection a second');
  return () => {
    const restored = announce.ok ? announce.restore() : done;
    // With the interface gone there is nothing to restore.
    if (!restored.ok) log.debug({ reason: restored.reason }, 'kernel parameter not restored');
    for (const group of groups) if (group.ok) group.leave();
  };
}
