import { familyOf } from '../../../base/address.ts';
import { type Flow, flowKey } from '../../../core/balancer/flow.ts';
import type { DatapathPlan } from '../../../core/balancer/plan.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Datapath } from '../../../ports/datapath.ts';
import type { Effect } from '../../../ports/effect.ts';
import type { FlowSource } from '../../../ports/flows.ts';
import type { Log } from '../../../ports/log.ts';
import { NETLINK_NETFILTER, type Netlink, openNetlink } from '../netlink.ts';
import { runNft } from '../nft-program.ts';
import { openSockDiag, type SockDiag } from '../sock-diag.ts';
import { deleteServer, deleteService, type End, type IpvsRequest, setServer } from './codec.ts';
import { type IpvsConnection, ipvsFlows, readConnections } from './connections.ts';
import { type Difference, differenceOf, isSame, nameOf, type WeightedServer, weightedServers } from './desired.ts';
import { DELETE_MASQUERADE, masqueradeRuleCount, masqueradeRules } from './masquerade.ts';
import { RemovalWatch } from './removal-watch.ts';
import { mendSettings } from './settings.ts';
import { checkFrontends, takeOver } from './take-over.ts';
import type { IpvsTable } from './table.ts';

/** How often it is looked whether connections have ended. */
const LOOK_MS = 20;
/** Longest wait for the kernel to forget the connections of a removed real server; it begins a tick after the removal. */
const FORGET_MS = 1000;

export interface IpvsOptions {
  clock: Clock;
  log: Log;
  /**
   * Told of the clients of a removed real server once the kernel has forgotten their connections: what these send from then on is answered with
   * a reset, but a client that only waits sends nothing.
   */
  onCut: (cut: { frontend: End; clients: Flow[] }) => void;
}

/**
 * The `ipvs` datapath: on every host a virtual server at each frontend, whose real servers are the backends. On the holder it carries whatever
 * is sent to the address, on other hosts what their own processes send to it. The destination is rewritten to an address at
 * which no host has a virtual server, so packets cannot go round in circles, whichever hosts have the rules. The address has to be on `lo` of every
 * host (dsr/serving.ts): a packet that a host's own process sends has its way by then, and comes to its own API server only if that way is local.
 */
export class IpvsDatapath implements Datapath {
  /** Connections end on no socket of this host, so who is connected is read elsewhere. */
  readonly flows: FlowSource;
  readonly #options: IpvsOptions;
  readonly #table: IpvsTable;
  readonly #restoreSettings: () => Effect;
  readonly #netfilter: Netlink = openNetlink(NETLINK_NETFILTER);
  readonly #sockets: SockDiag = openSockDiag();
  readonly #removals: RemovalWatch;
  #plan: DatapathPlan;
  /** `drained`: no new connections. `cleared`: no real servers, while the kernel forgets. */
  #mode: 'serving' | 'drained' | 'cleared' | 'closed' = 'serving';

  private constructor(plan: DatapathPlan, parts: { options: IpvsOptions; table: IpvsTable; restoreSettings: () => Effect }) {
    this.flows = ipvsFlows(plan.frontends);
    this.#plan = plan;
    this.#options = parts.options;
    this.#table = parts.table;
    this.#restoreSettings = parts.restoreSettings;
    this.#removals = new RemovalWatch(parts.options.clock);
  }

  /**
   * Takes over what an earlier run has left, connections included. Needs CAP_NET_ADMIN, and CAP_SYS_MODULE unless IPVS is loaded; runs `nft`
   * twice. Throws HaleError `ipvs_unavailable`, `ipvs_setting_refused`, `ipvs_masquerade_refused`, `ipvs_needs_forwarding`,
   * `ipvs_no_backend_of_family`, `netlink_unavailable`.
   */
  static open(plan: DatapathPlan, options: IpvsOptions): IpvsDatapath {
    checkFrontends(plan);
    const datapath = new IpvsDatapath(plan, { options, ...takeOver(plan.frontends) });
    datapath.#bringAbout();
    return datapath;
  }

  apply(plan: DatapathPlan): void {
    this.#plan = plan;
    this.#bringAbout();
  }

  /** Connections through this host end at both ends. Those of its own processes are reset; outside nobody would believe a host that lost the address. */
  async resetConnections(): Promise<void> {
    if (this.#mode === 'closed') return;
    const after = this.#mode === 'cleared' ? 'serving' : this.#mode;
    this.#mode = 'cleared';
    for (const frontend of this.#plan.frontends) {
      this.#carryOut(this.#difference(frontend).surplus.map((server) => deleteServer(frontend, server)));
    }
    await this.#untilForgotten((connection) => this.#plan.frontends.some((frontend) => isSame(frontend, connection.frontend)));
    if (this.#isClosed()) return;
    this.#resetOwnClients();
    this.#mode = after;
    this.#bringAbout();
  }

  async drain(graceMs: number): Promise<void> {
    this.#mode = 'drained';
    this.#bringAbout();
    const until = this.#options.clock.now() + graceMs;
    while (this.connections() > 0 && this.#options.clock.now() < until) await this.#pause();
    await this.resetConnections();
  }

  /** Never: IPVS does not tell. Probes do. */
  onRefused(): void {}

  connections(): number {
    if (this.#isClosed()) return 0;
    return this.#plan.frontends.flatMap((frontend) => this.#servers(frontend)).reduce((sum, { active }) => sum + active, 0);
  }

  reconcile(): string[] {
    const mended = mendSettings();
    if (masqueradeRuleCount(this.#netfilter) !== this.#plan.frontends.length) {
      const made = runNft(masqueradeRules(this.#plan.frontends));
      mended.push(
        made.ok ? 'the masquerading of connections through IPVS was missing' : `masquerading is missing and cannot be had: ${made.reason}`,
      );
    }
    const found = this.#bringAbout();
    return [...mended, ...found.map((words) => this.#removals.explain(words))];
  }

  close(): Promise<void> {
    this.#mode = 'closed';
    this.#carryOut(this.#plan.frontends.map(deleteService));
    const { log } = this.#options;
    const deleted = runNft(DELETE_MASQUERADE);
    if (!deleted.ok) log.error({ reason: deleted.reason }, 'masquerading not removed');
    const remaining = this.#table.services();
    // Whoever has virtual servers besides may have found the parameters as needed, and would not set them again.
    const restored = Array.isArray(remaining) && remaining.length > 0 ? undefined : this.#restoreSettings();
    if (restored?.ok === false) log.warn({ reason: restored.reason }, 'kernel parameter not restored');
    for (const open of [this.#table, this.#netfilter, this.#sockets]) open.close();
    return Promise.resolve();
  }

  /** Makes the kernel's table what it has to be; returns what was not so, in words. */
  #bringAbout(): string[] {
    if (this.#mode === 'closed') return [];
    return this.#plan.frontends.flatMap((frontend) => {
      const { changes, surplus } = this.#difference(frontend);
      this.#carryOut(changes.map(({ request }) => request));
      for (const server of surplus) void this.#remove(frontend, server);
      return [...changes.map(({ found }) => found), ...surplus.map((server) => `real server ${nameOf(server)} was too many`)];
    });
  }

  #wanted(frontend: End): WeightedServer[] {
    if (this.#mode === 'cleared') return [];
    const servers = weightedServers(this.#plan, frontend);
    return this.#mode === 'drained' ? servers.map((server) => ({ ...server, weight: 0 })) : servers;
  }

  #difference(frontend: End): Difference {
    const services = this.#table.services();
    if (!Array.isArray(services)) {
      this.#options.log.error({ reason: services.reason }, 'virtual servers cannot be read');
      return { changes: [], surplus: [] };
    }
    const service = services.find((other) => isSame(other, frontend));
    return differenceOf(frontend, this.#wanted(frontend), { service, servers: service === undefined ? [] : this.#servers(frontend) });
  }

  #servers(frontend: End) {
    const servers = this.#table.servers(frontend);
    return Array.isArray(servers) ? servers : [];
  }

  /** Its connections are known only until it is gone. While they are read, new ones go elsewhere. */
  async #remove(frontend: End, server: WeightedServer): Promise<void> {
    if (server.weight > 0) this.#carryOut([setServer(frontend, { ...server, weight: 0 })]);
    const belongs = (connection: IpvsConnection) => isSame(connection.frontend, frontend) && isSame(connection.server, server);
    const cut = await readConnections(belongs);
    const isWanted = this.#wanted(frontend).some((other) => isSame(other, server));
    if (this.#isClosed() || isWanted) return;
    this.#carryOut([deleteServer(frontend, server)]);
    if (cut.length === 0) return;
    await this.#untilForgotten(belongs);
    // A list that changes while it is read may tell something twice.
    const clients = new Map(cut.map(({ client }) => [flowKey(client), client]));
    this.#options.onCut({ frontend, clients: [...clients.values()] });
  }

  /** The kernel forgets their connections with all others, and one that waits would not find out. */
  #resetOwnClients(): void {
    for (const frontend of this.#plan.frontends) {
      const family = familyOf(frontend.address) === 'IPv4' ? 4 : 6;
      for (const slice of this.#sockets.slices({ family, remote: frontend, established: true })) {
        for (const socket of slice) this.#sockets.destroy(socket);
      }
    }
  }

  async #untilForgotten(belongs: (connection: IpvsConnection) => boolean): Promise<void> {
    const until = this.#options.clock.now() + FORGET_MS;
    do await this.#pause();
    while (this.#options.clock.now() < until && (await readConnections(belongs)).length > 0);
  }

  #pause(): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => clock.at(clock.now() + LOOK_MS, () => resolve()));
  }

  #isClosed(): boolean {
    return this.#mode === 'closed';
  }

  #carryOut(requests: readonly IpvsRequest[]): void {
    const answer = this.#table.change(requests);
    if (!answer.ok) this.#options.log.error({ reason: answer.reason }, 'virtual servers cannot be changed');
  }
}
