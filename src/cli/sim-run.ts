import { Worker } from 'node:worker_threads';
import { programFile } from '../drivers/program.ts';
import { addTally, emptyTally, type SimJob, type SimTally } from './sim-job.ts';

export interface SimRunOptions {
  firstSeed: number;
  /** How many seeds, or how much cluster time. */
  goal: { seeds: number } | { simulatedMs: number };
  drift: number | undefined;
  /** Long lives. */
  life: boolean;
  threads: number;
  signal: AbortSignal;
  onProgress: (sum: SimTally) => void;
}

/** Enough to keep a thread busy for about a second, and few enough to end soon after Ctrl-C. */
const SEEDS_A_JOB = 100;

/** Runs seeds in threads until the goal is reached or the signal comes; what was finished until then is in the tally. */
export async function runSeeds(options: SimRunOptions): Promise<SimTally> {
  const { goal, firstSeed, drift, life, threads, signal, onProgress } = options;
  const sum = emptyTally();
  let handedOut = 0;
  const nextJob = (): SimJob | undefined => {
    const left = 'seeds' in goal ? goal.seeds - handedOut : sum.simulatedMs < goal.simulatedMs ? 1 : 0;
    if (signal.aborted || left <= 0) return undefined;
    const count = life ? 1 : Math.min(SEEDS_A_JOB, left);
    const job = { firstSeed: firstSeed + handedOut, count, drift, life };
    handedOut += count;
    return job;
  };
  const onTally = (tally: SimTally) => {
    addTally(sum, tally);
    onProgress(sum);
  };
  await Promise.all(Array.from({ length: threads }, () => work({ nextJob, onTally, signal })));
  sum.failures.sort((a, b) => a.seed - b.seed);
  return sum;
}

/** One thread, from its first job to its last. */
async function work(options: {
  nextJob: () => SimJob | undefined;
  onTally: (tally: SimTally) => void;
  signal: AbortSignal;
}): Promise<void> {
  const { nextJob, onTally, signal } = options;
  const first = nextJob();
  if (first === undefined) return;
  const worker = new Worker(programFile('cli/sim-worker'));
  try {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      worker.on('error', reject);
      worker.on('message', (tally: SimTally) => {
        onTally(tally);
        const next = nextJob();
        if (next === undefined) resolve();
        else worker.postMessage(next);
      });
      worker.postMessage(first);
    });
  } finally {
    await worker.terminate();
  }
}
