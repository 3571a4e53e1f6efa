/** A real control plane whose address loses its holder: what every kind of client goes through, with hale and with its peers; and how long the control plane takes to start. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { HaleError } from '../src/base/error.ts';
import { packageFolder } from '../src/drivers/program.ts';
import { describeApiserver } from '../src/lab/lab.ts';
import { findKubernetes } from '../src/lab/kubernetes/programs.ts';
import { crashHolder } from './kubernetes/crash.ts';
import { findKubeVip } from './kubernetes/kube-vip.ts';
import { METHOD, renderSubjects } from './kubernetes/render.ts';
import { conclude, runOf, type Run, type SubjectResult } from './kubernetes/result.ts';
import { startLab, type StartTimes } from './kubernetes/start.ts';
import { type Subject, subjects } from './kubernetes/subjects.ts';

/** After everything is ready, for processes that have just started to come to rest. */
const REST_MS = 5000;
const DISCARDS_IN_SEQUENCE_MAX = 5;

export interface KubernetesResult {
  method: string[];
  runs: number;
  apiserver: string;
  /** Null where it could not be built. */
  kubeVip: string | null;
  subjects: SubjectResult[];
}

interface Options {
  runs: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

/** Throws HaleError `bench_no_kubernetes` where there is no kube-apiserver, `bench_not_steady`. */
export async function kubernetes({ runs, say, signal }: Options): Promise<KubernetesResult> {
  await getPrograms(say);
  const found = await findKubernetes(undefined);
  if ('missing' in found) throw noKubernetes(found.missing);
  const kubeVip = await findKubeVip();
  const collected = subjects(kubeVip).map((subject) => ({ subject, runs: [] as Run[], starts: [] as StartTimes[], discarded: 0 }));
  let apiserver = '';
  for (let round = 0; round < runs; round++) {
    // Each begins a round in turn: the machine may not be the same at its beginning and at its end.
    for (let turn = 0; turn < collected.length; turn++) {
      const entry = collected[(round + turn) % collected.length] as (typeof collected)[number];
      const seen = await runUntilSteady(entry.subject, { say, signal });
      apiserver = seen.apiserver;
      entry.runs.push(seen.run);
      entry.starts.push(...seen.starts);
      entry.discarded += seen.starts.length - 1;
      say(`run ${round + 1} of ${runs}, ${entry.subject.name}: ${describe(seen.run)}`);
    }
  }
  return { method: METHOD, runs, apiserver, kubeVip: kubeVip?.version ?? null, subjects: collected.map(conclude) };
}

/** What is there already takes a moment; what cannot be had is said, and shows in what is found afterwards. */
async function getPrograms(say: Options['say']): Promise<void> {
  const get = [join(packageFolder, 'scripts/kubernetes-get.ts'), 'kube-vip'];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, get).catch((error: { stdout: string; stderr: string }) => error);
  say(`${stdout}${stderr}`.trim());
}

type Context = Pick<Options, 'say' | 'signal'>;

async function runUntilSteady(subject: Subject, context: Context): Promise<{ run: Run; starts: StartTimes[]; apiserver: string }> {
  const starts: StartTimes[] = [];
  while (starts.length < DISCARDS_IN_SEQUENCE_MAX) {
    const { run, times, apiserver } = await runOnce(subject, context.signal);
    starts.push(times);
    if (run.holderBefore !== null && run.failedBefore === 0) return { run, starts, apiserver };
    context.say(
      `${subject.name}: no steady state before the fault (holder ${run.holderBefore}, ${run.failedBefore} requests failed); once more`,
    );
  }
  throw new HaleError({
    code: 'bench_not_steady',
    kind: 'world',
    message: `${subject.name}: no steady state before the fault in ${DISCARDS_IN_SEQUENCE_MAX} runs in sequence`,
    remedy: 'run the bench on a machine with nothing else to do',
  });
}

async function runOnce(subject: Subject, signal: AbortSignal): Promise<{ run: Run; times: StartTimes; apiserver: string }> {
  const { lab, holder, times } = await startLab({ name: `bench-${process.pid}`, ...subject.lab, signal }, subject.settle);
  try {
    await sleep(REST_MS, undefined, { signal });
    const crash = await crashHolder(lab, { holder, datapath: subject.datapath, signal });
    return { run: runOf(crash), times, apiserver: describeApiserver(lab.plan) };
  } finally {
    await lab.down();
  }
}

function describe({ outageMs, failed, keptMs, watchesLost, unheardMs, lostWrites, lostEvents, overlapMs, moved }: Run): string {
  const kept = `kept GETs ${keptMs.median} ms, at worst ${keptMs.max} ms`;
  const watches = `${watchesLost} watches lost${unheardMs.max === null ? '' : `, at worst for ${unheardMs.max} ms`}`;
  const ledger = `lost: ${lostWrites} writes, ${lostEvents} events`;
  return `${outageMs} ms, ${failed} failed; ${kept}; ${watches}; ${ledger}; two holders for ${overlapMs} ms${moved ? '' : '; NOT MOVED'}`;
}

export function renderKubernetes(result: KubernetesResult): string {
  const { runs, apiserver, kubeVip, method } = result;
  const versions = `API server: ${apiserver}, kube-vip: ${kubeVip ?? 'absent, it could not be built'}`;
  return [
    `## Real Kubernetes: the holder of the address crashes, runs of each subject: ${runs}, ${versions}`,
    '',
    ...renderSubjects(result.subjects),
    ...method.map((line) => `- ${line}`),
    '',
  ].join('\n');
}

function noKubernetes(reason: string): HaleError {
  return new HaleError({
    code: 'bench_no_kubernetes',
    kind: 'world',
    message: `there is no kube-apiserver to measure with: ${reason}`,
    remedy: 'npm run kubernetes:get',
  });
}
