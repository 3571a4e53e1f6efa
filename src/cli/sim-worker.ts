/** A thread of `hale sim`: runs the seeds it is given, and shrinks those that fail. */
import { parentPort } from 'node:worker_threads';
import { generateLife, generateScenario } from '../sim/generate.ts';
import type { ViolationKind } from '../sim/monitor.ts';
import { runScenario } from '../sim/run.ts';
import { shrink } from '../sim/shrink.ts';
import { emptyTally, type SimFailure, type SimJob, type SimTally } from './sim-job.ts';

/** Where everything fails, as with clocks beyond the bound, the first shrunk scenarios tell enough. */
const SHRUNK_MAX = 3;

const port = parentPort;
if (port === null) throw new Error('this file is a thread of hale sim; it is not run by itself');
let shrunk = 0;

port.on('message', (job: SimJob) => {
  const before = process.threadCpuUsage();
  const tally = emptyTally();
  for (let seed = job.firstSeed; seed < job.firstSeed + job.count; seed++) runOne(job, seed, tally);
  const { user, system } = process.threadCpuUsage(before);
  tally.busyMs = (user + system) / 1000;
  port.postMessage(tally);
});

function runOne(job: SimJob, seed: number, tally: SimTally): void {
  const options = { seed, ...(job.drift !== undefined && { driftBound: job.drift }) };
  const scenario = job.life ? generateLife(options) : generateScenario(options);
  const result = runScenario(scenario);
  tally.seeds++;
  tally.simulatedMs += result.simulatedMs;
  tally.violations += result.violations.length;
  tally.moves += result.moves;
  tally.maxRecoveryMs = Math.max(tally.maxRecoveryMs, result.maxRecoveryMs);
  tally.maxHandoverGapMs = Math.max(tally.maxHandoverGapMs, result.maxHandoverGapMs);
  if (result.violations.length === 0) return;
  const kinds = result.violations.map(({ kind }) => kind);
  const failure: SimFailure = { seed, violations: result.violations.map(({ text }) => text), scenario: undefined, trace: [] };
  if (shrunk < SHRUNK_MAX) {
    shrunk++;
    failure.scenario = shrink(scenario, kinds.find((kind) => kind === 'two-answer') ?? (kinds[0] as ViolationKind));
    runScenario(failure.scenario, (line) => failure.trace.push(line));
  }
  tally.failures.push(failure);
}
