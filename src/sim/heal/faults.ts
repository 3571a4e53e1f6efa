import { REMEDY } from '../../core/heal/record.ts';
import type { SimHealAgent } from './agent.ts';
import type { ApiCall } from './api.ts';
import type { HostCall } from './agent.ts';
import type { SimHealHost } from './host.ts';
import type { Blow, Fault, HealFault, Strike } from './scenario.ts';
import type { HealWorld } from './world.ts';

interface Armed {
  on: Strike;
  blow: Blow;
  forMs: number;
}

const BLOW_MS = 30_000;

/** Brings faults about, and ends them. */
export class Faults {
  readonly #world: HealWorld;
  /** What ends those that last until calm. */
  readonly #lasting = new Set<() => void>();
  readonly #armed: Armed[] = [];
  isApiDown = 0;
  isApiSlow = 0;
  paused = 0;
  readonly deafBmcs = new Map<string, number>();

  constructor(world: HealWorld) {
    this.#world = world;
  }

  begin({ fault, forMs }: HealFault): void {
    const { schedule } = this.#world;
    this.#world.trace(`fault: ${JSON.stringify(fault)}${forMs === undefined ? '' : ` for ${Math.round(forMs / 1000)} s`}`);
    const end = this.#apply(fault, forMs);
    if (end === undefined) return;
    const once = () => {
      if (this.#lasting.delete(once)) end();
    };
    this.#lasting.add(once);
    if (forMs !== undefined) schedule.plan(schedule.now + forMs, once);
  }

  /** Everything is well again, except what a remedy must bring back. */
  calm(): void {
    for (const end of this.#lasting) end();
    this.#armed.length = 0;
    this.#world.trace('calm');
    // Nobody else would.
    for (const host of this.#world.hosts.values()) {
      const isForPeople = !this.#world.scenario.hasPower || (host.isControlPlane && !this.#world.etcd.hasQuorum);
      if (!host.up && isForPeople) host.boot();
    }
  }

  /** Strikes the controller that asks for this, when somebody waits for it. */
  strike(agent: SimHealAgent, call: ApiCall | HostCall): void {
    const at = this.#armed.findIndex(({ on }) => on === strikeOf(call));
    if (at < 0) return;
    const [{ blow, forMs }] = this.#armed.splice(at, 1) as [Armed];
    this.#world.trace(`${agent.name} is struck (${blow}) as it asks for ${call.kind}`);
    this.#hit(agent, { blow, forMs });
  }

  /** What ends it; undefined when nothing needs to. */
  #apply(fault: Fault, forMs: number | undefined): (() => void) | undefined {
    const host = 'host' in fault ? (this.#world.hosts.get(fault.host) as SimHealHost) : undefined;
    switch (fault.kind) {
      case 'hang':
        host?.down();
        return undefined;
      case 'outage':
        host?.cutPower();
        return () => void (host?.latchedOff === false && host.boot());
      case 'broken':
        return this.#break(host as SimHealHost);
      case 'kubelet':
        (host as SimHealHost).kubelet = false;
        return () => void ((host as SimHealHost).kubelet = true);
      case 'cut':
        return this.#cut(fault.hosts);
      case 'flap':
        return this.#flap(fault);
      case 'condition':
        host?.conditions.add(fault.type);
        return () => void host?.conditions.delete(fault.type);
      case 'bmc':
        for (const name of fault.hosts) this.deafBmcs.set(name, (this.deafBmcs.get(name) ?? 0) + 1);
        return () => fault.hosts.forEach((name) => this.deafBmcs.set(name, (this.deafBmcs.get(name) ?? 0) - 1));
      case 'controller':
        return this.#hitOne(fault, forMs ?? BLOW_MS);
      case 'strike':
        this.#armed.push({ ...fault, forMs: forMs ?? BLOW_MS });
        return undefined;
      case 'person':
      case 'mark':
        return this.#world.people.work(fault);
      default:
        return this.#applyToApi(fault.kind);
    }
  }

  #applyToApi(kind: 'api-down' | 'api-slow' | 'watches' | 'pause'): (() => void) | undefined {
    const { random } = this.#world;
    if (kind === 'watches') {
      for (const agent of this.#world.agents) agent.breakWatches(random.between(0, 15_000));
      return undefined;
    }
    const counter = ({ 'api-down': 'isApiDown', 'api-slow': 'isApiSlow', pause: 'paused' } as const)[kind];
    this[counter] += 1;
    if (kind === 'api-down') for (const agent of this.#world.agents) agent.breakWatches(random.between(0, 5000));
    return () => void (this[counter] -= 1);
  }

  #break(host: SimHealHost): () => void {
    host.broken = true;
    host.down();
    return () => {
      host.broken = false;
      if (host.power === 'on') host.boot();
    };
  }

  #cut(names: readonly string[]): () => void {
    const hosts = names.map((name) => this.#world.hosts.get(name) as SimHealHost);
    for (const host of hosts) host.cuts += 1;
    return () => hosts.forEach((host) => void (host.cuts -= 1));
  }

  #flap({ host, offMs, onMs }: Extract<Fault, { kind: 'flap' }>): () => void {
    const { schedule } = this.#world;
    let end: (() => void) | undefined;
    let isOver = false;
    const off = () => {
      if (isOver) return;
      end = this.#cut([host]);
      schedule.plan(schedule.now + offMs, on);
    };
    const on = () => {
      end?.();
      end = undefined;
      if (!isOver) schedule.plan(schedule.now + onMs, off);
    };
    off();
    return () => {
      isOver = true;
      end?.();
      end = undefined;
    };
  }

  #hitOne({ which, blow }: Extract<Fault, { kind: 'controller' }>, forMs: number): undefined {
    const { agents } = this.#world;
    const agent = which === 'active' ? agents.find(({ isActive }) => isActive) : agents[which];
    if (agent !== undefined) this.#hit(agent, { blow, forMs });
  }

  #hit(agent: SimHealAgent, { blow, forMs }: { blow: Blow; forMs: number }): void {
    const { schedule } = this.#world;
    if (blow === 'freeze') agent.freeze(forMs);
    else if (blow === 'apart') agent.apart(forMs);
    else {
      // After the call that is under way was sent.
      schedule.plan(schedule.now, () => agent.kill());
      schedule.plan(schedule.now + forMs, () => agent.start());
    }
  }
}

function strikeOf(call: ApiCall | HostCall): Strike | undefined {
  if (call.kind !== 'change') return call.kind;
  const { unschedulable, taints, annotations } = call.change;
  if (annotations?.[REMEDY] === null) return 'take-back';
  if (annotations?.[REMEDY] !== undefined) return 'begin';
  if (unschedulable === true) return 'cordon';
  return taints === undefined ? undefined : 'out-of-service';
}
