import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../src/base/error.ts';
import { agentStatus, awaitSteady } from '../src/lab/drill/agents.ts';
import type { LabHost } from '../src/lab/host.ts';
import { STAND_IN } from '../src/lab/kubernetes/programs.ts';
import { createLab, type Lab } from '../src/lab/lab.ts';
import { cpuTimeNs } from './agent-process.ts';
import { markdownTable, tenths } from './machine.ts';

const STEADY_TIMEOUT_MS = 30_000;
const SPINNERS = 6;
const SAMPLE_EVERY_MS = 1000;
/** Looks up now and then, so that it does not spin for ever when its parent was killed. */
const SPIN = 'const parent = process.ppid; while (process.ppid === parent) for (let i = 0; i < 1e8; i++);';
const METRICS = 'fetch("http://127.0.0.1:7701/metrics").then(async (answer) => process.stdout.write(await answer.text()))';

export interface SteadyResult {
  minutes: number;
  profile: string;
  spinners: number;
  /** CPU time that the spinning processes got, in cores. */
  spinnerCores: number;
  holderBefore: string;
  holderAfter: string;
  /** Sum of hale_takeovers_total over all agents, at the end less at the start. */
  takeovers: number;
  /** Sum of hale_losses_total likewise. */
  losses: number;
  termBefore: number;
  termAfter: number;
  /** Once a second each agent was asked. */
  samples: number;
  /** Of these, those in which not exactly the first holder said that it holds the address. */
  samplesOtherwise: number;
  /** Smallest time left of the lease that the holder said; a renewal as late as this less would have lost it. */
  leaseRemainingMsMin: number;
  leaseMs: number;
  /** Whether every agent ran in a real-time class. */
  realtime: boolean;
}

export async function steady(options: { minutes: number; say: (line: string) => void; signal: AbortSignal }): Promise<SteadyResult> {
  const { minutes, say, signal } = options;
  const lab = await createLab({ name: `bench-${process.pid}`, kubernetes: STAND_IN, progress: say, signal });
  try {
    const holder = await awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS });
    const before = await readCounters(lab);
    say(`${holder.name} holds the address; ${SPINNERS} spinning processes for ${minutes} min`);
    const seen = await watchUnderLoad(lab, { holder, minutes, say, signal });
    const after = await readCounters(lab);
    return {
      minutes,
      profile: lab.plan.profile,
      spinners: SPINNERS,
      holderBefore: holder.name,
      holderAfter: (await awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS })).name,
      takeovers: after.takeovers - before.takeovers,
      losses: after.losses - before.losses,
      termBefore: before.term,
      termAfter: after.term,
      ...seen,
    };
  } finally {
    await lab.down();
  }
}

type Seen = Pick<SteadyResult, 'spinnerCores' | 'samples' | 'samplesOtherwise' | 'leaseRemainingMsMin' | 'leaseMs' | 'realtime'>;

async function watchUnderLoad(
  lab: Lab,
  options: { holder: LabHost; minutes: number; say: (line: string) => void; signal: AbortSignal },
): Promise<Seen> {
  const { holder, minutes, say, signal } = options;
  const seen: Seen = { spinnerCores: 0, samples: 0, samplesOtherwise: 0, leaseRemainingMsMin: Infinity, leaseMs: 0, realtime: true };
  const startMs = performance.now();
  const spinners = startSpinners();
  try {
    for (let nextMs = startMs + SAMPLE_EVERY_MS; nextMs <= startMs + minutes * 60_000; nextMs += SAMPLE_EVERY_MS) {
      await sleep(Math.max(0, nextMs - performance.now()), undefined, { signal });
      await sample(lab, holder, seen);
      if (seen.samples % 60 === 0)
        say(`${seen.samples / 60} of ${minutes} min: ${seen.samplesOtherwise} of ${seen.samples} samples not steady`);
    }
    const cpuNs = spinners.map((spinner) => cpuTimeNs(spinner.pid as number)).reduce((sum, ns) => sum + ns, 0);
    seen.spinnerCores = Math.round((cpuNs / 1e6 / (performance.now() - startMs)) * 100) / 100;
  } finally {
    for (const spinner of spinners) spinner.kill('SIGKILL');
  }
  return seen;
}

/** Each leads a session: with CONFIG_SCHED_AUTOGROUP they would otherwise share one process's part of the CPU. */
function startSpinners(): ChildProcess[] {
  return Array.from({ length: SPINNERS }, () => spawn(process.execPath, ['-e', SPIN], { detached: true, stdio: 'ignore' }));
}

async function sample(lab: Lab, holder: LabHost, seen: Seen): Promise<void> {
  const statuses = await Promise.all(lab.controlPlane.map((host) => agentStatus(host)));
  const holders = lab.controlPlane.filter((_, i) => statuses[i]?.role === 'holder');
  seen.samples++;
  if (holders.length !== 1 || holders[0]?.name !== holder.name) seen.samplesOtherwise++;
  for (const status of statuses) {
    if (status === undefined) continue;
    seen.leaseMs = status.leaseMs;
    seen.realtime &&= status.realtime;
    if (status.role === 'holder') seen.leaseRemainingMsMin = Math.min(seen.leaseRemainingMsMin, tenths(status.leaseRemainingMs ?? 0));
  }
}

async function readCounters(lab: Lab): Promise<{ takeovers: number; losses: number; term: number }> {
  const texts = await Promise.all(lab.controlPlane.map((host) => readMetrics(host)));
  const values = (name: string): number[] =>
    texts.flatMap((text) => [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].map((match) => Number(match[1])));
  const sum = (name: string): number => values(name).reduce((total, value) => total + value, 0);
  return { takeovers: sum('hale_takeovers_total'), losses: sum('hale_losses_total'), term: Math.max(...values('hale_lease_term')) };
}

/** They are served on the host's loopback only. */
async function readMetrics(host: LabHost): Promise<string> {
  const { code, stdout, stderr } = await host.exec([process.execPath, '-e', METRICS]);
  if (code === 0) return stdout;
  throw new HaleError({
    code: 'bench_metrics_unreadable',
    kind: 'world',
    message: `the metrics of the agent on ${host.name} cannot be read: ${stderr.trim()}`,
  });
}

export function renderSteady(result: SteadyResult): string {
  const rows = [
    ['takeovers (hale_takeovers_total)', `${result.takeovers}`],
    ['losses (hale_losses_total)', `${result.losses}`],
    ['term', `${result.termBefore} -> ${result.termAfter}`],
    ['holder', `${result.holderBefore} -> ${result.holderAfter}`],
    ['samples in which not exactly that holder held', `${result.samplesOtherwise} of ${result.samples}`],
    ['smallest time left of the lease in any sample', `${result.leaseRemainingMsMin} of ${result.leaseMs} ms`],
    ['CPU time the spinning processes got', `${result.spinnerCores} cores`],
    ['agents in a real-time class', result.realtime ? 'yes' : 'no'],
  ];
  return [
    `## Steady: ${result.minutes} min of ${result.spinners} spinning processes, profile ${result.profile}`,
    '',
    markdownTable(['', 'seen'], rows),
    '- Wanted: no change of holder. Each agent was asked once a second; the counters are those of /metrics before and after. Built programs.',
    '',
  ].join('\n');
}
