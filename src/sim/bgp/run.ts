import { GRACEFUL_SHUTDOWN } from '../../core/bgp/community.ts';
import { BgpMonitor, type BgpViolation } from './monitor.ts';
import { BgpWorld, SPEAKER } from './world.ts';

export interface BgpRunOptions {
  seed: number;
  /** Routers, each with one session to the one speaker. */
  peers: number;
  /** How long faults happen, in simulated time; 0 for a calm life. */
  faultsMs: number;
  /** Between two faults, on average, of all routers together. */
  faultEveryMs?: number;
  /** Processor time of this thread, for figures; the simulation itself has no clock. */
  cpuTimeMs?: () => number;
}

export interface BgpRunResult {
  violations: BgpViolation[];
  /** Simulated: from the start until all sessions were Established for the first time. */
  allEstablishedAfterMs: number | undefined;
  /** The same, and all routes were with all routers. */
  allConvergedAfterMs: number | undefined;
  /** Real: of both sides of all sessions until then, and of the last simulated minute, in which nothing happens. */
  cpuMs: { establish: number; quietMinute: number };
  /** Of the speaker, over all. */
  sessions: number;
  collisions: number;
  connectAttempts: number;
  messagesSent: number;
  messagesReceived: number;
  faults: number;
}

const LATENCY_MS = { min: 0.2, max: 3 };
const LOOK_MS = 25;
/** Looking is dearer than living, where there are many. */
const LOOK_MANY_MS = 500;
const MANY = 100;
/** All timers of a session that starts anew, at their longest: hold time 90 s, idle hold time 60 s, connect retry time 5 s, some of them twice. */
const CALM_MS = 300_000;
const CALM_AFTER_START_MS = 60_000;
const ANNOUNCED = { communities: [(65_000 << 16) >>> 0], med: 10 };
const DRAINING = { communities: [GRACEFUL_SHUTDOWN], med: 10, localPreference: 0 };

/** A life of one speaker and its routers: all start at once, faults happen, then all must come right. The same seed gives the same life. */
export function runBgp(options: BgpRunOptions): BgpRunResult {
  const { seed, peers, faultsMs, faultEveryMs = 1000, cpuTimeMs = () => 0 } = options;
  const monitor: { current: BgpMonitor | undefined } = { current: undefined };
  const world = new BgpWorld({ seed, peers, latencyMs: LATENCY_MS, onEvent: (event) => monitor.current?.note(event) });
  const { schedule, speaker } = world;
  const watch = new BgpMonitor(world);
  monitor.current = watch;
  world.setRoutes(ANNOUNCED);
  const live = (forMs: number, isDone: () => boolean = () => false) => {
    const until = schedule.now + forMs;
    while (schedule.now < until && !isDone()) {
      schedule.runUntil(Math.min(until, schedule.now + (peers > MANY ? LOOK_MANY_MS : LOOK_MS)));
      watch.look();
    }
  };
  const cpuAtStart = cpuTimeMs();
  live(CALM_AFTER_START_MS, () => allEstablished(world));
  const isEstablished = allEstablished(world);
  const allEstablishedAfterMs = isEstablished ? Math.max(...speaker.status().map(({ since }) => since)) : undefined;
  const establish = cpuTimeMs() - cpuAtStart;
  live(CALM_AFTER_START_MS, () => hasAll(world));
  const allConvergedAfterMs = hasAll(world) ? schedule.now : undefined;

  const faults = planFaults(world, { faultsMs, faultEveryMs });
  live(faultsMs);
  if (faultsMs > 0) world.setRoutes([ANNOUNCED, DRAINING, undefined][world.random.below(3)]);
  if (faultsMs > 0) live(CALM_MS);
  watch.isCalm = true;
  const cpuBefore = cpuTimeMs();
  schedule.runUntil(schedule.now + 60_000);
  const quietMinute = cpuTimeMs() - cpuBefore;
  watch.look();
  watch.lookForConvergence();
  return {
    violations: watch.violations,
    allEstablishedAfterMs,
    allConvergedAfterMs,
    cpuMs: { establish, quietMinute },
    ...figuresOf(world),
    faults,
  };
}

function allEstablished({ speaker, routers }: BgpWorld): boolean {
  return (
    speaker.status().every(({ state }) => state === 'Established') &&
    routers.every(({ engine }) => engine.status().every(({ state }) => state === 'Established'))
  );
}

/** Every router has an End-of-RIB, and so all before it. */
function hasAll({ routers }: BgpWorld): boolean {
  return routers.every(({ tap }) => [...tap.connections].some(({ endsOfRib }) => endsOfRib > 0));
}

/** What may go wrong, each at one router, and never for longer than the calm can mend. */
function planFaults(world: BgpWorld, { faultsMs, faultEveryMs }: { faultsMs: number; faultEveryMs: number }): number {
  const { schedule, random, routers, tcp, speaker } = world;
  const end = schedule.now + faultsMs;
  let faults = 0;
  const happen = (router: (typeof routers)[number]) => {
    const lastsMs = random.between(10, 20_000);
    const later = (undo: () => void) => schedule.plan(schedule.now + lastsMs, undo);
    const all: (() => void)[] = [
      () => tcp.reset(SPEAKER, router.address),
      () => {
        tcp.cut(SPEAKER, router.address);
        later(() => tcp.heal(SPEAKER, router.address));
      },
      () => world.crash(router, { forMs: lastsMs }),
      () => {
        speaker.bfdChanged(router.address, 'up');
        speaker.bfdChanged(router.address, 'down');
        later(() => speaker.bfdChanged(router.address, 'up'));
      },
      () => world.setRoutes(random.chance(0.5) ? DRAINING : undefined),
      () => world.setRoutes(ANNOUNCED),
    ];
    all[random.below(all.length)]?.();
  };
  for (let at = schedule.now; at < end; at += random.between(0, 2 * faultEveryMs)) {
    faults++;
    const router = routers[random.below(routers.length)] as (typeof routers)[number];
    schedule.plan(at, () => happen(router));
  }
  return faults;
}

function figuresOf({ speaker }: BgpWorld) {
  const all = speaker.status().map(({ counters }) => counters);
  const sum = (of: (counters: (typeof all)[number]) => number) => all.reduce((total, counters) => total + of(counters), 0);
  const messages = (counts: Record<string, number>) => Object.values(counts).reduce((total, count) => total + count, 0);
  return {
    sessions: sum(({ established }) => established),
    collisions: sum(({ collisions }) => collisions),
    connectAttempts: sum(({ connectAttempts }) => connectAttempts),
    messagesSent: sum(({ sent }) => messages(sent)),
    messagesReceived: sum(({ received }) => messages(received)),
  };
}
