import { createRandom } from '../base/random.ts';
import type { LeaseEvent } from '../engine/lease.ts';
import { HealthMonitor } from './health.ts';
import { SimHost } from './host.ts';
import { SafetyMonitor, Violations } from './monitor.ts';
import { SimNetwork } from './network.ts';
import { type Action, GOOD_QUALITY, type HostConfig, type HostName, HOSTS_MAX, type Scenario, undoing } from './scenario.ts';
import { formatAction } from './scenario-words.ts';
import { Schedule } from './schedule.ts';

/** The cluster of a scenario, and what can be done to it. */
export class World {
  readonly schedule = new Schedule();
  readonly network: SimNetwork<HostConfig>;
  readonly hosts: SimHost[] = [];
  readonly violations: Violations;
  readonly health: HealthMonitor;
  readonly #safety: SafetyMonitor;
  readonly #trace: ((line: string) => void) | undefined;

  constructor(scenario: Scenario, onTrace?: (line: string) => void) {
    const random = createRandom(scenario.seed);
    const { schedule } = this;
    this.#trace = onTrace && ((line) => onTrace(`${schedule.now.toFixed(2).padStart(10)}  ${line}`));
    this.network = new SimNetwork({ schedule, random, quality: scenario.network });
    for (const { from, to, quality } of scenario.links) this.network.setLink(from, to, quality);
    this.violations = new Violations(
      () => schedule.now,
      (line) => this.#trace?.(line),
    );
    this.health = new HealthMonitor({ hosts: this.hosts, network: this.network, violations: this.violations, now: () => schedule.now });
    this.#safety = new SafetyMonitor(this.hosts, this.violations);
    const members = Array.from({ length: scenario.members }, (_, i) => i);
    const config: HostConfig = { members, profile: scenario.profile, keys: [1] };
    const rates = new Map(scenario.clocks.map(({ host, rate }) => [host, rate]));
    const { gate, sealed } = scenario;
    for (let index = 0; index < HOSTS_MAX; index++) {
      const clockRate = rates.get(index) ?? 1;
      const { network } = this;
      this.hosts.push(new SimHost({ index, config, schedule, network, random, clockRate, gate, sealed, observer: this.#observer() }));
    }
    for (const host of members) schedule.plan(random.between(0, 100), () => this.hosts[host]?.start());
  }

  #observer(): ConstructorParameters<typeof SimHost>[0]['observer'] {
    return {
      onHold: (host) => {
        this.#safety.onHold(host);
        this.health.onHold(host);
      },
      onEnd: (host) => this.health.onEnd(host),
      onAnnounce: (host) => {
        if (this.health.clientsAt !== host.index) this.#trace?.(`clients learn host ${host.index}`);
        this.health.onAnnounce(host);
      },
      onChange: () => {
        this.health.endSegment();
        this.health.beginSegment();
      },
      onEvent: (host, event) => {
        if (event.kind === 'became-holder') this.#safety.onHolder(host, event.term);
        this.#trace?.(`host ${host.index} ${eventText(host, event)}`);
      },
    };
  }

  /** Does it now, and plans its undoing. */
  perform(action: Action, forMs: number | undefined): void {
    const bound = this.#resolve(action);
    this.health.interrupt();
    this.#trace?.(`* ${formatAction(bound)}`);
    this.#apply(bound);
    this.health.beginSegment();
    const undo = forMs === undefined ? undefined : undoing(bound);
    if (undo !== undefined) this.schedule.plan(this.schedule.now + (forMs as number), () => this.perform(undo, undefined));
  }

  /** The end: nothing more will be judged. */
  finish(): void {
    this.health.endSegment();
    const { moves, maxRecoveryMs } = this.health;
    const count = this.violations.list.length;
    this.#trace?.(
      `end: ${plural(moves, 'change')} of holder, longest recovery ${maxRecoveryMs.toFixed(2)} ms, ${plural(count, 'violation')}`,
    );
  }

  #resolve(action: Action): Action {
    const name = (host: HostName): number => (host === 'holder' ? (this.health.holder ?? 0) : host);
    if (action.kind === 'cut' || action.kind === 'heal') return { ...action, from: name(action.from), to: name(action.to) };
    if ('host' in action) return { ...action, host: name(action.host) };
    return action;
  }

  #apply(action: Action): void {
    const { network } = this;
    switch (action.kind) {
      case 'cut':
        return network.cut(action.from as number, action.to as number);
      case 'heal':
        return network.heal(action.from as number, action.to as number);
      case 'link':
        return network.setLink(action.from, action.to, action.quality);
      case 'network':
        return network.setQuality(action.quality);
      case 'repair':
        return this.#repair();
      default:
        return this.#applyToHost(action, this.hosts[action.host as number] as SimHost);
    }
  }

  #applyToHost(action: Extract<Action, { host: HostName }>, host: SimHost): void {
    const { network } = this;
    switch (action.kind) {
      case 'isolate':
        return this.#others(host).forEach((other) => (network.cut(host.index, other), network.cut(other, host.index)));
      case 'join':
        return this.#others(host).forEach((other) => (network.heal(host.index, other), network.heal(other, host.index)));
      case 'kill-guarded':
        this.health.onGuardedKill(host, action.afterMs);
        return host.killGuarded(action.afterMs);
      case 'drain':
        this.health.onDrain(host);
        return host.engine?.drain();
      case 'resume':
        return host.engine?.resume();
      case 'restart':
        this.health.onDrain(host);
        return host.restart();
      case 'fitness':
        return host.engine?.setFitness({
          fitness: action.fitness,
          readyBackends: action.fitness === 'poor' ? 0 : 1,
          mac: host.index + 1,
        });
      case 'break':
        host.kernel.faults.add(action.fault);
        return;
      case 'mend':
        host.kernel.faults.delete(action.fault);
        return;
      case 'configure':
        host.config = { ...host.config, ...action.config };
        return;
      default:
        return host[action.kind]();
    }
  }

  #others(host: SimHost): number[] {
    return this.hosts.map(({ index }) => index).filter((index) => index !== host.index);
  }

  #repair(): void {
    this.network.repair(GOOD_QUALITY);
    for (const host of this.hosts) {
      host.kernel.faults.clear();
      host.wake();
      host.thaw();
      if (host.config.members.includes(host.index)) host.start();
      host.engine?.resume();
      host.engine?.setFitness({ fitness: 'good', readyBackends: 1, mac: host.index + 1 });
    }
  }
}

function eventText(host: SimHost, event: LeaseEvent): string {
  switch (event.kind) {
    case 'became-holder': {
      const before = event.predecessor === undefined ? undefined : host.running.members[event.predecessor];
      return `holds (term ${event.term}${before === undefined ? '' : `, after host ${before}`})`;
    }
    case 'lost':
      return `lost it: ${event.reason} (term ${event.term})`;
    default:
      return `${event.kind}: ${event.reason}`;
  }
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
