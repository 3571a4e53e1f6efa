import type { Random } from '../base/random.ts';
import { pick } from './generate-topology.ts';
import { type Action, type HostName, type KernelFault, type ScenarioEvent, undoing } from './scenario.ts';
import { writable } from './words.ts';

/** Two of these must not be off for each other, so a weight is how often a kind is listed. */
const faults: readonly ((random: Random, host: HostName, members: number) => Action)[] = [
  (_, host) => ({ kind: 'crash', host }),
  (_, host) => ({ kind: 'kill', host }),
  (random, host) => ({ kind: 'kill-guarded', host, afterMs: writable(random.between(0.5, 20)) }),
  (_, host) => ({ kind: 'freeze', host }),
  (_, host) => ({ kind: 'freeze', host }),
  (_, host) => ({ kind: 'suspend', host }),
  (_, host) => ({ kind: 'isolate', host }),
  (random, host, members) => ({ kind: 'cut', from: host, to: random.below(members) }),
  (random, host, members) => ({ kind: 'cut', from: random.below(members), to: host }),
  (_, host) => ({ kind: 'drain', host }),
  (_, host) => ({ kind: 'drain', host }),
  (_, host) => ({ kind: 'restart', host }),
  (_, host) => ({ kind: 'fitness', host, fitness: 'poor' }),
  (_, host) => ({ kind: 'fitness', host, fitness: 'unable' }),
  (random, host) => ({ kind: 'break', host, fault: pick<KernelFault>(random, ['hold', 'withdraw', 'yield', 'announce']) }),
];

export interface FaultWindow {
  members: number;
  fromMs: number;
  toMs: number;
  /** Longest time until a fault is undone; never after `toMs`. */
  longestMs: number;
  count: number;
}

/** Faults at random times of the window. Half of them hit the holder, where they hurt most. */
export function generateFaults(random: Random, window: FaultWindow): ScenarioEvent[] {
  return Array.from({ length: window.count }, () => generateFault(random, window));
}

function generateFault(random: Random, { members, fromMs, toMs, longestMs }: FaultWindow): ScenarioEvent {
  const host: HostName = random.chance(0.5) ? 'holder' : random.below(members);
  const action = pick(random, faults)(random, host, members);
  const atMs = writable(random.between(fromMs, toMs));
  if (undoing(action) === undefined) return { atMs, action };
  return { atMs, action, forMs: writable(Math.min(random.between(0, longestMs), toMs - atMs)) };
}

/** Two groups of hosts that cannot hear each other. */
export function generateSplit(random: Random, { members, fromMs, toMs, longestMs }: Omit<FaultWindow, 'count'>): ScenarioEvent[] {
  const hosts = Array.from({ length: members }, (_, host) => host);
  const side = hosts.map(() => random.chance(0.5));
  const atMs = writable(random.between(fromMs, toMs));
  const forMs = writable(Math.min(random.between(0, longestMs), toMs - atMs));
  return hosts.flatMap((from) =>
    hosts.filter((to) => side[from] !== side[to]).map((to) => ({ atMs, action: { kind: 'cut' as const, from, to }, forMs })),
  );
}
