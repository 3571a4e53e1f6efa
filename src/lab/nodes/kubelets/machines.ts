/** The machines of the worker nodes: follows their power and what is wrong with them, and cuts and joins their cables. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodePlan } from '../plan.ts';
import { firstBootId, type NodeStates } from '../state.ts';
import type { Link } from './link.ts';

const LOOK_MS = 100;
/** From the power to a kubelet that registers; a real host takes a minute or two. */
const BOOT_MS = 3000;
const TRY_AGAIN_MS = 1000;
/** Kubelets that register at the same time. */
const PARALLEL = 24;

export interface MachinesOptions {
  nodes: readonly NodePlan[];
  states: NodeStates;
  link: Pick<Link, 'cut' | 'join'>;
  seed: string;
  /** Resolves with the uid of the Node. */
  register(node: NodePlan, bootId: string): Promise<string>;
  /** Goes on until `signal` aborts; `began` when the first heartbeat has been taken. */
  beat(node: { name: string; uid: string }, course: { signal: AbortSignal; began: () => void }): void;
  say(line: string): void;
}

interface Machine {
  plan: NodePlan;
  /** Of the life that the API was told of. */
  told: string | undefined;
  /** Of the Node. */
  uid: string;
  /** Ends its heartbeat. */
  heart: AbortController;
  joined: boolean;
  /** The life whose start is under way. */
  starting: string | undefined;
}

/** Never returns. */
export async function runMachines(options: MachinesOptions): Promise<never> {
  const machines = options.nodes.map(
    (plan): Machine => ({
      plan,
      told: undefined,
      uid: '',
      heart: new AbortController(),
      joined: false,
      starting: undefined,
    }),
  );
  const slots = new Slots(PARALLEL);
  for (;;) {
    const down = nodesThatAreDown(options.states);
    for (const machine of machines) follow(machine, { ...options, down, slots });
    await sleep(LOOK_MS);
  }
}

/** Whatever is wrong with a node, the control plane hears nothing of it. */
function nodesThatAreDown(states: NodeStates): Set<string> {
  return new Set([...states.afflictions().values()].flatMap(({ nodes }) => nodes));
}

function follow(machine: Machine, options: MachinesOptions & { down: ReadonlySet<string>; slots: Slots }): void {
  const { name } = machine.plan;
  const power = options.states.power(name);
  const bootId = power?.bootId ?? firstBootId(name, options.seed);
  const isUp = (power?.on ?? true) && !options.down.has(name);
  if (machine.joined && (!isUp || machine.told !== bootId)) {
    machine.joined = false;
    machine.heart.abort();
    options.link.cut(name);
    options.say(`${name} is cut off`);
  }
  if (!isUp) machine.starting = undefined;
  else if (!machine.joined && machine.told === bootId) join(machine, options);
  else if (!machine.joined && machine.starting !== bootId) {
    machine.starting = bootId;
    void start(machine, { ...options, bootId, isFirst: power === undefined });
  }
}

/** kwok has it once its heart beats. */
function join(machine: Machine, { link, beat, say }: MachinesOptions): void {
  const { name } = machine.plan;
  const heart = new AbortController();
  Object.assign(machine, { joined: true, heart });
  beat({ name, uid: machine.uid }, { signal: heart.signal, began: () => heart.signal.aborted || link.join(name) });
  say(`${name} is connected`);
}

/** Ends early when the node goes down meanwhile. */
async function start(machine: Machine, options: MachinesOptions & { slots: Slots; bootId: string; isFirst: boolean }): Promise<void> {
  const { bootId, slots, register, say } = options;
  if (!options.isFirst) await sleep(BOOT_MS);
  while (machine.starting === bootId) {
    try {
      const uid = await slots.run(async () => (machine.starting === bootId ? register(machine.plan, bootId) : ''));
      if (machine.starting !== bootId) return;
      Object.assign(machine, { told: bootId, uid, starting: undefined });
      return join(machine, options);
    } catch (error) {
      say(`${machine.plan.name} could not register: ${(error as Error).message}`);
      await sleep(TRY_AGAIN_MS);
    }
  }
}

/** So many at a time, the others in the order in which they came. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(free: number) {
    this.#free = free;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
