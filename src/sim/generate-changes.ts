import type { Random } from '../base/random.ts';
import { SILENCE_MS, timingProfiles } from '../core/lease/timing.ts';
import { pick } from './generate-topology.ts';
import { type HostConfig, HOSTS_MAX, MEMBERS_MAX, type ScenarioEvent } from './scenario.ts';
import { writable } from './words.ts';

/** Changes of a running cluster, each rolled out one host at a time and finished before the next begins, as docs/guide/change-members.md tells. */
export interface Changes {
  events: ScenarioEvent[];
  /** What every member has in the end. */
  config: HostConfig;
  endMs: number;
}

export function generateChanges(random: Random, options: { config: HostConfig; fromMs: number; count: number }): Changes {
  let { config, fromMs: nowMs } = options;
  const events: ScenarioEvent[] = [];
  for (let i = 0; i < options.count; i++) {
    for (const step of generateChange(random, config)) {
      const hosts = orderOf(random, config, step);
      // An operator waits for each agent to be back; a script perhaps does not.
      const pauseMs = random.chance(0.5) ? random.between(0, SILENCE_MS) : 2 * SILENCE_MS;
      for (const host of hosts) {
        events.push({ atMs: writable(nowMs), action: { kind: 'configure', host, config: step } });
        events.push({ atMs: writable(nowMs), action: { kind: 'restart', host } });
        nowMs += pauseMs;
      }
      config = step;
      nowMs += finishMs(config);
    }
  }
  return { events, config, endMs: nowMs };
}

/** In which hosts learn of a change. Safe is any order; the guide's keeps the time without a holder short: a new host first, a leaving one last. */
function orderOf(random: Random, before: HostConfig, after: HostConfig): number[] {
  const hosts = shuffled(random, [...new Set([...before.members, ...after.members])]);
  if (random.chance(0.5)) return hosts;
  const rank = (host: number) => (!before.members.includes(host) ? 0 : after.members.includes(host) ? 1 : 2);
  return hosts.toSorted((a, b) => rank(a) - rank(b));
}

/** Until the last agent has surely ended its old run. */
function finishMs(config: HostConfig): number {
  return 2 * Math.max(timingProfiles.calm.leaseMs, timingProfiles[config.profile].leaseMs) + 100;
}

/** The configurations that one change goes through. */
function generateChange(random: Random, config: HostConfig): HostConfig[] {
  const { members, keys } = config;
  const free = Array.from({ length: HOSTS_MAX }, (_, host) => host).filter((host) => !members.includes(host));
  const changes: (() => HostConfig[])[] = [
    () => {
      const old = keys[0] as number;
      const fresh = (Math.max(...keys) % 200) + 1;
      return [[old, fresh], [fresh, old], [fresh]].map((ring) => ({ ...config, keys: ring }));
    },
    () => [{ ...config, profile: pick(random, ['fast', 'default', 'calm'] as const) }],
  ];
  if (members.length < MEMBERS_MAX) changes.push(() => [{ ...config, members: [...members, pick(random, free)] }]);
  if (members.length > 2) {
    changes.push(() => {
      const gone = pick(random, members);
      return [{ ...config, members: members.filter((host) => host !== gone) }];
    });
  }
  return pick(random, changes)();
}

function shuffled<T>(random: Random, list: readonly T[]): T[] {
  const left = [...list];
  return list.map(() => left.splice(random.below(left.length), 1)[0] as T);
}
