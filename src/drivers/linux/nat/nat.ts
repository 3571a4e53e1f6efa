import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../../../base/error.ts';
import type { Flow } from '../../../core/balancer/flow.ts';
import { type DatapathPlan, preferred } from '../../../core/balancer/plan.ts';
import type { Datapath } from '../../../ports/datapath.ts';
import { done, type Effect } from '../../../ports/effect.ts';
import type { FlowSource } from '../../../ports/flows.ts';
import type { Log } from '../../../ports/log.ts';
import { type Conntrack, openConntrack, type TrackedConnection } from '../conntrack.ts';
import * as libc from '../libc.ts';
import { type Netlink, NETLINK_NETFILTER, openNetlink } from '../netlink.ts';
import { runNft } from '../nft-program.ts';
import { addElements, deleteTable, flushSet, NFPROTO_INET, transaction } from '../nft-sets.ts';
import { readTable } from '../nft-table.ts';
import { openSockDiag } from '../sock-diag.ts';
import { type Forwarding, forwardingOf } from './forwarding.ts';
import { NAT_CHAINS, NAT_MAPS, NAT_TABLE, natRuleset, type NatRules, SLOTS, slotElement, versionOf } from './ruleset.ts';

const PARTS = { family: NFPROTO_INET, table: NAT_TABLE, chains: NAT_CHAINS, sets: NAT_MAPS };
/** Each look searches the kernel's whole table. */
const DRAIN_CHECK_MS = 100;
/** A search looks at all of conntrack, in a thread of the pool, and at every connection to the address on this one; so much of the time it may take. */
const SEARCH_MS = 500;
const SEARCH_SHARE = 0.1;
const LOOSE = '/proc/sys/net/netfilter/nf_conntrack_tcp_loose';

type Slots = NatRules['slots'];
type Backend = DatapathPlan['backends'][number];

export interface NatOptions {
  /** Where packets of clients and answers of backends come in. */
  interfaceNames: readonly string[];
  masquerade: boolean;
  log: Log;
  /** The kernel has forgotten these clients of a backend that died: whatever they send now is answered with a reset. */
  onForgotten: (clients: readonly Flow[]) => void;
}

/**
 * The `nat` datapath: nftables gives each connection to the address a backend, and conntrack translates its packets. All of it is in the
 * kernel, so connections go on while the agent is restarted.
 *
 * The kernel forgets the connections of a dead backend, so that the client's next segment is taken for the beginning of a connection,
 * meets a backend that does not know it, and is answered with a reset.
 */
export class NatDatapath implements Datapath, FlowSource {
  readonly #options: NatOptions;
  readonly #netfilter: Netlink;
  readonly #conntrack: Conntrack;
  readonly #forwarding: Forwarding;
  #plan: DatapathPlan;
  /** The table as it was read back after the last change of ours. */
  #written: string | undefined;
  #isDraining = false;
  #flows: readonly Flow[] = [];
  /** When the next search is due. */
  #searchAt = 0;

  private constructor(plan: DatapathPlan, options: NatOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#netfilter = openNetlink(NETLINK_NETFILTER);
    this.#conntrack = openConntrack();
    this.#forwarding = forwardingOf(options.interfaceNames, new Set(plan.frontends.map(({ address }) => versionOf(address))));
  }

  /**
   * Makes the table; that of an earlier run is replaced at one instant and keeps its connections. The frontends stay those of this plan.
   * Throws HaleError `nat_refused`.
   */
  static open(plan: DatapathPlan, options: NatOptions): NatDatapath {
    const nat = new NatDatapath(plan, options);
    const made = nat.#makeTable();
    if (!made.ok) {
      nat.#release();
      throw new HaleError({
        code: 'nat_refused',
        kind: 'world',
        message: `datapath nat: ${made.reason}`,
        remedy: 'Install nftables 1.0.6 or later, on Linux 5.2 or later with nf_nat; a container needs CAP_NET_ADMIN and host networking.',
      });
    }
    nat.#allowForwarding();
    if (existsSync(LOOSE) && readFileSync(LOOSE, 'utf8').trim() === '0') {
      options.log.info(
        {},
        'net.netfilter.nf_conntrack_tcp_loose is 0: clients of a dead backend are reset by the kernel of this host, if no firewall drops their packets as invalid',
      );
    }
    // Of backends that died while no agent looked.
    nat.#forgetDead(plan.backends);
    return nat;
  }

  apply(plan: DatapathPlan): void {
    const before = this.#plan;
    this.#plan = plan;
    const slots = this.#slots();
    if (!sameSlots(slots, slotsOf(before))) this.#writeSlots(slots);
    const wasServing = (backend: Backend) => before.backends.some((b) => b.name === backend.name && b.state !== 'dead');
    const gone = before.backends.filter((b) => !plan.backends.some((still) => still.address === b.address && still.port === b.port));
    this.#forgetDead([...plan.backends.filter(wasServing), ...gone.map((backend) => ({ ...backend, state: 'dead' as const }))]);
  }

  /** As of the last search; begins another one when it is time. */
  *list(): Generator<readonly Flow[], Effect, void> {
    if (performance.now() >= this.#searchAt) void this.count();
    yield this.#flows;
    return done;
  }

  /** Searches for the connections that are under way; `list` and `connections` tell of them from then on. */
  async count(): Promise<number> {
    const flows: Flow[] = [];
    const startedAt = performance.now();
    this.#searchAt = Number.POSITIVE_INFINITY;
    await this.#search((found) => {
      // Of this host itself come connections from the address to the address: they end with the host, and no other could reach them.
      flows.push(
        ...found.filter(({ connected, client, asked }) => connected && client.address !== asked.address).map(({ client }) => client),
      );
    });
    this.#flows = flows;
    const now = performance.now();
    this.#searchAt = now + Math.max(SEARCH_MS, (now - startedAt) / SEARCH_SHARE);
    return flows.length;
  }

  async resetConnections(): Promise<void> {
    await this.#forget(() => true);
    this.#flows = [];
  }

  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    this.#writeSlots(this.#slots());
    const until = performance.now() + graceMs;
    while (performance.now() < until && (await this.count()) > 0)
      await sleep(Math.min(DRAIN_CHECK_MS, Math.max(0, until - performance.now())));
    await this.resetConnections();
  }

  /** The kernel tells nobody who refused. */
  onRefused(): void {}

  /** Of clients elsewhere, as of the last search. */
  connections(): number {
    return this.#flows.length;
  }

  reconcile(): string[] {
    const mended: string[] = [];
    const now = readTable(this.#netfilter, PARTS);
    if (now !== this.#written) {
      const made = this.#makeTable();
      const what = `somebody else ${now === undefined ? 'deleted the nftables table' : 'changed the nftables table'} inet ${NAT_TABLE}${now === undefined ? ' or parts of it' : ''}`;
      if (made.ok) mended.push(`${what}: made anew`);
      else this.#options.log.error({ reason: made.reason }, `${what}, and cannot be made anew`);
    }
    const { set, failed } = this.#forwarding.ensure();
    mended.push(...set.map((line) => `set ${line}, without which nothing is passed on`));
    for (const reason of failed) this.#options.log.error({ reason }, 'packets are not passed on');
    // A connection that began just when its backend was taken out may have been missed then.
    this.#forgetDead(this.#plan.backends);
    return mended;
  }

  async close(): Promise<void> {
    const removed = transaction(this.#netfilter, [deleteTable(NAT_TABLE, NFPROTO_INET)]);
    if (!removed.ok && removed.errno !== libc.ENOENT)
      this.#options.log.error({ reason: removed.reason }, 'the table of the datapath nat stays');
    const restored = this.#forwarding.restore();
    if (!restored.ok) this.#options.log.debug({ reason: restored.reason }, 'kernel parameter not restored');
    await this.resetConnections();
    this.#release();
  }

  #release(): void {
    this.#netfilter.close();
    this.#conntrack.close();
  }

  #allowForwarding(): void {
    const { set, failed } = this.#forwarding.ensure();
    for (const setting of set) this.#options.log.info({ setting }, 'set for the datapath nat, until it is closed');
    for (const reason of failed) this.#options.log.error({ reason }, 'packets are not passed on');
  }

  #slots(): Slots {
    return this.#isDraining ? { 4: [], 6: [] } : slotsOf(this.#plan);
  }

  #makeTable() {
    const { frontends, backends, self } = this.#plan;
    const own = backends.filter(({ name }) => name === backends[self]?.name).map(({ address }) => address);
    const made = runNft(natRuleset({ frontends, own, masquerade: this.#options.masquerade, slots: this.#slots() }));
    if (made.ok) this.#written = readTable(this.#netfilter, PARTS);
    return made;
  }

  /** All slots at one instant. */
  #writeSlots(slots: Slots): void {
    const messages = ([4, 6] as const).flatMap((version) => {
      const map = { family: NFPROTO_INET, table: NAT_TABLE, set: `backends${version}` };
      const elements = slots[version].map((backend, slot) => slotElement(slot, backend));
      return [flushSet(map), ...(elements.length > 0 ? [addElements(map, elements)] : [])];
    });
    const answer = transaction(this.#netfilter, messages);
    if (answer.ok) {
      this.#written = readTable(this.#netfilter, PARTS);
      return;
    }
    // Somebody deleted the table.
    const made = this.#makeTable();
    if (made.ok) this.#options.log.warn({ reason: answer.reason }, `the nftables table inet ${NAT_TABLE} was made anew`);
    else this.#options.log.error({ reason: made.reason }, 'new connections still go where they went before');
  }

  #forgetDead(backends: readonly Backend[]): void {
    const dead = backends.filter(({ state }) => state === 'dead');
    if (dead.length === 0) return;
    // The search takes a while, in which one may have come back and have new connections.
    const isBack = ({ address, port }: Backend) =>
      this.#plan.backends.some((now) => now.address === address && now.port === port && now.state !== 'dead');
    const isDead = ({ server }: TrackedConnection) =>
      dead.some((backend) => server.address === backend.address && server.port === backend.port && !isBack(backend));
    void this.#forget(isDead).then((clients) => {
      if (clients.length > 0) this.#options.onForgotten(clients);
    });
  }

  /** The kernel forgets the connections; those of this host's own processes are ended, because nobody could answer them from outside. The clients elsewhere. */
  async #forget(isMeant: (connection: TrackedConnection) => boolean): Promise<Flow[]> {
    const clients: Flow[] = [];
    const local = new Set<number>();
    await this.#search((found) => {
      const meant = found.filter(isMeant);
      const forgotten = this.#conntrack.forget(meant);
      if (!forgotten.ok) this.#options.log.error({ reason: forgotten.reason }, 'connections to a backend that is gone may hang');
      for (const { client, asked } of meant) {
        if (client.address === asked.address) local.add(client.port);
        else clients.push(client);
      }
    });
    if (local.size > 0) this.#endLocal(local);
    return clients;
  }

  /** Sockets of this host that are connected to the address and have it as their own too, as those of its holder. */
  #endLocal(ports: ReadonlySet<number>): void {
    const sockets = openSockDiag();
    for (const remote of this.#plan.frontends) {
      const filter = { family: versionOf(remote.address), local: { address: remote.address }, remote, established: true } as const;
      for (const slice of sockets.slices(filter)) for (const socket of slice) if (ports.has(socket.local.port)) sockets.destroy(socket);
    }
    sockets.close();
  }

  async #search(onSlice: (found: TrackedConnection[]) => void): Promise<void> {
    for (const frontend of this.#plan.frontends) {
      const searched = await this.#conntrack.find(frontend, onSlice);
      if (!searched.ok) this.#options.log.error({ reason: searched.reason }, 'the connections of the datapath nat are not known');
    }
  }
}

/** The backends that new connections go to, turn by turn; none for a family that no backend has. */
function slotsOf({ backends }: DatapathPlan): Slots {
  const spread = (version: 4 | 6) => {
    const chosen = preferred(backends.filter(({ address }) => versionOf(address) === version));
    return chosen.length === 0 ? [] : Array.from({ length: SLOTS }, (_, slot) => chosen[slot % chosen.length] as Backend);
  };
  return { 4: spread(4), 6: spread(6) };
}

function sameSlots(left: Slots, right: Slots): boolean {
  const same = (a: Slots[4], b: Slots[4]) =>
    a.length === b.length && a.every((one, i) => one.address === b[i]?.address && one.port === b[i].port);
  return same(left[4], right[4]) && same(left[6], right[6]);
}
