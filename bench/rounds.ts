/** Runs of subjects in turns, each in a lab of its own; one that was not steady before the fault is repeated. */
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../src/base/error.ts';
import type { LabHost } from '../src/lab/host.ts';
import { STAND_IN } from '../src/lab/kubernetes/programs.ts';
import { createLab, describeApiserver, type Lab, type LabOptions } from '../src/lab/lab.ts';

/** After everything is ready, for processes that have just started to come to rest. */
export const REST_MS = 1000;
const DISCARDS_IN_SEQUENCE_MAX = 5;

export interface LabSubject {
  name: string;
  lab: Pick<LabOptions, 'profile' | 'services' | 'datapath' | 'settings'>;
  /** Starts what the lab itself does not, waits for steady state, and returns the host that will be struck. */
  settle(lab: Lab): Promise<LabHost>;
}

export interface RoundsOptions {
  runs: number;
  /** Subjects whose name holds this text; all without it. */
  only?: string;
  say: (line: string) => void;
  signal: AbortSignal;
}

/** `unsteady`: the run counts for nothing, and what was wrong before the fault. */
export type Attempt<Run> = { run: Run; unsteady?: undefined } | { unsteady: string };

interface Work<Subject, Run> {
  subjects: readonly Subject[];
  /** In a lab at rest. */
  attempt(lab: Lab, context: { subject: Subject; host: LabHost }): Promise<Attempt<Run>>;
  describe(run: Run): string;
}

interface Collected<Subject, Run> {
  subject: Subject;
  runs: Run[];
  /** Runs repeated because there was no steady state before the fault. */
  discarded: number;
}

/** Throws HaleError `bench_not_steady`. */
export async function inRounds<Subject extends LabSubject, Run>(
  work: Work<Subject, Run>,
  { runs, only = '', say, signal }: RoundsOptions,
): Promise<{ apiserver: string; collected: Collected<Subject, Run>[] }> {
  const collected = work.subjects
    .filter(({ name }) => name.includes(only))
    .map((subject) => ({ subject, runs: [] as Run[], discarded: 0 }));
  let apiserver = '';
  const attempt = async (subject: Subject): Promise<Attempt<Run>> => {
    const lab = await createLab({ name: `bench-${process.pid}`, kubernetes: STAND_IN, ...subject.lab, signal });
    try {
      apiserver = describeApiserver(lab.plan);
      const host = await subject.settle(lab);
      await sleep(REST_MS, undefined, { signal });
      return await work.attempt(lab, { subject, host });
    } catch (error) {
      if (error instanceof HaleError && error.code === 'bench_peer_not_ready') return { unsteady: error.message };
      throw error;
    } finally {
      await lab.down();
    }
  };
  for (let round = 1; round <= runs; round++) {
    for (const entry of collected) {
      const { name } = entry.subject;
      const { run, discarded } = await untilSteady(name, { attempt: () => attempt(entry.subject), say });
      entry.runs.push(run);
      entry.discarded += discarded;
      say(`round ${round} of ${runs}, ${name}: ${work.describe(run)}`);
    }
  }
  return { apiserver, collected };
}

async function untilSteady<Run>(
  name: string,
  { attempt, say }: { attempt: () => Promise<Attempt<Run>>; say: (line: string) => void },
): Promise<{ run: Run; discarded: number }> {
  for (let discarded = 0; discarded < DISCARDS_IN_SEQUENCE_MAX; discarded++) {
    const made = await attempt();
    if (made.unsteady === undefined) return { run: made.run, discarded };
    say(`${name}: no steady state before the fault (${made.unsteady}); once more`);
  }
  throw new HaleError({
    code: 'bench_not_steady',
    kind: 'world',
    message: `${name}: no steady state before the fault in ${DISCARDS_IN_SEQUENCE_MAX} runs in sequence`,
    remedy: 'run the bench on a machine with nothing else to do',
  });
}
