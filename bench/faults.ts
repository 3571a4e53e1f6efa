/** Many real faults, one after the other in one lab, each watched for two hosts that answer at once. */
import { HaleError } from '../src/base/error.ts';
import { createRandom } from '../src/base/random.ts';
import { SILENCE_MS, type TimingProfile, timingProfiles } from '../src/core/lease/timing.ts';
import type { DrillResult } from '../src/core/drill/result.ts';
import { type Scenario, scenarioByName } from '../src/core/drill/scenario.ts';
import { PROBE_INTERVAL_MS } from '../src/lab/drill/instruments.ts';
import { runDrill } from '../src/lab/drill/run.ts';
import { STAND_IN } from '../src/lab/kubernetes/programs.ts';
import { createLab, describeApiserver, type Lab } from '../src/lab/lab.ts';
import { markdownTable, tenths } from './machine.ts';
import { quantile } from '../src/base/stats.ts';

const PROFILE: TimingProfile = 'default';
/** An agent that was restarted promises nothing for so long; a fault before that would meet two cares at once. */
const REST_MS = SILENCE_MS + 100;
const FAULT_MS = 2500;
const AFTER_UNDO_MS = 1300;
const CONNECTIONS = 20;
const FAILURES_IN_SEQUENCE_MAX = 3;

const KINDS: readonly Scenario[] = [
  'agent-killed',
  'owner-stopped',
  'owner-starved',
  'owner-clock-jump',
  'owner-suspended',
  'owner-freeze',
  'partition-minority',
  'partition-majority',
  'partition-one-way',
  'partition-mute',
  'etcd-down',
  'flapping-link',
].map((name) => scenarioByName(name) as Scenario);

interface Injection {
  kind: string;
  /** How far into the lease's cycle, at random, after everything had come to rest. */
  phaseMs: number;
  outageMs: number;
  overlapMs: number;
  maxSimultaneous: number;
  watchedEveryMaxMs: number | null;
  holderBefore: string | null;
  holderAfter: string | null;
  /** Why nothing can be said of it; empty for an injection that counts. */
  void: string[];
}

export interface FaultsResult {
  seed: number;
  runs: number;
  profile: string;
  apiserver: string;
  /** Labs made anew, with the reason for each. */
  rebuilt: string[];
  injections: Injection[];
}

type Context = { signal: AbortSignal; say: (line: string) => void };

const METHOD = [
  `One lab: 3 hosts with real etcd (mutual TLS), an API server and an agent of profile ${PROFILE} each, and a client with ${CONNECTIONS} long-lived connections. The kinds take turns.`,
  `Each fault comes at a random moment (seeded) of the lease's cycle, ${REST_MS / 1000} s or more after everything is at rest, lasts ${FAULT_MS / 1000} s, and is watched until ${AFTER_UNDO_MS / 1000} s after its undo.`,
  'Every millisecond a station of its own asks the link for the address (ARP) and knocks at each host (TCP SYN). Two hosts count as answering at once when each answered a question that was asked after the first answer of the other was heard; ' +
    'the overlap is the time for which that is proven. Arrivals are dated by the kernel.',
  'Void: an instrument did not run for more than 250 ms, so that nothing can be said; its outage does not count, a proven overlap would.',
  `Outage: as in \`hale drill\`, at a new TLS connection every ${PROBE_INTERVAL_MS} ms. For a host that is cut off, stopped or suspended it is bounded by the lease.`,
];

export async function faults(options: { runs: number; seed: number } & Context): Promise<FaultsResult> {
  const { runs, seed, say, signal } = options;
  const random = createRandom(seed);
  const plan = Array.from({ length: runs }, (_, i) => ({
    scenario: KINDS[i % KINDS.length] as Scenario,
    phaseMs: random.below(timingProfiles[PROFILE].leaseMs),
  }));
  const result: FaultsResult = { seed, runs, profile: PROFILE, apiserver: '', rebuilt: [], injections: [] };
  const rig = new Rig({ signal, say });
  try {
    for (const [i, { scenario, phaseMs }] of plan.entries()) {
      const { drill, apiserver } = await rig.strike(scenario, phaseMs);
      const injection = injectionOf(drill, phaseMs);
      Object.assign(result, { apiserver });
      result.injections.push(injection);
      const judged = injection.void.length > 0 ? `void: ${injection.void[0]}` : `outage ${injection.outageMs} ms`;
      say(
        `${i + 1} of ${runs}, ${scenario.name}: ${judged}, at most ${injection.maxSimultaneous} at once, overlap ${injection.overlapMs} ms`,
      );
    }
  } finally {
    await rig.lab?.down();
  }
  return { ...result, rebuilt: rig.rebuilt };
}

/** The lab, made anew when it does not come back to rest. */
class Rig {
  lab: Lab | undefined;
  readonly rebuilt: string[] = [];
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  async strike(scenario: Scenario, phaseMs: number): Promise<{ drill: DrillResult; apiserver: string }> {
    const { signal, say } = this.#context;
    const short = { ...scenario, warmUpMs: REST_MS + phaseMs, undoAfterMs: FAULT_MS, observeMs: FAULT_MS + AFTER_UNDO_MS };
    for (let failures = 1; ; failures++) {
      this.lab ??= await createLab({ name: `bench-${process.pid}`, kubernetes: STAND_IN, profile: PROFILE, signal });
      try {
        return {
          drill: (await runDrill(this.lab, short, { connections: CONNECTIONS, intervalMs: PROBE_INTERVAL_MS, signal })).result,
          apiserver: describeApiserver(this.lab.plan),
        };
      } catch (error) {
        if (!(error instanceof HaleError) || failures === FAILURES_IN_SEQUENCE_MAX) throw error;
        this.rebuilt.push(`before or during ${scenario.name}: ${error.message}`);
        say(`${scenario.name}: ${error.message}; the lab is made anew`);
        await this.lab.down();
        this.lab = undefined;
      }
    }
  }
}

function injectionOf(drill: DrillResult, phaseMs: number): Injection {
  const { scenario, outageMs, holders, holderBefore, holderAfter, verdict, reasons } = drill;
  return {
    kind: scenario,
    phaseMs,
    outageMs,
    overlapMs: holders.overlapMs,
    maxSimultaneous: holders.maxSimultaneous,
    watchedEveryMaxMs: holders.watchedEveryMs.max,
    holderBefore,
    holderAfter,
    void: verdict === 'void' ? reasons : [],
  };
}

/** Injections in which two hosts answered at once; none are expected. */
export function overlapping({ injections }: FaultsResult): Injection[] {
  return injections.filter(({ maxSimultaneous }) => maxSimultaneous > 1);
}

export function renderFaults(result: FaultsResult): string {
  const { runs, seed, apiserver, injections, rebuilt } = result;
  const kinds = [...new Set(injections.map(({ kind }) => kind))].map((kind) => injections.filter((injection) => injection.kind === kind));
  const rows = kinds.map(rowOf);
  const outages = kinds.map((all) => [(all[0] as Injection).kind, all.map((i) => (i.void.length > 0 ? 'void' : i.outageMs)).join(', ')]);
  const head = [
    'fault',
    'injected',
    'outage, median ms',
    'outage, max ms',
    'answering at once, max',
    'largest overlap, ms',
    'void',
    'address moved',
  ];
  return [
    `## Faults: ${runs} injections, seed ${seed}, API server: ${apiserver}`,
    '',
    markdownTable(head, rows),
    `- Two hosts answered at once in ${overlapping(result).length} of ${injections.length} injections; wanted: none.`,
    `- Labs made anew: ${rebuilt.length}${rebuilt.map((reason) => `; ${reason}`).join('')}.`,
    ...METHOD.map((line) => `- ${line}`),
    '',
    markdownTable(['every injection', 'outage in ms'], outages),
  ].join('\n');
}

function rowOf(all: Injection[]): (string | number)[] {
  const counted = all.filter((injection) => injection.void.length === 0).map(({ outageMs }) => outageMs);
  const moved = all.filter(({ holderBefore, holderAfter }) => holderBefore !== holderAfter).length;
  return [
    (all[0] as Injection).kind,
    all.length,
    counted.length === 0 ? 'none' : tenths(quantile(counted, 0.5)),
    counted.length === 0 ? 'none' : tenths(Math.max(...counted)),
    Math.max(...all.map(({ maxSimultaneous }) => maxSimultaneous)),
    Math.max(...all.map(({ overlapMs }) => overlapMs)),
    all.length - counted.length,
    moved,
  ];
}
