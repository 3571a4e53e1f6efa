/** Outage at the client when the holder of the address dies, for subjects of any make. */
import { median } from '../src/base/stats.ts';
import { PROBE_INTERVAL_MS } from '../src/lab/drill/instruments.ts';
import type { Fault } from '../src/lab/faults/effects.ts';
import { markdownTable, type Summary, summarize, tenths } from './machine.ts';
import { type Attempt, inRounds, type LabSubject, REST_MS, type RoundsOptions } from './rounds.ts';
import { OBSERVE_MS, PHASE_MS, type Strike, strike, WARM_UP_MS } from './strike.ts';

/** What is compared, by this machinery. */
export interface Suite {
  /** Of the section of results. */
  title: string;
  subjects: readonly Subject[];
  /** How the subjects are made, beside what is so for all suites. */
  method: readonly string[];
}

export interface Subject extends LabSubject {
  /** What issue or documentation promises of the median, in words; empty for no promise. */
  wanted: string;
  fault: Fault;
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

export async function failover({ suite, ...options }: RoundsOptions & { suite: Suite }): Promise<FailoverResult> {
  const { signal } = options;
  const { apiserver, collected } = await inRounds(
    {
      subjects: suite.subjects,
      attempt: async (lab, { subject, host }) => judge(await strike(lab, { fault: subject.fault, holder: host, signal })),
      describe: ({ outageMs, failed, maxSimultaneous }: Run) => `${outageMs} ms, ${failed} failed, at most ${maxSimultaneous} at once`,
    },
    options,
  );
  const subjects = collected.map(({ subject, runs, discarded }) => conclude(subject, runs, discarded));
  return { title: suite.title, method: [...METHOD, ...suite.method], runs: options.runs, apiserver, subjects };
}

function judge(measurement: Strike): Attempt<Run> {
  const { holderBefore, requests } = measurement;
  const isSteady = holderBefore !== null && requests.failedBeforeFault === 0;
  if (isSteady) return { run: runOf(measurement) };
  return { unsteady: `holder ${holderBefore}, ${requests.failedBeforeFault} requests failed` };
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
