import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../src/base/error.ts';
import { median } from '../src/base/stats.ts';
import { PROBE_INTERVAL_MS } from '../src/lab/drill/instruments.ts';
import type { Fault } from '../src/lab/faults/effects.ts';
import type { LabHost } from '../src/lab/host.ts';
import { STAND_IN } from '../src/lab/kubernetes/programs.ts';
import { createLab, describeApiserver, type Lab, type LabOptions } from '../src/lab/lab.ts';
import { markdownTable, type Summary, summarize, tenths } from './machine.ts';
import { OBSERVE_MS, PHASE_MS, type Strike, strike, WARM_UP_MS } from './strike.ts';

/** After everything is ready, for processes that have just started to come to rest. */
const REST_MS = 1000;
const DISCARDS_IN_SEQUENCE_MAX = 5;

/** What is compared, by this machinery. */
export interface Suite {
  /** Of the section of results. */
  title: string;
  subjects: readonly Subject[];
  /** How the subjects are made, beside what is so for all suites. */
  method: readonly string[];
}

export interface Subject {
  name: string;
  /** What issue or documentation promises of the median, in words; empty for no promise. */
  wanted: string;
  fault: Fault;
  lab: Pick<LabOptions, 'profile' | 'services' | 'datapath' | 'settings'>;
  /** Starts what the lab itself does not, waits for steady state, and returns the holder. */
  settle(lab: Lab): Promise<LabHost>;
}

interface Run {
  outageMs: number;
  /** When the outage began, counted from the fault. */
  outageFromMs: number;
  moveGapMs: number;
  quietGapMs: number;
  requests: number;
  failed: number;
  maxSimultaneous: number;
  overlapMs: number;
  holderBefore: string | null;
  /** Who answered next, whether or not the one before fell silent; null when nobody did. */
  holderNext: string | null;
  /** How late the probe itself was at worst. */
  probeLagMs: number;
}

interface SubjectResult {
  name: string;
  wanted: string;
  /** Runs repeated because there was no steady state before the fault. */
  discarded: number;
  outageMs: Summary;
  moveGapMs: Summary;
  failed: Summary;
  maxSimultaneous: number;
  overlapMs: Summary;
  /** Runs in which no other host took the address. */
  notMoved: number;
  quietGapMsMedian: number;
  probeLagMsMax: number;
  runs: Run[];
}

export interface FailoverResult {
  title: string;
  method: string[];
  runs: number;
  apiserver: string;
  subjects: SubjectResult[];
}

const METHOD = [
  'Crash: the port of the holder at the switch goes down, then all its processes are killed.',
  `A client opens a new TLS connection every ${PROBE_INTERVAL_MS} ms, asks /livez and closes it; a request without an answer after 1 s has failed. ` +
    'Outage: the longest time between the ends of two successful requests one after the other of which the later ended after the fault.',
  'Around the move: the same, only from the fault until the next holder was first seen by others, so that a later stall of the machine does not pass for a part of a short outage. ' +
    'Longest gap before the fault: the same in the second or two before it, when nothing happens.',
  `Holders at once: from the client's side, by who answers ARP for the address and who accepts TCP for it. Failed: within ${OBSERVE_MS / 1000} s of the fault.`,
  'Every run has a lab of its own: 3 hosts with real etcd (mutual TLS) and an API server, and a client. One lab at a time: the agents, etcd members and API servers of ' +
    'idle labs would take CPU time from the one that is measured. The runs are interleaved, one of each subject, then the next round.',
  `The fault comes ${(REST_MS + WARM_UP_MS) / 1000} s after steady state plus a random time up to ${PHASE_MS / 1000} s. A run in which a request failed before the fault is discarded and repeated.`,
  'Agents, API servers and probe are the built programs.',
];

export async function failover(options: {
  suite: Suite;
  runs: number;
  /** Those whose name holds this text; all without it. */
  only?: string;
  say: (line: string) => void;
  signal: AbortSignal;
}): Promise<FailoverResult> {
  const { suite, runs, only = '', say, signal } = options;
  const collected = suite.subjects
    .filter(({ name }) => name.includes(only))
    .map((subject) => ({ subject, runs: [] as Run[], discarded: 0 }));
  let apiserver = '';
  for (let round = 1; round <= runs; round++) {
    for (const entry of collected) {
      const seen = await runUntilSteady(entry.subject, { signal, say });
      apiserver = seen.apiserver;
      entry.runs.push(seen.run);
      entry.discarded += seen.discarded;
      const { outageMs, failed, maxSimultaneous } = seen.run;
      say(`round ${round} of ${runs}, ${entry.subject.name}: ${outageMs} ms, ${failed} failed, at most ${maxSimultaneous} at once`);
    }
  }
  const subjects = collected.map(({ subject, runs: values, discarded }) => conclude(subject, values, discarded));
  return { title: suite.title, method: [...METHOD, ...suite.method], runs, apiserver, subjects };
}

type Context = { signal: AbortSignal; say: (line: string) => void };

async function runUntilSteady(subject: Subject, { signal, say }: Context): Promise<{ run: Run; discarded: number; apiserver: string }> {
  for (let discarded = 0; discarded < DISCARDS_IN_SEQUENCE_MAX; discarded++) {
    const { measurement, apiserver } = await runOnce(subject, signal);
    const { holderBefore, requests } = measurement;
    if (holderBefore !== null && requests.failedBeforeFault === 0) return { run: runOf(measurement), discarded, apiserver };
    say(
      `${subject.name}: no steady state before the fault (holder ${holderBefore}, ${requests.failedBeforeFault} requests failed); once more`,
    );
  }
  throw new HaleError({
    code: 'bench_not_steady',
    kind: 'world',
    message: `${subject.name}: no steady state before the fault in ${DISCARDS_IN_SEQUENCE_MAX} runs in sequence`,
    remedy: 'run the bench on a machine with nothing else to do',
  });
}

async function runOnce(subject: Subject, signal: AbortSignal): Promise<{ measurement: Strike; apiserver: string }> {
  const lab = await createLab({ name: `bench-${process.pid}`, kubernetes: STAND_IN, ...subject.lab, signal });
  try {
    const holder = await subject.settle(lab);
    await sleep(REST_MS, undefined, { signal });
    return { measurement: await strike(lab, { fault: subject.fault, holder, signal }), apiserver: describeApiserver(lab.plan) };
  } finally {
    await lab.down();
  }
}

function runOf(measurement: Strike): Run {
  const { faultMs, outage, requests, holders, holderBefore, holderNext, probeLagMs, moveGapMs, quiet } = measurement;
  return {
    outageMs: tenths(outage.outageMs),
    outageFromMs: tenths(outage.startMs - faultMs),
    moveGapMs: tenths(moveGapMs),
    quietGapMs: tenths(quiet.gapMs),
    requests: requests.total,
    failed: requests.failed,
    maxSimultaneous: holders.maxSimultaneous,
    overlapMs: tenths(holders.overlapMs),
    holderBefore,
    holderNext,
    probeLagMs: tenths(probeLagMs),
  };
}

function conclude({ name, wanted }: Subject, runs: Run[], discarded: number): SubjectResult {
  return {
    name,
    wanted,
    discarded,
    outageMs: summarize(runs.map((run) => run.outageMs)),
    moveGapMs: summarize(runs.map((run) => run.moveGapMs)),
    failed: summarize(runs.map((run) => run.failed)),
    maxSimultaneous: Math.max(...runs.map((run) => run.maxSimultaneous)),
    overlapMs: summarize(runs.map((run) => run.overlapMs)),
    notMoved: runs.filter(({ holderNext }) => holderNext === null).length,
    quietGapMsMedian: tenths(median(runs.map((run) => run.quietGapMs))),
    probeLagMsMax: Math.max(...runs.map((run) => run.probeLagMs)),
    runs,
  };
}

export function renderFailover(result: FailoverResult): string {
  const { title, subjects, runs, apiserver, method } = result;
  const outage = subjects.map(({ name, outageMs: o, wanted }) => [name, o.median, o.p10, o.p90, o.max, wanted]);
  const move = subjects.map(({ name, moveGapMs: m }) => [name, m.median, m.p10, m.p90, m.max]);
  const rest = subjects.map((s) => [
    s.name,
    s.failed.median,
    s.failed.max,
    s.maxSimultaneous,
    s.overlapMs.median,
    s.overlapMs.max,
    s.notMoved,
    s.discarded,
  ]);
  const rig = subjects.map((s) => [s.name, s.quietGapMsMedian, s.probeLagMsMax]);
  const values = subjects.map((s) => [s.name, list(s, 'outageMs'), list(s, 'moveGapMs'), list(s, 'failed'), list(s, 'overlapMs')]);
  const restHead = [
    'failed, median',
    'failed, max',
    'holders at once, max',
    'overlap, median ms',
    'overlap, max ms',
    'not moved',
    'discarded',
  ];
  return [
    `## ${title}: outage at the client, runs of each subject: ${runs}, API server: ${apiserver}`,
    '',
    markdownTable(['outage in ms', 'median', 'p10', 'p90', 'max', 'wanted median'], outage),
    markdownTable(['of it around the move, in ms', 'median', 'p10', 'p90', 'max'], move),
    markdownTable(['requests and holders', ...restHead], rest),
    markdownTable(['the rig itself', 'longest gap before the fault, median ms', 'probe late, max ms'], rig),
    markdownTable(['every run', 'outage in ms', 'around the move in ms', 'failed requests', 'overlap in ms'], values),
    ...method.map((line) => `- ${line}`),
    '',
  ].join('\n');
}

function list({ runs }: SubjectResult, key: 'outageMs' | 'moveGapMs' | 'failed' | 'overlapMs'): string {
  return runs.map((run) => run[key]).join(', ');
}
