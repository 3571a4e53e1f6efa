/** The datapath of this host, with what members tell each other of clients' connections and of steering. */
import type { Flow } from '../core/balancer/flow.ts';
import type { BackendState } from '../core/balancer/health.ts';
import type { DatapathPlan } from '../core/balancer/plan.ts';
import type { Masks } from '../core/balancer/steering.ts';
import { DRAIN_GRACE_MS } from '../core/balancer/timing.ts';
import { decodeBalancerMessage, encodeBalancerMessage } from '../core/balancer/wire.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { endAll, forgetEnded } from '../drivers/linux/ended.ts';
import { localFlows } from '../drivers/linux/local-flows.ts';
import { openClientProd } from '../drivers/linux/prod.ts';
import { openSockDiag } from '../drivers/linux/sock-diag.ts';
import type { SocketSteering } from '../drivers/linux/socket/steering.ts';
import { FlowEngine } from '../engine/flows.ts';
import type { SteeringEngine } from '../engine/steering.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Datapath } from '../ports/datapath.ts';
import type { ClientProd, FlowSource } from '../ports/flows.ts';
import type { Log } from '../ports/log.ts';
import { type Carrier, openCarrier } from './carrier.ts';
import { steerSockets } from './socket-steering.ts';
import type { Host } from './world.ts';

/** How often a host says how it steers, or whom it follows, and so that it serves what is steered to it. */
const TELL_MS = 1000;
/** A member that is heard, but not of this, serves nothing: it uses another datapath. */
const TOLD_MS = 3 * TELL_MS;
/** After a hand-over, connections under way have had their time with the host that had the address before. */
const AFTER_GRACE_MS = DRAIN_GRACE_MS + 500;

export interface HostDatapathOptions {
  cluster: Cluster;
  self: number;
  members: number;
  plan: DatapathPlan;
  clock: Clock;
  log: Log;
  host: Host;
  send: (to: number, payload: Uint8Array) => void;
  /** Who holds the address, as far as this host knows. */
  holder: () => number | undefined;
  /** Whether a member has been heard of late. */
  isAlive: (member: number) => boolean;
  /** A member serves, or does not any more: worth a new plan. */
  onServing: () => void;
  /** The datapath cannot go on. */
  onCrash: (error: Error) => void;
}

export class HostDatapath {
  readonly #options: HostDatapathOptions;
  readonly #datapath: Datapath;
  readonly #steering: SteeringEngine | undefined;
  readonly #planFor: (plan: DatapathPlan) => DatapathPlan;
  readonly #flows: FlowEngine;
  readonly #prod: ClientProd;
  /** For processes of this host. */
  readonly #sockets: SocketSteering | undefined;
  readonly #diag = openSockDiag();
  /** When a member last said how it steers. */
  readonly #toldAt: number[];
  #states: BackendState[] = [];
  readonly #heard = new Set<number>();
  /** What ended at members when their backends died last. */
  readonly #lost = new Map<number, readonly Flow[]>();
  #holding = false;
  #telling: Timer | undefined;
  #toTell: Timer | undefined;

  private constructor(options: HostDatapathOptions, carrier: Carrier) {
    const { cluster, self, members, clock, log, send, plan } = options;
    const { frontends } = plan;
    this.#options = options;
    this.#datapath = carrier.datapath;
    this.#steering = carrier.steering;
    this.#planFor = carrier.planFor ?? ((same) => same);
    this.#toldAt = Array.from({ length: members }, () => Number.NEGATIVE_INFINITY);
    this.#prod = openClientProd({ frontends, clock });
    const sockets = steerSockets({ cluster, self, log });
    if (sockets.ok) this.#sockets = sockets.steering;
    else log.info({ reason: sockets.reason }, 'connections of processes on this host go to the address like those of others');
    const source: FlowSource = carrier.flows ?? localFlows({ diag: this.#diag, frontends });
    this.#flows = new FlowEngine({
      self,
      members,
      clock,
      log,
      send,
      source,
      onChange: (member, delta) => this.#steering?.flowsChanged(member, delta),
    });
    if (this.#steering !== undefined) this.#tell();
  }

  /** Throws a HaleError when the datapath cannot be had. */
  static async open(options: HostDatapathOptions): Promise<HostDatapath> {
    const opened: { datapath?: HostDatapath } = {};
    const carrier = await openCarrier({
      ...options,
      flowsOf: (member) => opened.datapath?.flowsOf(member) ?? [],
      tell: () => opened.datapath?.tell(),
      tellClients: (flows) => opened.datapath?.tellClients(flows),
    });
    opened.datapath = new HostDatapath(options, carrier);
    return opened.datapath;
  }

  get carrier(): Datapath {
    return this.#datapath;
  }

  /** Mends what somebody else took out of the kernel; what that was, in words. */
  reconcile(): string[] {
    return [...this.#datapath.reconcile(), ...(this.#sockets?.reconcile() ?? [])];
  }

  /** Where connections of processes on this host go; null while they go to the address like those of others. */
  get sockets(): { chosen: string[]; connections: number; destroyed: number } | null {
    const sockets = this.#sockets;
    if (sockets === undefined || sockets.problem() !== undefined) return null;
    return { chosen: sockets.chosen(), connections: sockets.connections(), destroyed: sockets.destroyed() };
  }

  flowsOf(member: number) {
    return this.#flows.flowsOf(member);
  }

  /** How the backends are by now; `macs` as their hosts tell them. */
  apply(plan: DatapathPlan): void {
    this.#datapath.apply(
      this.#planFor({ ...plan, backends: plan.backends.map((backend, i) => ({ ...backend, serves: this.#serves(i) })) }),
    );
    this.#sockets?.apply(plan);
    const died = plan.backends.flatMap(({ state }, i) => (state === 'dead' && this.#states[i] !== 'dead' ? [i] : []));
    this.#states = plan.backends.map(({ state }) => state);
    if (this.#steering !== undefined) for (const member of died) this.#bury(member);
  }

  /** With dsr: its connections are gone, and a client may use the port of one again. */
  #bury(member: number): void {
    const flows = this.#flows.flowsOf(member);
    this.#toldAt[member] = Number.NEGATIVE_INFINITY;
    this.#lost.set(member, flows);
    this.#flows.forget(member);
    if (this.#holding) this.tellClients(flows);
    // Their answers can be steered to here.
    else void this.#forgetEnded(flows);
  }

  /** `handedOver`: the host that held it before serves its connections for a while. */
  hold({ handedOver }: { handedOver: boolean }): void {
    this.#holding = true;
    this.#steering?.setHolding({ now: true });
    const { clock } = this.#options;
    // Not before the address is announced, which follows: clients would answer to the host that is gone, and not again for 500 ms.
    // Where every host has the address, those of other hosts go on.
    if (this.#options.cluster.advertise !== 'arp' && this.#steering === undefined) return;
    const delayMs = this.#steering === undefined && handedOver ? AFTER_GRACE_MS : 0;
    this.#toTell = clock.at(clock.now() + delayMs, () => this.tellClients(this.#lostFlows()));
  }

  release(): void {
    this.#holding = false;
    this.#steering?.setHolding({ now: false });
    this.#toTell?.cancel();
  }

  /** A message of another member that is not about the lease. */
  receive(from: number, payload: Uint8Array): 'malformed' | undefined {
    const decoded = decodeBalancerMessage(payload);
    if (!decoded.ok) return 'malformed';
    const { message } = decoded;
    // It has only now taken this run for true, or comes back and may not know yet who holds: what was said passed it by. No answer to an answer.
    const missed = !this.#heard.has(from) || this.#states[from] === 'dead';
    if (missed && message.kind !== 'table') this.#tellTo(from);
    this.#heard.add(from);
    if (message.kind !== 'table') this.#flows.receive(from, message);
    else {
      const served = this.#serves(from);
      this.#toldAt[from] = this.#options.clock.now();
      if (!served) this.#options.onServing();
      if (from === this.#options.holder()) this.#follow(message);
    }
    return undefined;
  }

  #follow(holders: Masks & { dead: number }): void {
    this.#steering?.follow(holders);
    const { self, plan, log } = this.#options;
    if (this.#steering === undefined || (holders.dead & (1 << self)) === 0) return;
    // The holder has led the clients of this host elsewhere; one that uses its port again must not meet what is left of its old connection.
    void endAll({ diag: this.#diag, frontends: plan.frontends }).then((ended) => {
      if (!ended.ok) log.warn({ reason: ended.reason }, 'connections that the holder gave up could not be ended');
    });
  }

  /** Says at once how this host steers. */
  tell(): void {
    const { self, members } = this.#options;
    for (let member = 0; member < members; member++) if (member !== self) this.#tellTo(member);
  }

  #tellTo(member: number): void {
    if (this.#steering === undefined) return;
    const { masks, dead } = this.#steering;
    this.#options.send(member, encodeBalancerMessage({ kind: 'table', ...masks, dead }));
  }

  async close(): Promise<void> {
    this.#telling?.cancel();
    this.#toTell?.cancel();
    this.#flows.stop();
    this.#prod.close();
    this.#diag.close();
    this.#sockets?.close();
    await this.#datapath.close();
  }

  /** Connections that are lost: with dsr those on hosts that died; otherwise those where the address was, and nobody is there any more. */
  #lostFlows(): readonly Flow[] {
    const { members, self } = this.#options;
    const all = Array.from({ length: members }, (_, member) => member);
    if (this.#steering === undefined) return all.flatMap((member) => (member === self ? [] : this.#flows.flowsOf(member)));
    return all.flatMap((member) => (this.#states[member] === 'dead' ? (this.#lost.get(member) ?? []) : []));
  }

  /** What a host said holds while its agent is away, until its API server was dead: after a boot the address is not there yet. */
  #serves(member: number): boolean {
    const { clock, isAlive, self } = this.#options;
    const toldAt = this.#toldAt[member] as number;
    if (member === self) return true;
    return toldAt !== Number.NEGATIVE_INFINITY && (clock.now() - toldAt < TOLD_MS || !isAlive(member));
  }

  #tell(): void {
    const { clock } = this.#options;
    this.tell();
    this.#telling = clock.at(clock.now() + TELL_MS, () => this.#tell());
  }

  /** A client that waits would not find out for minutes that its connection is gone. */
  tellClients(flows: readonly Flow[]): void {
    if (flows.length > 0) void this.#forgetEnded(flows).then(() => this.#prodClients(flows));
  }

  async #forgetEnded(flows: readonly Flow[]): Promise<void> {
    if (flows.length === 0) return;
    const { log, plan } = this.#options;
    const forgotten = await forgetEnded({ diag: this.#diag, frontends: plan.frontends, flows });
    if (!forgotten.ok) log.warn({ reason: forgotten.reason }, 'connections in TIME-WAIT stay, and may keep clients waiting');
  }

  #prodClients(flows: readonly Flow[]): void {
    const { log } = this.#options;
    const told = this.#prod.prod(flows);
    if (told.ok) log.info({ connections: flows.length }, 'clients are told that their connections are gone');
    else log.warn({ connections: flows.length, reason: told.reason }, 'clients cannot be told that their connections are gone');
  }
}
