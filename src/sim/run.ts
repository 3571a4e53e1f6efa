import { createRandom, type Random } from '../base/random.ts';
import { DRIFT_BOUND, SILENCE_MS, type TimingProfile, timingProfiles } from '../core/lease/timing.ts';
import { SimHost } from './host.ts';
import { SimNetwork } from './network.ts';
import { Schedule } from './schedule.ts';

export interface SimOptions {
  seed: number;
  /** Clock error of each host is drawn from +- this. Beyond DRIFT_BOUND the run must find violations: the test of the test. */
  driftBound?: number;
  /** Told of everything that happens, for the trace of a replay. */
  onTrace?: (line: string) => void;
}

export interface SimResult {
  seed: number;
  members: number;
  profile: TimingProfile;
  violations: string[];
  simulatedMs: number;
  holders: number;
  /** From the healing of everything to a holder. */
  recoveryMs: number;
}

const FAULT_TIME_MS = 4_000;
/** A majority is healthy: a holder must be there within the silence after a restart and this many leases: a promise to the dead, and rounds lost to unlucky timing. */
const RECOVERY_LEASES = 4;

/** One simulated cluster through seeded faults, then healed: at most one host may ever answer, and in the end one must. */
export function runSeed(options: SimOptions): SimResult {
  const world = createWorld(options);
  const { schedule, hosts, random, trace } = world;
  for (const host of hosts) schedule.plan(random.between(0, 100), () => host.start());
  planFaults(world);
  schedule.runUntil(FAULT_TIME_MS);
  heal(world);
  const healedAt = schedule.now;
  const bound = SILENCE_MS + RECOVERY_LEASES * world.timing.leaseMs;
  while (!hosts.some((host) => host.answers) && schedule.now < healedAt + bound) schedule.runUntil(schedule.now + 1);
  const recoveryMs = schedule.now - healedAt;
  if (!hosts.some((host) => host.answers)) world.violations.push(`no holder ${bound} ms after a majority was healthy`);
  checkStays(world);
  trace(`end, ${world.violations.length} violations`);
  return {
    seed: options.seed,
    members: hosts.length,
    profile: world.profile,
    violations: world.violations,
    simulatedMs: schedule.now,
    holders: world.holders.count,
    recoveryMs,
  };
}

/** On a healthy network the address must not move again, and a drain must hand it on. */
function checkStays(world: World): void {
  const { schedule, hosts, violations, timing } = world;
  // Until everybody's silence is over, and every heartbeat has been heard.
  schedule.runUntil(schedule.now + SILENCE_MS + 2 * timing.heartbeatMs);
  const holder = hosts.find((host) => host.answers);
  const before = world.holders.count;
  schedule.runUntil(schedule.now + 3 * timing.leaseMs);
  if (world.holders.count !== before) violations.push('the address moved although nothing was wrong');
  if (holder === undefined || !holder.answers) return;
  holder.engine?.drain();
  schedule.runUntil(schedule.now + timing.leaseMs / 2);
  const next = hosts.find((host) => host.answers);
  if (next === undefined || next === holder)
    violations.push(`drain of host ${holder.index} did not hand the address on within half a lease`);
}

interface World {
  schedule: Schedule;
  network: SimNetwork;
  hosts: SimHost[];
  random: Random;
  profile: TimingProfile;
  timing: (typeof timingProfiles)[TimingProfile];
  violations: string[];
  holders: { count: number };
  trace: (line: string) => void;
}

function createWorld(options: SimOptions): World {
  const random = createRandom(options.seed);
  const schedule = new Schedule();
  const members = random.chance(0.75) ? 3 : 5;
  const profile: TimingProfile = random.chance(0.5) ? 'default' : random.chance(0.5) ? 'fast' : 'calm';
  const timing = timingProfiles[profile];
  const quality = {
    lossProbability: random.chance(0.5) ? 0 : random.between(0, 0.3),
    duplicateProbability: random.between(0, 0.2),
    delayMinMs: 0.1,
    delayMaxMs: random.chance(0.5) ? 1 : random.between(1, timing.roundTimeoutMs * 2),
  };
  const network = new SimNetwork({ schedule, random, quality });
  const driftBound = options.driftBound ?? DRIFT_BOUND;
  const violations: string[] = [];
  const holders = { count: 0 };
  const trace = (line: string) => options.onTrace?.(`${schedule.now.toFixed(2).padStart(9)} ms  ${line}`);
  trace(`seed ${options.seed}: ${members} members, ${profile}, ${JSON.stringify(quality)}`);
  const hosts: SimHost[] = [];
  for (let index = 0; index < members; index++) {
    const clockRate = 1 + random.between(-driftBound, driftBound);
    const onAnswering = (host: SimHost) => {
      for (const other of hosts) {
        if (other === host || !other.answers) continue;
        violations.push(`hosts ${host.index} and ${other.index} both answer at ${schedule.now.toFixed(3)} ms`);
      }
    };
    hosts.push(
      new SimHost({
        index,
        members,
        timing,
        schedule,
        network,
        random,
        clockRate,
        onAnswering,
        onEvent: (host, event) => {
          if (event.kind === 'became-holder') holders.count++;
          trace(`host ${host.index} ${JSON.stringify(event)}`);
        },
      }),
    );
  }
  return { schedule, network, hosts, random, profile, timing, violations, holders, trace };
}

/** Everything is repaired: whoever was off is on, and the network is a good one. */
function heal(world: World): void {
  const { network, hosts, trace } = world;
  trace('heal');
  network.healAll();
  network.quality = { lossProbability: 0, duplicateProbability: 0, delayMinMs: 0.1, delayMaxMs: 1 };
  for (const host of hosts) {
    host.thaw();
    host.start();
    host.engine?.resume();
    host.engine?.setFitness({ fitness: 'good', readyBackends: 1, mac: host.index + 1 });
  }
}

function planFaults(world: World): void {
  const { schedule, random } = world;
  const count = 2 + random.below(8);
  for (let i = 0; i < count; i++) schedule.plan(random.between(300, FAULT_TIME_MS), () => injectFault(world));
}

/** Half of all faults hit the holder, where they hurt most. */
function pickHost(world: World): SimHost {
  const { hosts, random } = world;
  const holder = hosts.find((host) => host.answers);
  return holder !== undefined && random.chance(0.5) ? holder : (hosts[random.below(hosts.length)] as SimHost);
}

function injectFault(world: World): void {
  const { schedule, random, network, hosts, timing, trace } = world;
  const host = pickHost(world);
  const later = (action: () => void) => schedule.plan(schedule.now + random.between(0, 5 * timing.leaseMs), action);
  const faults: [string, () => void][] = [
    ['crash', () => (host.crash(), later(() => host.start()))],
    ['kill-agent', () => (host.killAgent(), later(() => host.start()))],
    ['freeze', () => (host.freeze(), later(() => host.thaw()))],
    ['isolate', () => (cutOff(network, hosts, host), later(() => network.healAll()))],
    ['one-way', () => (network.cut(host.index, random.below(hosts.length)), later(() => network.healAll()))],
    ['split', () => (split(world), later(() => network.healAll()))],
    ['drain', () => (host.engine?.drain(), later(() => host.engine?.resume()))],
    ['poor', () => setFitness(host, 'poor')],
    ['good', () => setFitness(host, 'good')],
  ];
  const [name, run] = faults[random.below(faults.length)] as [string, () => void];
  trace(`fault ${name} on host ${host.index}`);
  run();
}

function setFitness(host: SimHost, fitness: 'poor' | 'good'): void {
  host.engine?.setFitness({ fitness, readyBackends: fitness === 'good' ? 1 : 0, mac: host.index + 1 });
}

function cutOff(network: SimNetwork, hosts: SimHost[], host: SimHost): void {
  for (const other of hosts) {
    network.cut(host.index, other.index);
    network.cut(other.index, host.index);
  }
}

/** Two groups that cannot hear each other. */
function split(world: World): void {
  const { network, hosts, random } = world;
  const side = hosts.map(() => random.chance(0.5));
  for (const a of hosts) for (const b of hosts) if (side[a.index] !== side[b.index]) network.cut(a.index, b.index);
}
