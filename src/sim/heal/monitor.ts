import { conditionOf, isControlPlane, type NodeFacts, type PodFacts, podKey, zoneOf } from '../../core/heal/facts.ts';
import { isBusy } from '../../core/heal/brakes.ts';
import { countOf } from '../../core/heal/policy.ts';
import { HISTORY, OUT_OF_SERVICE, type RemedyRecord, remedyOf } from '../../core/heal/record.ts';
import type { HealNews } from '../../engine/heal/controller.ts';
import type { Schedule } from '../schedule.ts';
import type { AgentEars, HostCall, SimHealAgent } from './agent.ts';
import type { ApiCall } from './api.ts';
import type { SimEtcd } from './etcd.ts';
import type { SimHealHost } from './host.ts';
import type { HealScenario } from './scenario.ts';
import type { ApiStore } from './store.ts';

export const HEAL_VIOLATIONS = [
  /** More nodes under a remedy than `limits.atOnce`: what the limit is for is that a mistake costs that many nodes and no more, whichever controllers make it. */
  'at-once',
  'zone',
  'hourly',
  /** Two control-plane hosts under a remedy at the same time: the second may be the one that etcd cannot do without. */
  'control-plane',
  /** A control-plane host was stopped though etcd had no majority without it, and had not for longer than a look at it lasts. */
  'quorum',
  /** Harm was done though fewer than half of the nodes were well: then it is not the nodes that are broken. */
  'half',
  /** Harm was done though the controller had long known that it is paused. */
  'paused',
  /** The taint gives up Pods and volumes: on a host that runs, both would be used twice. */
  'fence',
  /** A Pod was deleted by force on a host that is on: nobody ends what runs there. */
  'delete-running',
  /** A Pod of a StatefulSet runs on two hosts: what fencing is for. */
  'twice',
  /** An eviction took one more than the budget allows, or a host was stopped with Pods under a budget that were to be drained before. */
  'budget',
  /** A node was touched that a person or another controller had long been working on. */
  'foreign',
  /** A remedy began though the signal it names was not true for that long, or a host was stopped that had long been well again. */
  'healthy',
  /** A remedy replaced another one that was under way. */
  'clobber',
  /** A controller did a step again that it had done, within one remedy, and active all the time: a host would be rebooted twice. */
  'twice-done',
  /** When all is well again, something is left of a remedy, or a host that could be brought back was not. */
  'liveness',
] as const;
export type HealViolationKind = (typeof HEAL_VIOLATIONS)[number];

export interface HealViolation {
  kind: HealViolationKind;
  atMs: number;
  text: string;
}

export interface MonitorOptions {
  schedule: Schedule;
  scenario: HealScenario;
  store: ApiStore;
  etcd: SimEtcd;
  hosts: ReadonlyMap<string, SimHealHost>;
  onTrace: (line: string) => void;
  /** Of a harmful call, or one that takes back, before it is sent. */
  onStrike: (agent: SimHealAgent, call: ApiCall | HostCall) => void;
}

const HOUR_MS = 3_600_000;
/** Clocks of controllers differ by so much, and times in annotations are whole seconds. */
const CLOCKS_MS = 2500;
/** A call that was decided on before, through the reads in front of it. */
const IN_FLIGHT_MS = 35_000;
/** A look at etcd may be so old, and the order to the power so slow. */
const ETCD_MS = 45_000;
/** What a watch may hide until its break is noticed, and the news that come late. */
const HIDDEN_MS = 20_000;
/** A kubelet that was not heard for so long is not well, for anybody who looks. */
const HEARD_MS = 25_000;
/** A call and the news before it may take so long. */
const CALL_MS = 10_000;
/** A decision and its view of the nodes may be so old. */
const LOOK_MS = 6000;
const OF_A_KIND_MAX = 3;

/** Looks at the truth, which no controller sees, and says where what was done was wrong. */
export class HealMonitor implements AgentEars {
  readonly violations: HealViolation[] = [];
  remedies = 0;
  takeovers = 0;
  readonly #options: MonitorOptions;
  readonly #begun: number[] = [];
  /** Since when somebody else works on the node. */
  readonly foreignSince = new Map<string, number>();
  readonly #conditionSince = new Map<string, number>();
  readonly #unbearableSince = new Map<string, number>();
  readonly #done = new Set<string>();
  readonly #wellSince = new Map<string, number>();
  readonly #lastSilenceMs = new Map<string, number>();
  #halfSince: number | undefined;

  constructor(options: MonitorOptions) {
    this.#options = options;
    options.store.listen('heartbeats', ({ item, before }) => {
      this.#lastSilenceMs.set(item.node, item.renewedAtMs - (before?.renewedAtMs ?? item.renewedAtMs));
    });
    options.store.listen('nodes', ({ item, before }) => this.#onNode(item, before));
    const { schedule } = options;
    const sample = () => {
      schedule.plan(schedule.now + 1000, sample);
      this.#sample();
    };
    schedule.plan(0, sample);
  }

  add(kind: HealViolationKind, text: string): void {
    if (this.violations.filter((known) => known.kind === kind).length >= OF_A_KIND_MAX) return;
    this.violations.push({ kind, atMs: this.#options.schedule.now, text });
    this.#trace(`VIOLATION ${kind}: ${text}`);
  }

  onActive({ name }: SimHealAgent, { active }: { active: boolean }): void {
    if (active) this.takeovers += 1;
    this.#trace(`${name} is ${active ? '' : 'no longer '}active`);
  }

  onNews(agent: SimHealAgent, news: HealNews): void {
    if (news.kind === 'tell') {
      const { verdict } = news;
      const detail = 'text' in verdict ? verdict.text : 'why' in verdict ? verdict.why : '';
      return this.#trace(`${agent.name} says of ${verdict.node}: ${verdict.kind}${'step' in verdict ? ` ${verdict.step}` : ''} ${detail}`);
    }
    if (news.kind === 'taken-back') return this.#trace(`${agent.name} took back ${news.output.node.name}: ${news.problem ?? 'done'}`);
    const { result, output } = news;
    this.#trace(`${agent.name} ${output.step} at ${output.node.name}: ${result.kind}${'reason' in result ? ` (${result.reason})` : ''}`);
    if (result.kind === 'done') this.#onDone(agent, output);
  }

  asked(agent: SimHealAgent, call: ApiCall | HostCall): void {
    this.#options.onStrike(agent, call);
    const harm = harmOf(call);
    // One that was frozen, and knows nothing of it yet: such a change names a version, and comes too late.
    if (harm === undefined || (call.kind === 'change' && !agent.owns)) return;
    const { schedule, scenario } = this.#options;
    const { now } = schedule;
    const flightMs = harm === 'begin' || harm === 'evict' ? LOOK_MS : IN_FLIGHT_MS;
    if (agent.paused.by !== undefined && now - agent.paused.at > flightMs)
      this.add('paused', `${agent.name}: ${callText(call)}, paused since ${now - agent.paused.at} ms`);
    const { healthyPercentMin } = scenario.policy.limits;
    if (this.#halfSince !== undefined && now - this.#halfSince > flightMs && !this.#areEnoughWell())
      this.add(
        'half',
        `${agent.name}: ${callText(call)} with fewer than ${healthyPercentMin} % of the nodes well for ${now - this.#halfSince} ms`,
      );
  }

  did(agent: SimHealAgent, call: ApiCall, before: NodeFacts | PodFacts): void {
    if (call.kind === 'read') return;
    if (call.kind === 'change') return this.#onChange(agent, call);
    const pod = before as PodFacts;
    const host = this.#options.hosts.get(pod.node);
    if (call.kind === 'evict') this.#onEviction(pod);
    else if (call.graceSeconds === 0 && host?.power === 'on')
      this.add('delete-running', `${agent.name} deleted Pod ${podKey(pod)} by force, and ${host.name} is on`);
    this.#checkForeign(pod.node, `${call.kind} of ${podKey(pod)}`);
  }

  stops(agent: SimHealAgent, what: 'power-off' | 'reboot', host: SimHealHost): void {
    const { schedule, store } = this.#options;
    this.#trace(`${host.name} ${what}, ordered by ${agent.name}`);
    const since = this.#unbearableSince.get(host.name);
    if (host.up && since !== undefined && schedule.now - since > ETCD_MS)
      this.add('quorum', `${agent.name}: ${what} of ${host.name}, without which etcd has no majority since ${schedule.now - since} ms`);
    this.#checkForeign(host.name, what);
    const wellMs = schedule.now - (this.#wellSince.get(host.name) ?? schedule.now);
    const { recoverySeconds } = this.#options.scenario.policy;
    if (wellMs > recoverySeconds * 1000 + HIDDEN_MS + IN_FLIGHT_MS + HEARD_MS)
      this.add('healthy', `${what} of ${host.name}, which has been well for ${wellMs} ms`);
    const record = remedyOf(store.nodes.get(host.name) as NodeFacts);
    if (record?.steps.slice(0, record.step).includes('drain') && this.#options.scenario.policy.drain.atDeadline === 'stop')
      this.#checkDrained(host, what);
  }

  /** A container begins to run on a host. */
  onContainer(host: SimHealHost, pod: PodFacts): void {
    if (pod.owner?.kind !== 'StatefulSet') return;
    for (const other of this.#options.hosts.values()) {
      if (other === host) continue;
      for (const running of other.containers.values())
        if (running.name === pod.name)
          this.add('twice', `Pod ${podKey(pod)} begins to run on ${host.name}, and still runs on ${other.name}`);
    }
  }

  onCondition({ host, type, isOn }: { host: string; type: string; isOn: boolean }): void {
    const key = `${host} ${type}`;
    if (!isOn) this.#conditionSince.delete(key);
    else if (!this.#conditionSince.has(key)) this.#conditionSince.set(key, this.#options.schedule.now);
  }

  #trace(line: string): void {
    this.#options.onTrace(line);
  }

  #sample(): void {
    const { schedule, etcd, hosts } = this.#options;
    const { now } = schedule;
    this.#halfSince = this.#areEnoughWell() ? undefined : (this.#halfSince ?? now);
    for (const host of hosts.values()) {
      const isWell = host.speaks && host.conditions.size === 0;
      if (!isWell) this.#wellSince.delete(host.name);
      else if (!this.#wellSince.has(host.name)) this.#wellSince.set(host.name, now);
      if (!host.isControlPlane) continue;
      if (etcd.canLose(host)) this.#unbearableSince.delete(host.name);
      else if (!this.#unbearableSince.has(host.name)) this.#unbearableSince.set(host.name, now);
    }
  }

  /** Of the workers: control-plane hosts have brakes of their own. */
  #areEnoughWell(): boolean {
    const { store, schedule, scenario } = this.#options;
    const workers = [...store.nodes.values()].filter((node) => !isControlPlane(node));
    const well = workers.filter((node) => {
      const isHeard = schedule.now - (store.heartbeats.get(node.name)?.renewedAtMs ?? 0) < HEARD_MS;
      return isHeard && conditionOf(node, 'Ready')?.status === 'True';
    });
    return well.length * 100 >= scenario.policy.limits.healthyPercentMin * workers.length;
  }

  #onNode(item: NodeFacts, before: NodeFacts | undefined): void {
    for (const { type, status } of item.conditions) this.onCondition({ host: item.name, type: `${type}=${status}`, isOn: true });
    for (const { type, status } of before?.conditions ?? [])
      if (!item.conditions.some((one) => one.type === type && one.status === status))
        this.onCondition({ host: item.name, type: `${type}=${status}`, isOn: false });
    const [record, last] = [remedyOf(item), before && remedyOf(before)];
    if (record === undefined || (record.startedAtMs === last?.startedAtMs && record.state === last.state)) return;
    if (record.startedAtMs !== last?.startedAtMs) this.#onBegin(item, record, last);
    this.#checkLimits();
  }

  #onBegin(node: NodeFacts, record: RemedyRecord, last: RemedyRecord | undefined): void {
    const { schedule, scenario } = this.#options;
    const { now } = schedule;
    this.remedies += 1;
    this.#trace(`${node.name}: remedy by rule ${record.rule}: ${record.why}`);
    if (isBusy(last)) this.add('clobber', `the remedy of ${node.name} by rule ${last?.rule} was replaced by one of rule ${record.rule}`);
    this.#begun.push(now);
    const within = this.#begun.filter((at) => now - at < HOUR_MS - CLOCKS_MS).length;
    if (within > scenario.policy.limits.perHour) this.add('hourly', `${within} remedies were begun within an hour`);
    this.#checkForeign(node.name, 'a remedy');
    this.#checkSignal(node, record);
  }

  #checkSignal({ name }: NodeFacts, { rule }: RemedyRecord): void {
    const { schedule, scenario } = this.#options;
    const { now } = schedule;
    const signals = scenario.rules.find((one) => one.name === rule)?.when ?? [];
    const isTrue = signals.some(({ heartbeat, condition, status, forSeconds }) => {
      const wantedMs = forSeconds * 1000 - HIDDEN_MS;
      if (heartbeat !== undefined) return this.#wasSilent(name, wantedMs);
      return status?.some((one) => now - (this.#conditionSince.get(`${name} ${condition}=${one}`) ?? now) >= Math.max(1, wantedMs));
    });
    if (!isTrue) this.add('healthy', `a remedy of ${name} by rule ${rule} began, and its signal was not true for that long`);
  }

  /** Also where it was until a moment ago, and the controller could not know. */
  #wasSilent(name: string, forMs: number): boolean {
    const { schedule, store } = this.#options;
    const silentMs = schedule.now - (store.heartbeats.get(name)?.renewedAtMs ?? 0);
    return silentMs >= forMs || (silentMs < CALL_MS && (this.#lastSilenceMs.get(name) ?? 0) >= forMs);
  }

  #checkLimits(): void {
    const { store, scenario } = this.#options;
    const { limits } = scenario.policy;
    const nodes = [...store.nodes.values()];
    const busy = nodes.filter((node) => isBusy(remedyOf(node)));
    const names = busy.map(({ name }) => name).join(', ');
    if (busy.length > countOf(limits.atOnce, nodes.length))
      this.add('at-once', `${names} are under a remedy, and at most ${limits.atOnce} may be`);
    for (const zone of new Set(busy.map(zoneOf))) {
      const size = nodes.filter((node) => zoneOf(node) === zone).length;
      const inZone = busy.filter((node) => zoneOf(node) === zone).length;
      if (inZone > countOf(limits.atOncePerZone, size)) this.add('zone', `${inZone} nodes of zone ${zone} are under a remedy: ${names}`);
    }
    if (busy.filter(isControlPlane).length > 1) this.add('control-plane', `more than one control-plane host is under a remedy: ${names}`);
  }

  #onChange(agent: SimHealAgent, { node, change }: Extract<ApiCall, { kind: 'change' }>): void {
    const host = this.#options.hosts.get(node) as SimHealHost;
    if (change.taints?.some(({ key }) => key === OUT_OF_SERVICE.key)) {
      this.#trace(`${node} is out of service`);
      if (host.power !== 'off') this.add('fence', `${agent.name} set the taint out-of-service on ${node}, and its power is on`);
    }
    if (change.unschedulable !== undefined || change.taints !== undefined) this.#checkForeign(node, JSON.stringify(change));
  }

  #checkForeign(node: string, what: string): void {
    const since = this.foreignSince.get(node);
    const { now } = this.#options.schedule;
    if (since !== undefined && now - since > IN_FLIGHT_MS)
      this.add('foreign', `${what} at ${node}, where somebody else works since ${now - since} ms`);
  }

  #onEviction(pod: PodFacts): void {
    const { store } = this.#options;
    const budget = store.budgets.get(`${pod.namespace}/${pod.labels['app']}`);
    if (budget === undefined || !pod.isReady || pod.deletionAtMs !== null) return;
    // As the budget sees it: what fell ill within the last moment is involuntary.
    if (budget.currentHealthy - budget.disrupted.size < budget.desiredHealthy && budget.disrupted.size > 1)
      this.add(
        'budget',
        `Pod ${podKey(pod)} was evicted: ${budget.currentHealthy} healthy, ${budget.disrupted.size} promised away, ${budget.desiredHealthy} needed`,
      );
  }

  #checkDrained(host: SimHealHost, what: string): void {
    const { store } = this.#options;
    for (const pod of store.onNode(host.name)) {
      const isLeft = host.containers.has(pod.uid) && pod.isReady && pod.deletionAtMs === null;
      if (isLeft && store.budgets.has(`${pod.namespace}/${pod.labels['app']}`))
        this.add('budget', `${what} of ${host.name} after its drain, with Pod ${podKey(pod)}, which is under a budget`);
    }
  }

  #onDone(agent: SimHealAgent, { node, step, record }: Extract<HealNews, { kind: 'step' }>['output']): void {
    const key = `${this.takeovers} ${node.name} ${record.startedAtMs} ${record.step}`;
    if (this.#done.has(key)) this.add('twice-done', `${agent.name} did ${step} at ${node.name} twice in one remedy`);
    this.#done.add(key);
  }
}

/** Which harm a call does; undefined when none. */
function harmOf(call: ApiCall | HostCall): string | undefined {
  if (call.kind === 'read' || call.kind === 'power-on') return undefined;
  if (call.kind !== 'change') return call.kind;
  const { unschedulable, taints, annotations } = call.change;
  if (annotations?.[HISTORY] !== undefined) return 'begin';
  if (unschedulable === true) return 'cordon';
  return taints?.some(({ key }) => key === OUT_OF_SERVICE.key) === true ? 'out-of-service' : undefined;
}

function callText(call: ApiCall | HostCall): string {
  if ('pod' in call) return `${call.kind} of ${podKey(call.pod)}`;
  return `${harmOf(call) ?? call.kind} at ${call.node}`;
}
