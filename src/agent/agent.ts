import type { Server } from 'node:http';
import { macNumber } from '../base/address.ts';
import { DRAIN_GRACE_MS, healthProfiles } from '../core/balancer/timing.ts';
import type { DatapathPlan } from '../core/balancer/plan.ts';
import { decidedByLease } from '../core/cluster/holders.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { parseHostPort } from '../core/cluster/values.ts';
import type { Fitness } from '../core/lease/message.ts';
import { isFresh } from '../core/lease/state.ts';
import { timingProfiles } from '../core/lease/timing.ts';
import { randomNonce } from '../drivers/datagram/keys.ts';
import { HttpsReadiness } from '../drivers/kubernetes/readiness.ts';
import { leave } from '../drivers/linux/leave.ts';
import type { ConflictEngine } from '../engine/conflict.ts';
import { HealthEngine } from '../engine/health.ts';
import { LeaseEngine } from '../engine/lease.ts';
import type { Clock } from '../ports/clock.ts';
import type { AgentStatus } from '../ports/control.ts';
import type { Log } from '../ports/log.ts';
import type { NeighborWatch } from '../ports/neighbors.ts';
import { Channel } from './channel.ts';
import type { Claim } from './claim.ts';
import { openClaim } from './open-claim.ts';
import { HostDatapath } from './datapath.ts';
import type { Guardian } from './guardian/guardian.ts';
import type { Resignation } from './guardian/will.ts';
import { Members } from './members.ts';
import { createMetrics, type Metrics, openMetrics, refreshMetrics, refreshSteered } from './metrics.ts';
import { occupied, watchOccupancy } from './occupancy.ts';
import { Ownership } from './ownership.ts';
import type { Self } from './self.ts';
import { SnapshotSchedule, type SnapshotScheduleOptions } from './snapshots.ts';
import { Tenure } from './tenure.ts';
import { Upkeep } from './upkeep.ts';
import { agentStatus, knownHolder } from './status.ts';
import type { Host } from './world.ts';

/** Longest wait for the lease to be handed over at shutdown; after it the lease simply ends. */
const SHUTDOWN_LEASES = 2;
/** Longest wait for the record to be let go of at shutdown; after it the record simply expires. */
const LET_GO_MS = 2000;

export interface AgentOptions {
  cluster: Cluster;
  self: Self;
  clock: Clock;
  log: Log;
  host: Host;
  guardian: Guardian;
  takeSnapshot: SnapshotScheduleOptions['take'];
}

/** The daemon of one control-plane host: election, address, health and datapath, joined. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #metrics: Metrics;
  readonly #members: Members;
  #channel!: Channel;
  #datapath!: HostDatapath;
  #lease!: LeaseEngine;
  #tenure!: Tenure;
  #health!: HealthEngine;
  /** Undefined where others may have the address too. */
  #conflict: ConflictEngine | undefined;
  /** Where something else decides than the quorum lease. */
  #claim: Claim | undefined;
  /** With an election that hale does not decide alone. */
  #ownership: Ownership | undefined;
  #metricsServer!: Server;
  #upkeep!: Upkeep;
  /** Where the description has a schedule. */
  #snapshots: SnapshotSchedule | undefined;

  private constructor(options: AgentOptions) {
    this.#options = options;
    this.#metrics = createMetrics();
    this.#members = new Members(options);
  }

  /** Opens everything; throws a HaleError, with nothing claimed, when something is missing. */
  static async start(options: AgentOptions): Promise<Agent> {
    const agent = new Agent(options);
    await agent.#open();
    return agent;
  }

  async #open(): Promise<void> {
    const { cluster, self, clock, log, host } = this.#options;
    const [metrics, members, boot] = [this.#metrics, this.#members, randomNonce()];
    this.#channel = await Channel.open({ cluster, members, self: self.index, boot, clock, log, metrics });
    // Routers hear of the end of a process by themselves.
    if (cluster.advertise === 'arp') this.#armGuardian();
    this.#datapath = await this.#openDatapath();
    this.#openLease(boot);
    this.#health = this.#openHealth();
    this.#claim = openClaim({
      ...this.#options,
      tenure: this.#tenure,
      members,
      lease: () => this.#lease.state,
      metrics,
      arm: (words) => this.#armGuardian(words),
    });
    // With VRRP another router may have the address, and with routes every host has it.
    if (this.#claim === undefined && host.neighbors !== undefined) this.#conflict = this.#watchOccupancy(host.neighbors);
    this.#ownership = Ownership.open({
      cluster,
      self,
      clock,
      log,
      isInvolved: () => this.#tenure.isInvolved,
      onChange: () => this.#updateFitness(),
      onFailed: () => metrics.recordFailures.inc(),
    });
    this.#metricsServer = await this.#openMetrics();
    this.#updateFitness();
    this.#upkeep = this.#openUpkeep();
    const { takeSnapshot: take } = this.#options;
    if (cluster.etcd.snapshots.everyMinutes !== undefined) this.#snapshots = new SnapshotSchedule({ clock, log, metrics, take });
  }

  #watchOccupancy(watch: NeighborWatch): ConflictEngine {
    const { cluster, clock, log, host } = this.#options;
    return watchOccupancy({
      addresses: cluster.endpoint.addresses,
      clock,
      log,
      host,
      watch,
      metrics: this.#metrics,
      memberMacs: () => this.#members.macs(this.#lease.state),
      onChange: () => this.#updateFitness(),
    });
  }

  /** Before the first lease: whatever happens to this process from then on, somebody knows what to do. */
  #armGuardian(resignations: readonly Resignation[] = []): void {
    const { cluster, self, host, guardian } = this.#options;
    guardian.arm({
      linkIndex: host.link.index,
      addresses: cluster.endpoint.addresses,
      gate: host.gate,
      leaseMs: timingProfiles[cluster.agent.profile].leaseMs,
      from: this.#members.addresses[self.index] as string,
      port: cluster.agent.port,
      lastWords: this.#channel.lastWords(),
      resignations,
    });
  }

  #openDatapath(): Promise<HostDatapath> {
    const { cluster, self, clock, log, host } = this.#options;
    return HostDatapath.open({
      cluster,
      self: self.index,
      members: this.#members.names.length,
      plan: this.#plan(),
      clock,
      log,
      host,
      send: (to, payload) => this.#channel.send(to, payload),
      holder: () => (this.#claim === undefined ? knownHolder(this.#lease.state, clock.now())?.member : this.#claim.holder()),
      isAlive: (member) => isFresh(this.#lease.state, member, clock.now()),
      onServing: () => this.#applyPlan(),
      onCrash: (error) => {
        log.error({ error: error.message }, 'the datapath died; this agent ends so that its supervisor starts it anew');
        leave(1);
      },
    });
  }

  #openLease(boot: number): void {
    const { cluster, self, clock, log, host } = this.#options;
    this.#tenure = new Tenure({
      names: this.#members.names,
      clock,
      log,
      host,
      metrics: this.#metrics,
      datapath: this.#datapath,
      lease: () => this.#lease.state,
      claim: () => this.#claim,
      conflict: () => this.#conflict,
    });
    this.#lease = new LeaseEngine({
      self: self.index,
      members: this.#members.names.length,
      timing: timingProfiles[cluster.agent.profile],
      boot,
      stands: decidedByLease(cluster),
      clock,
      datagram: this.#channel.forLease((from, payload) => this.#datapath.receive(from, payload)),
      endpoint: host.endpoint,
      onEvent: (event) => {
        this.#tenure.onLease(event);
        this.#snapshots?.setHolding(this.#tenure.isHolding);
      },
      onReleased: () => this.#ownership?.look(),
    });
  }

  #openHealth(): HealthEngine {
    const { cluster, clock, log } = this.#options;
    return new HealthEngine({
      targets: this.#members.targets,
      timing: healthProfiles[cluster.agent.profile],
      clock,
      probe: new HttpsReadiness({ caFile: cluster.apiserver.caFile }),
      onChange: (target, health) => {
        log.info({ backend: target.name, state: health.state, reason: health.reason }, 'backend changed');
        this.#look();
      },
    });
  }

  #openMetrics(): Promise<Server> {
    const refresh = () => {
      refreshMetrics(this.#metrics, this.status());
      refreshSteered(this.#metrics, this.#datapath.sockets ?? { connections: 0, destroyed: 0 });
    };
    const { host, port } = parseHostPort(this.#options.cluster.agent.metricsAddress) as { host: string; port: number };
    return openMetrics(this.#metrics, { host, port, refresh });
  }

  #openUpkeep(): Upkeep {
    const { clock, log, host } = this.#options;
    return new Upkeep({
      clock,
      log,
      host,
      datapath: this.#datapath,
      lease: () => this.#lease.state,
      onSilent: (member, isStillSilent) => this.#health.suspect(this.#members.names[member] as string, isStillSilent),
      onLook: () => this.#look(),
      onMended: () => this.#metrics.repairs.inc(),
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
    const held = this.#tenure.isHolding;
    this.#lease.drain();
    await this.#claim?.stop();
    const until = clock.now() + SHUTDOWN_LEASES * leaseMs;
    while (this.#tenure.isHolding && clock.now() < until)
      await new Promise((resolve) => clock.at(clock.now() + 2, () => resolve(undefined)));
    this.#upkeep.stop();
    this.#snapshots?.stop();
    await this.#ownership?.letGo(clock.now() + LET_GO_MS);
    this.#ownership?.stop();
    if (held) await this.#datapath.carrier.drain(DRAIN_GRACE_MS);
    this.#lease.stop();
    this.#health.stop();
    if (this.#conflict === undefined) host.neighbors?.close();
    else this.#conflict.stop();
    const withdrawn = host.endpoint.withdraw();
    if (withdrawn.ok) guardian.standDown();
    else log.error({ reason: withdrawn.reason }, 'the address could not be removed at shutdown');
    host.close();
    this.#channel.close();
    this.#metricsServer.close();
    await this.#datapath.close();
    log.info({}, 'stopped');
  }

  /** What is known of the world may have changed. */
  #look(): void {
    this.#applyPlan();
    this.#updateFitness();
  }

  #applyPlan(): void {
    this.#datapath.apply(this.#plan());
  }

  /** Made for the first time before anything is known of API servers and members. */
  #plan(): DatapathPlan {
    const { endpoint } = this.#options.cluster;
    return {
      self: this.#options.self.index,
      frontends: endpoint.addresses.map((address) => ({ address, port: endpoint.port })),
      backends: this.#members.targets.map((target, member) => ({
        ...target,
        state: this.#health?.of(target.name).state ?? 'unknown',
        mac: this.#members.macOf(member, this.#lease?.state),
      })),
    };
  }

  /** Two levels: whether this host may stand at all, and whether it reaches a ready API server. Its own API server plays no special part. */
  #updateFitness(): void {
    const { targets } = this.#members;
    const ready = targets.reduce((mask, t, i) => (this.#health.of(t.name).state === 'ready' ? mask | (1 << i) : mask), 0);
    const conflicted = this.#conflict?.occupant !== undefined;
    this.#ownership?.update({ willing: !conflicted, ready, lease: this.#lease.state });
    const unable = conflicted || this.#ownership?.mayHold === false;
    const fitness: Fitness = unable ? 'unable' : ready === 0 ? 'poor' : 'good';
    this.#lease.setFitness({ fitness, readyBackends: ready, mac: macNumber(this.#options.host.mac) });
    this.#claim?.update({ fitness, draining: this.#lease.state.draining });
    // A router may have the address, or every host: then the first of the members that are heard takes snapshots.
    if (this.#claim !== undefined) this.#snapshots?.setHolding(this.#isFirst);
  }

  get #isFirst(): boolean {
    const { clock, self } = this.#options;
    return !this.#members.names.some((_, member) => member < self.index && isFresh(this.#lease.state, member, clock.now()));
  }

  status(): AgentStatus {
    const { cluster, self, clock, host, guardian } = this.#options;
    const conflict = this.#conflict && occupied(this.#conflict);
    return agentStatus({
      cluster,
      self,
      host,
      now: clock.now(),
      lease: this.#lease.state,
      health: (name) => this.#health.of(name),
      conflict,
      record: this.#ownership?.status(),
      claim: this.#claim,
      unfit: conflict ?? this.#ownership?.unfit(),
      connections: this.#datapath.carrier.connections(),
      steeredTo: this.#datapath.sockets?.chosen ?? null,
      guarded: guardian.guarded || cluster.advertise !== 'arp',
    });
  }
}
