import type { Server } from 'node:http';
import { macNumber, macText } from '../base/address.ts';
import { isBalancerPayload } from '../core/balancer/wire.ts';
import { DRAIN_GRACE_MS, healthProfiles } from '../core/balancer/timing.ts';
import type { DatapathPlan, Target } from '../core/balancer/plan.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { parseHostPort } from '../core/cluster/values.ts';
import type { Fitness } from '../core/lease/message.ts';
import { isFresh } from '../core/lease/state.ts';
import { timingProfiles } from '../core/lease/timing.ts';
import { randomNonce, readKeyFile } from '../drivers/datagram/keys.ts';
import { openUdp } from '../drivers/datagram/udp.ts';
import { HttpsReadiness } from '../drivers/kubernetes/readiness.ts';
import { ConflictEngine } from '../engine/conflict.ts';
import { type Rejection, SealedDatagram } from '../engine/datagram.ts';
import { HealthEngine } from '../engine/health.ts';
import { type LeaseEvent, LeaseEngine } from '../engine/lease.ts';
import type { Clock } from '../ports/clock.ts';
import type { AgentStatus } from '../ports/control.ts';
import type { Datagram } from '../ports/datagram.ts';
import type { Log } from '../ports/log.ts';
import { HostDatapath } from './datapath.ts';
import { clusterDigest } from './digest.ts';
import type { Guardian } from './guardian/guardian.ts';
import { createMetrics, type Metrics, openMetrics, refreshMetrics, refreshSteered } from './metrics.ts';
import { Ownership } from './ownership.ts';
import type { Self } from './self.ts';
import { Upkeep } from './upkeep.ts';
import { agentStatus, knownHolder } from './status.ts';
import type { Host } from './world.ts';

/** Longest wait for the lease to be handed over at shutdown; after it the lease simply ends. */
const SHUTDOWN_LEASES = 2;
/** Longest wait for the record to be let go of at shutdown; after it the record simply expires. */
const LET_GO_MS = 2000;
const LOG_AGAIN_MS = 60_000;

export interface AgentOptions {
  cluster: Cluster;
  self: Self;
  clock: Clock;
  log: Log;
  host: Host;
  guardian: Guardian;
}

/** The daemon of one control-plane host: election, address, health and datapath, joined. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #metrics: Metrics;
  readonly #names: string[];
  readonly #targets: Target[];
  readonly #rejectionLoggedAt = new Map<Rejection, number>();
  #lease!: LeaseEngine;
  #health!: HealthEngine;
  #conflict!: ConflictEngine;
  /** With an election that hale does not decide alone. */
  #ownership: Ownership | undefined;
  #datapath!: HostDatapath;
  #datagram!: SealedDatagram;
  #metricsServer!: Server;
  #upkeep!: Upkeep;

  private constructor(options: AgentOptions) {
    const { cluster } = options;
    this.#options = options;
    this.#metrics = createMetrics();
    this.#names = cluster.controlPlane.hosts.map((host) => host.name);
    this.#targets = cluster.controlPlane.hosts.map((host) => ({
      name: host.name,
      address: host.addresses[0]?.address as string,
      port: cluster.apiserver.port,
    }));
  }

  /** Opens everything; throws a HaleError, with nothing claimed, when something is missing. */
  static async start(options: AgentOptions): Promise<Agent> {
    const agent = new Agent(options);
    await agent.#open();
    return agent;
  }

  async #open(): Promise<void> {
    const { cluster, self, clock, log, host } = this.#options;
    const keys = readKeyFile(cluster.agent.keyFile);
    const boot = randomNonce();
    const members = this.#names.length;
    const { profile, port, metricsAddress } = cluster.agent;
    const addresses = this.#targets.map((t) => t.address);
    this.#datagram = new SealedDatagram({
      self: self.index,
      addresses,
      packets: await openUdp({ address: addresses[self.index] as string, port }),
      cluster: clusterDigest(cluster),
      boot,
      keys,
      clock,
      randomNonce,
      onRejected: (reason, from) => this.#onRejected(reason, from),
    });
    this.#armGuardian(addresses);
    this.#datapath = await this.#openDatapath();
    this.#lease = new LeaseEngine({
      self: self.index,
      members,
      timing: timingProfiles[profile],
      boot,
      clock,
      datagram: this.#leaseDatagram(),
      endpoint: host.endpoint,
      onEvent: (event) => this.#onLease(event),
      onReleased: () => this.#ownership?.look(),
    });
    this.#health = new HealthEngine({
      targets: this.#targets,
      timing: healthProfiles[profile],
      clock,
      probe: new HttpsReadiness({ caFile: cluster.apiserver.caFile }),
      onChange: (target, health) => {
        log.info({ backend: target.name, state: health.state, reason: health.reason }, 'backend changed');
        this.#applyPlan();
        this.#updateFitness();
      },
    });
    this.#conflict = this.#openConflict();
    this.#ownership = this.#openOwnership();
    const refresh = () => {
      refreshMetrics(this.#metrics, this.status());
      refreshSteered(this.#metrics, this.#datapath.sockets ?? { connections: 0, destroyed: 0 });
    };
    this.#metricsServer = await openMetrics(this.#metrics, {
      ...(parseHostPort(metricsAddress) as { host: string; port: number }),
      refresh,
    });
    this.#updateFitness();
    this.#upkeep = new Upkeep({
      clock,
      log,
      host,
      datapath: this.#datapath,
      lease: () => this.#lease.state,
      onSilent: (member, isStillSilent) => this.#health.suspect(this.#names[member] as string, isStillSilent),
      onLook: () => {
        this.#applyPlan();
        this.#updateFitness();
      },
      onMended: () => this.#metrics.repairs.inc(),
    });
  }

  #openConflict(): ConflictEngine {
    const { cluster, clock, log, host } = this.#options;
    return new ConflictEngine({
      addresses: cluster.endpoint.addresses,
      clock,
      watch: host.neighbors,
      memberMacs: () => this.#memberMacs(),
      announce: () => host.endpoint.announce(),
      onChange: () => this.#updateFitness(),
      onConflict: (claim) => {
        this.#metrics.conflicts.inc();
        log.error(claim, 'another machine claims the address that this host holds');
      },
      onMemberAnswer: (claim) => {
        this.#metrics.conflicts.inc();
        log.error(
          claim,
          'another control-plane host answers for the address too: look there at `hale datapath explain`, and set net.ipv4.conf.all.arp_ignore=1',
        );
      },
    });
  }

  #openOwnership(): Ownership | undefined {
    const { cluster, self, clock, log } = this.#options;
    return Ownership.open({
      cluster,
      self,
      clock,
      log,
      isInvolved: () => this.#isInvolved(),
      onChange: () => this.#updateFitness(),
      onFailed: () => this.#metrics.recordFailures.inc(),
    });
  }

  #openDatapath(): Promise<HostDatapath> {
    const { cluster, self, clock, log, host } = this.#options;
    return HostDatapath.open({
      cluster,
      self: self.index,
      members: this.#names.length,
      plan: this.#plan(),
      clock,
      log,
      host,
      send: (to, payload) => this.#datagram.send(to, payload),
      holder: () => knownHolder(this.#lease.state, clock.now())?.member,
      isAlive: (member) => isFresh(this.#lease.state, member, clock.now()),
      onServing: () => this.#applyPlan(),
      onCrash: (error) => {
        log.error({ error: error.message }, 'the datapath died; this agent ends so that its supervisor starts it anew');
        process.exit(1);
      },
    });
  }

  #applyPlan(): void {
    this.#datapath.apply(this.#plan());
  }

  /** One channel to the members carries two kinds of messages. */
  #leaseDatagram(): Datagram {
    return {
      send: (to, payload) => this.#datagram.send(to, payload),
      onReceive: (handler) =>
        this.#datagram.onReceive((from, payload) => {
          if (!isBalancerPayload(payload)) handler(from, payload);
          else if (this.#datapath.receive(from, payload) === 'malformed') this.#metrics.rejected.inc({ reason: 'malformed' });
        }),
      close: () => this.#datagram.close(),
    };
  }

  /** Before the first lease: whatever happens to this process from then on, somebody knows what to do. */
  #armGuardian(members: readonly string[]): void {
    const { cluster, self, host, guardian } = this.#options;
    const peers = members.flatMap((to, member) => (member === self.index ? [] : [{ to, member }]));
    guardian.arm({
      linkIndex: host.link.index,
      addresses: cluster.endpoint.addresses,
      gate: host.gate,
      leaseMs: timingProfiles[cluster.agent.profile].leaseMs,
      from: members[self.index] as string,
      port: cluster.agent.port,
      lastWords: peers.map(({ to, member }) => ({
        to,
        datagrams: this.#datagram.lastWords(member).map((bytes) => Buffer.from(bytes).toString('base64')),
      })),
    });
  }

  drain(): void {
    this.#options.log.info({}, 'drain');
    this.#lease.drain();
    this.#updateFitness();
  }

  resume(): void {
    this.#options.log.info({}, 'resume');
    this.#lease.resume();
    this.#updateFitness();
  }

  /** Hands the lease over, lets connections end, leaves nothing in the kernel. */
  async shutdown(): Promise<void> {
    const { cluster, clock, log, host, guardian } = this.#options;
    const leaseMs = timingProfiles[cluster.agent.profile].leaseMs;
    const held = this.#isHolding();
    this.#lease.drain();
    const until = clock.now() + SHUTDOWN_LEASES * leaseMs;
    while (this.#isHolding() && clock.now() < until) await new Promise((resolve) => clock.at(clock.now() + 2, () => resolve(undefined)));
    this.#upkeep.stop();
    await this.#ownership?.letGo(clock.now() + LET_GO_MS);
    this.#ownership?.stop();
    if (held) await this.#datapath.carrier.drain(DRAIN_GRACE_MS);
    this.#lease.stop();
    this.#health.stop();
    this.#conflict.stop();
    const withdrawn = host.endpoint.withdraw();
    if (withdrawn.ok) guardian.standDown();
    else log.error({ reason: withdrawn.reason }, 'the address could not be removed at shutdown');
    host.close();
    this.#datagram.close();
    this.#metricsServer.close();
    await this.#datapath.close();
    log.info({}, 'stopped');
  }

  #isHolding(): boolean {
    const { name } = this.#lease.state.role;
    return name === 'holder' || name === 'withdrawing';
  }

  /** Holding, or about to: what is in the kernel belongs to that. */
  #isInvolved(): boolean {
    return this.#isHolding() || this.#lease.state.role.name === 'succeeding';
  }

  #plan(): DatapathPlan {
    const { endpoint } = this.#options.cluster;
    return {
      self: this.#options.self.index,
      frontends: endpoint.addresses.map((address) => ({ address, port: endpoint.port })),
      backends: this.#targets.map((target, member) => ({
        ...target,
        state: this.#health?.of(target.name).state ?? 'unknown',
        mac: this.#macOf(member),
      })),
    };
  }

  /** The grace time of a hand-over is over: what has not ended by itself is reset, and the address leaves this host. */
  async #endGrace(): Promise<void> {
    if (this.#isInvolved()) return;
    await this.#datapath.carrier.resetConnections();
    if (this.#isInvolved()) return;
    const withdrawn = this.#options.host.endpoint.withdraw();
    if (!withdrawn.ok) this.#options.log.error({ reason: withdrawn.reason }, 'the address could not be removed');
  }

  /** Counts all, and says once a minute for each reason that it happens: a wrong key on one host must not go unnoticed, nor fill the log. */
  #onRejected(reason: Rejection, from: string): void {
    this.#metrics.rejected.inc({ reason });
    const now = this.#options.clock.now();
    if (now - (this.#rejectionLoggedAt.get(reason) ?? Number.NEGATIVE_INFINITY) < LOG_AGAIN_MS) return;
    this.#rejectionLoggedAt.set(reason, now);
    // A peer's new run is unknown until it has answered a challenge: that is how every restart looks.
    const level = reason === 'unknown-session' ? 'debug' : 'warn';
    this.#options.log[level]({ reason, from }, 'datagrams are rejected; more of this kind in the next minute are only counted');
  }

  #onLease(event: LeaseEvent): void {
    const { clock, log } = this.#options;
    switch (event.kind) {
      case 'became-holder':
        this.#metrics.takeovers.inc();
        log.info(
          { term: event.term, after: event.predecessor === undefined ? null : this.#names[event.predecessor] },
          'holding the address',
        );
        this.#datapath.hold({ handedOver: event.handedOver });
        return this.#conflict.setHolding({ now: true });
      case 'lost':
        this.#metrics.losses.inc({ reason: event.reason });
        log.info({ term: event.term, reason: event.reason }, 'no longer holding the address');
        this.#conflict.setHolding({ now: false });
        this.#datapath.release();
        if (event.reason === 'handed-over') clock.at(clock.now() + DRAIN_GRACE_MS, () => void this.#endGrace());
        else void this.#datapath.carrier.resetConnections();
        return;
      case 'malformed':
        this.#metrics.rejected.inc({ reason: 'malformed' });
        return;
      default:
        this.#metrics.effectFailures.inc({ effect: event.kind });
        log.error({ reason: event.reason }, event.kind === 'hold-failed' ? 'cannot hold the address' : 'cannot withdraw the address');
    }
  }

  /** Two levels: whether this host may stand at all, and whether it reaches a ready API server. Its own API server plays no special part. */
  #updateFitness(): void {
    const ready = this.#targets.reduce((mask, t, i) => (this.#health.of(t.name).state === 'ready' ? mask | (1 << i) : mask), 0);
    const conflicted = this.#conflict?.occupant !== undefined;
    this.#ownership?.update({ willing: !conflicted, ready, lease: this.#lease.state });
    const unable = conflicted || this.#ownership?.mayHold === false;
    const fitness: Fitness = unable ? 'unable' : ready === 0 ? 'poor' : 'good';
    this.#lease.setFitness({ fitness, readyBackends: ready, mac: macNumber(this.#options.host.mac) });
  }

  /** As its own agent says; before that, as this machine knew it. */
  #macOf(member: number): string | undefined {
    const { host, self } = this.#options;
    if (member === self.index) return host.mac;
    const told = this.#lease?.state.peers[member]?.heartbeat?.mac ?? 0;
    return told === 0 ? host.stations[member] : macText(told);
  }

  *#memberMacs(): Iterable<string> {
    yield this.#options.host.mac;
    for (const { heartbeat } of this.#lease.state.peers) if (heartbeat !== undefined) yield macText(heartbeat.mac);
  }

  #occupied(): string | undefined {
    const occupant = this.#conflict.occupant;
    if (occupant === undefined) return undefined;
    if (occupant === 'unchecked') return 'still asking the link whether another machine has the address';
    return `${occupant.address} is answered for by ${occupant.mac}, which is not a member of this cluster`;
  }

  status(): AgentStatus {
    const { cluster, self, clock, host, guardian } = this.#options;
    return agentStatus({
      cluster,
      self,
      host,
      now: clock.now(),
      lease: this.#lease.state,
      health: (name) => this.#health.of(name),
      conflict: this.#occupied(),
      record: this.#ownership?.status(),
      unfit: this.#occupied() ?? this.#ownership?.unfit(),
      connections: this.#datapath.carrier.connections(),
      steeredTo: this.#datapath.sockets?.chosen ?? null,
      guarded: guardian.guarded,
    });
  }
}
