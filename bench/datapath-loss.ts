/** What connections go through when a host or an API server dies, with each datapath and with keepalived in front of HAProxy. */
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../src/base/stats.ts';
import { awaitSteady } from '../src/lab/drill/agents.ts';
import type { LabHost } from '../src/lab/host.ts';
import { STAND_IN } from '../src/lab/kubernetes/programs.ts';
import { createLab, describeApiserver, type Lab, type LabOptions } from '../src/lab/lab.ts';
import type { LabDatapath } from '../src/lab/plan.ts';
import { startKeepalived } from './keepalived.ts';
import {
  ASK_EVERY_MS,
  CLIENTS_EACH,
  CONNECT_EVERY_MS,
  CONNECT_TIMEOUT_MS,
  type Context,
  type Crash,
  crashHolder,
  type Kill,
  killApiserver,
  OBSERVE_MS,
} from './loss/scenarios.ts';
import { markdownTable, tenths } from './machine.ts';

const STEADY_TIMEOUT_MS = 30_000;
/** After everything is ready, for processes that have just started to come to rest. */
const REST_MS = 1000;

interface Subject {
  name: string;
  lab: Pick<LabOptions, 'datapath' | 'services'>;
  /** Starts what the lab itself does not, waits for steady state, and returns the holder. */
  settle(lab: Lab): Promise<LabHost>;
}

const SUBJECTS: readonly Subject[] = [
  haleSubject('dsr'),
  haleSubject('nat'),
  haleSubject('proxy'),
  {
    name: 'keepalived',
    lab: { services: ['etcd', 'apiserver'], datapath: 'proxy' },
    settle: (lab) => startKeepalived(lab, { version: 2, advertInterval: 1 }),
  },
];

function haleSubject(name: LabDatapath): Subject {
  return { name, lab: { datapath: name }, settle: (lab) => awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS }) };
}

interface Entry {
  crashes: Crash[];
  kills: Kill[];
}

export interface LossResult {
  method: string[];
  runs: number;
  apiserver: string;
  subjects: Record<string, Entry>;
}

const METHOD = [
  `Every run has two labs of its own for each subject: 3 hosts with real etcd and an API server, and a client. In one the holder crashes (its port at the switch goes down, then its processes are killed); in the other an API server is killed with -9: that of the holder itself and that of another host in turn.`,
  `Crash: ${CLIENTS_EACH} active long-lived TLS connections, which ask again ${ASK_EVERY_MS} ms after the last question or when it is answered, and ${CLIENTS_EACH} idle ones, which send nothing after their first answer, not even keep-alives. ` +
    `${OBSERVE_MS / 1000} s after the fault each that was not reset is asked: answered is kept, not answered, or reset only then, is hung.`,
  'Kept: of the connections to API servers that live. Told after: from the decision until the connection was reset or closed at the client; negative is before it. The decision is the first line "backend changed" of a surviving agent that calls the dead host dead, in milliseconds of its clock. keepalived and HAProxy decide nothing of the kind: from the fault.',
  `Elsewhere after: a new connection every ${CONNECT_EVERY_MS} ms, each of which sends a ClientHello that no server accepts, and has to get a byte (a TLS alert) within ${CONNECT_TIMEOUT_MS / 1000} s, because a proxy accepts before it has a backend. From the fault to the start of the first one after which none fails.`,
  'keepalived: Debian package, VRRPv2, 1 s, with HAProxy as in the documentation of kubeadm. Agents have the profile default.',
];

interface Options {
  runs: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

export async function datapathLoss({ runs, say, signal }: Options): Promise<LossResult> {
  const collected = SUBJECTS.map((subject) => ({ subject, crashes: [] as Crash[], kills: [] as Kill[] }));
  let apiserver = '';
  const inLab = async <T>(subject: Subject, scenario: (lab: Lab, context: Context) => Promise<T>): Promise<T> => {
    const lab = await createLab({ name: `bench-${process.pid}`, kubernetes: STAND_IN, ...subject.lab, signal });
    try {
      apiserver = describeApiserver(lab.plan);
      const holder = await subject.settle(lab);
      await sleep(REST_MS, undefined, { signal });
      return await scenario(lab, { holder, signal });
    } finally {
      await lab.down();
    }
  };
  for (let round = 0; round < runs; round++) {
    for (let turn = 0; turn < collected.length; turn++) {
      const { subject, crashes, kills } = collected[(round + turn) % collected.length] as (typeof collected)[number];
      const crashed = await inLab(subject, crashHolder);
      crashes.push(crashed);
      say(`run ${round + 1} of ${runs}, ${subject.name}, crash: ${describeCrash(crashed)}`);
      const killed = await inLab(subject, (lab, context) => killApiserver(lab, { ...context, victim: round % 2 === 0 ? 'other' : 'own' }));
      kills.push(killed);
      say(`run ${round + 1} of ${runs}, ${subject.name}, API server killed: ${describeKill(killed)}`);
    }
  }
  const subjects = Object.fromEntries(collected.map(({ subject, crashes, kills }) => [subject.name, { crashes, kills }]));
  return { method: METHOD, runs, apiserver, subjects };
}

function describeCrash({ survivors, kept, reset, hungActive, hungIdle, decidedMs, activeMs, idleMs }: Crash): string {
  const decided = decidedMs === null ? 'no decision' : `decided after ${decidedMs} ms`;
  return `kept ${kept} of ${survivors}, ${reset} reset, ${hungActive} + ${hungIdle} hung, ${decided}, told after ${medianText(activeMs)} (active), ${medianText(idleMs)} (idle) ms`;
}

function describeKill({ victim, elsewhereMs, failed, failedBefore }: Kill): string {
  const before = failedBefore === 0 ? '' : `, ${failedBefore} FAILED BEFORE`;
  return `${victim === 'own' ? "the holder's" : "another host's"}, elsewhere after ${elsewhereMs === null ? 'the end' : tenths(elsewhereMs)} ms, ${failed} failed${before}`;
}

export function renderLoss({ subjects, runs, apiserver, method }: LossResult): string {
  const entries = Object.entries(subjects);
  const killed = entries.flatMap(([name, { kills }]) => [
    { name: `${name}, another host's`, of: kills.filter(({ victim }) => victim === 'other') },
    { name: `${name}, the holder's own`, of: kills.filter(({ victim }) => victim === 'own') },
  ]);
  const crashHead = [
    'kept on survivors, %',
    'reset',
    'hung, active',
    'hung, idle',
    'decided after, ms',
    'active told after, ms',
    'max',
    'idle told after, ms',
    'max',
  ];
  const killHead = ['elsewhere after, ms', 'max', 'failed connections', 'failed before the fault', 'longest gap between two, ms'];
  return [
    `## Loss: what connections go through, runs of each subject: ${runs}, API server: ${apiserver}`,
    '',
    markdownTable(
      ['the holder crashes', ...crashHead],
      entries.map(([name, { crashes }]) => crashRow(name, crashes)),
    ),
    markdownTable(
      ['an API server is killed', ...killHead],
      killed.filter(({ of }) => of.length > 0).map(({ name, of }) => killRow(name, of)),
    ),
    ...method.map((line) => `- ${line}`),
    '',
  ].join('\n');
}

/** Counts are sums of all runs; times are medians over all clients of all runs. */
function crashRow(name: string, crashes: readonly Crash[]): (string | number)[] {
  const total = (key: 'survivors' | 'kept' | 'reset' | 'hungActive' | 'hungIdle'): number =>
    crashes.reduce((sum, run) => sum + run[key], 0);
  const decided = crashes.flatMap(({ decidedMs }) => decidedMs ?? []);
  const told = [crashes.flatMap(({ activeMs }) => activeMs), crashes.flatMap(({ idleMs }) => idleMs)];
  const times = told.flatMap((values) => [medianText(values), maxText(values)]);
  return [
    name,
    percent(total('kept'), total('survivors')),
    total('reset'),
    total('hungActive'),
    total('hungIdle'),
    medianText(decided),
    ...times,
  ];
}

function killRow(name: string, kills: readonly Kill[]): (string | number)[] {
  // A run in which connections failed to the end counts as longer than any.
  const times = kills.map(({ elsewhereMs }) => elsewhereMs ?? Number.POSITIVE_INFINITY);
  const failed = median(kills.map((run) => run.failed));
  const failedBefore = kills.reduce((sum, run) => sum + run.failedBefore, 0);
  const gap = Math.max(...kills.map(({ gapMs }) => gapMs));
  return [name, medianText(times), maxText(times), tenths(failed), failedBefore, tenths(gap)];
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : tenths((100 * part) / whole);
}

function medianText(values: readonly number[]): string {
  return values.length === 0 ? '-' : String(tenths(median(values)));
}

function maxText(values: readonly number[]): string {
  return values.length === 0 ? '-' : String(tenths(Math.max(...values)));
}
