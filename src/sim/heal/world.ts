import { createRandom, type Random } from '../../base/random.ts';
import { conditionOf, type NodeFacts } from '../../core/heal/facts.ts';
import { OUT_OF_SERVICE, REMEDY } from '../../core/heal/record.ts';
import { SimulatedRecord } from '../election.ts';
import { Schedule } from '../schedule.ts';
import { SimHealAgent } from './agent.ts';
import { daemonPod, SimControlPlane, type Workload } from './control-plane.ts';
import { SimEtcd } from './etcd.ts';
import { Faults } from './faults.ts';
import { SimHealHost } from './host.ts';
import { HealMonitor } from './monitor.ts';
import { People } from './people.ts';
import type { HealScenario } from './scenario.ts';
import { ApiStore } from './store.ts';

const CONTROL_PLANES = 3;

export function controlPlaneNames(): string[] {
  return Array.from({ length: CONTROL_PLANES }, (_, i) => `cp${i + 1}`);
}

export function workerNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `w${i + 1}`);
}

/** Zones go round. */
export function zoneAt(index: number, zones: number): string {
  return `zone-${index % zones}`;
}

/** Hosts, the API with its controllers, and three processes of which one heals. */
export class HealWorld {
  readonly scenario: HealScenario;
  readonly schedule = new Schedule();
  readonly random: Random;
  readonly store = new ApiStore();
  readonly hosts = new Map<string, SimHealHost>();
  readonly etcd: SimEtcd;
  readonly monitor: HealMonitor;
  readonly faults: Faults;
  readonly people: People;
  readonly controlPlane: SimControlPlane;
  readonly agents: SimHealAgent[];
  readonly #onTrace: (line: string) => void;
  #isUnsettled = false;

  constructor(scenario: HealScenario, onTrace: (line: string) => void = () => undefined) {
    this.scenario = scenario;
    this.#onTrace = onTrace;
    const { schedule, store, hosts } = this;
    this.random = createRandom(scenario.seed);
    this.faults = new Faults(this);
    const controlPlanes = controlPlaneNames();
    for (const [i, name] of [...controlPlanes, ...workerNames(scenario.workers)].entries())
      this.#addHost(name, zoneAt(i, scenario.zones), i < CONTROL_PLANES);
    this.etcd = new SimEtcd(controlPlanes.map((name) => hosts.get(name) as SimHealHost));
    const { etcd } = this;
    const onStrike = (agent: SimHealAgent, call: Parameters<Faults['strike']>[1]) => this.faults.strike(agent, call);
    this.monitor = new HealMonitor({ schedule, scenario, store, etcd, hosts, onTrace: (line) => this.trace(line), onStrike });
    this.people = new People({ store, monitor: this.monitor, now: () => schedule.now });
    this.controlPlane = new SimControlPlane({
      schedule,
      random: this.random,
      store,
      apiAnswers: () => this.apiAnswers,
      workloads: workloadsOf(scenario),
    });
    store.listen('pods', ({ item, before }) => this.#tellKubelets(item.node, before?.node, item));
    for (const name of hosts.keys()) store.putPod(daemonPod(name));
    const record = new SimulatedRecord();
    this.agents = controlPlanes.map((name) => this.#agent(name, record));
    for (const agent of this.agents) schedule.plan(this.random.between(0, 2000), () => agent.start());
  }

  get apiAnswers(): boolean {
    return this.faults.isApiDown === 0 && this.etcd.hasQuorum;
  }

  trace(line: string): void {
    this.#onTrace(`${(this.schedule.now / 1000).toFixed(1).padStart(9)} ${line}`);
  }

  /** Goes on until then, with everything that waits for an answer. */
  async runUntil(until: number): Promise<void> {
    const { schedule } = this;
    while (schedule.nextAt <= until) {
      schedule.runUntil(schedule.nextAt);
      if (this.#isUnsettled) await this.#settle();
    }
    schedule.runUntil(until);
  }

  /** What is left of remedies, or was not brought back; empty when all is as it was. */
  leftovers(): string[] {
    return [...this.store.nodes.values()].flatMap((node) => {
      const left = [
        ...(this.hosts.get(node.name)?.up === true ? [] : ['is down']),
        ...(conditionOf(node, 'Ready')?.status === 'True' ? [] : ['is not ready']),
        ...(node.unschedulable ? ['is cordoned'] : []),
        ...(node.annotations[REMEDY] === undefined ? [] : [`is under a remedy: ${node.annotations[REMEDY]}`]),
        ...(node.taints.some(({ key }) => key === OUT_OF_SERVICE.key) ? ['is out of service'] : []),
      ];
      return left.length === 0 ? [] : [`${node.name} ${left.join(', ')}`];
    });
  }

  /** Promises are settled one layer after the other; no call goes through as many as this. */
  async #settle(): Promise<void> {
    while (this.#isUnsettled) {
      this.#isUnsettled = false;
      for (let layer = 0; layer < 30; layer++) await undefined;
    }
  }

  #addHost(name: string, zone: string, isControlPlane: boolean): void {
    const { schedule, random, store } = this;
    const host = new SimHealHost(
      name,
      { zone, isControlPlane },
      {
        schedule,
        random,
        store,
        apiAnswers: () => this.apiAnswers,
        onContainer: (at, pod) => this.monitor.onContainer(at, pod),
        onPower: (at) => this.#onPower(at),
      },
    );
    this.hosts.set(name, host);
    store.putNode(newNode(host));
  }

  #onPower(host: SimHealHost): void {
    const { schedule, random } = this;
    this.trace(`${host.name} is ${host.up ? 'up' : 'down'}`);
    const agent = this.agents.find(({ name }) => name === host.name);
    if (agent === undefined) return;
    if (!host.up) agent.kill();
    else schedule.plan(schedule.now + random.between(5000, 20_000), () => agent.start());
    if (!this.apiAnswers) for (const other of this.agents) other.breakWatches(random.between(0, 5000));
  }

  #tellKubelets(node: string, before: string | undefined, pod: Parameters<SimHealHost['hears']>[0]): void {
    this.hosts.get(node)?.hears(pod);
    if (before !== undefined && before !== node) this.hosts.get(before)?.hears(pod);
  }

  #agent(name: string, record: SimulatedRecord): SimHealAgent {
    const { schedule, random, store, etcd, scenario, faults, monitor } = this;
    return new SimHealAgent(name, {
      schedule,
      random,
      store,
      etcd,
      record,
      hostOf: (host) => this.hosts.get(host) as SimHealHost,
      config: { policy: scenario.policy, rules: scenario.rules, dryRun: false },
      hasPower: scenario.hasPower,
      apiAnswers: () => this.apiAnswers,
      isApiSlow: () => faults.isApiSlow > 0,
      pausedBy: () => (faults.paused > 0 ? 'a person' : undefined),
      bmcAnswers: (host) => (faults.deafBmcs.get(host.name) ?? 0) === 0,
      onSettled: () => void (this.#isUnsettled = true),
      heard: monitor,
    });
  }
}

function newNode({ name, zone, isControlPlane, bootId }: SimHealHost): Omit<NodeFacts, 'version'> {
  const role = isControlPlane ? { 'node-role.kubernetes.io/control-plane': '' } : {};
  return {
    name,
    uid: `node-${name}`,
    labels: { 'topology.kubernetes.io/zone': zone, ...role },
    annotations: {},
    unschedulable: false,
    taints: [],
    conditions: [{ type: 'Ready', status: 'True', reason: '', message: '', changedAtMs: 0 }],
    bootId,
    internalIp: null,
  };
}

/** About four Pods for each worker, of Deployments and StatefulSets, most of them under a budget. */
function workloadsOf({ workers, hasTightBudgets }: HealScenario): Workload[] {
  const count = Math.max(2, Math.round(workers / 2));
  return Array.from({ length: count }, (_, i): Workload => {
    const replicas = 3 + (i % 4);
    const minAvailable = i % 5 === 4 ? undefined : hasTightBudgets ? replicas : replicas - 1 - (i % 2);
    return { kind: i % 3 === 2 ? 'StatefulSet' : 'Deployment', name: `app${i}`, replicas, minAvailable };
  });
}
