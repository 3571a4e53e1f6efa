import { setTimeout as sleep } from 'node:timers/promises';
import { awaitSteady } from '../src/lab/drill/agents.ts';
import { STAND_IN } from '../src/lab/kubernetes/programs.ts';
import { createLab } from '../src/lab/lab.ts';
import { agentPid, cpuTimeNs, guardianPid, type Memory, memoryOf } from './agent-process.ts';
import { markdownTable, tenths } from './machine.ts';

const STEADY_TIMEOUT_MS = 30_000;
/** For what an agent does only once: compiling, first connections. */
const REST_MS = 10_000;
const WATCH_MS = 60_000;

interface Use extends Memory {
  host: string;
  process: 'holder' | 'follower' | 'guardian';
  /** Of one core. */
  cpuPercent: number;
}

export interface IdleResult {
  seconds: number;
  profile: string;
  /** False when the address moved meanwhile, and the roles are those of the end only. */
  holderStayed: boolean;
  uses: Use[];
}

export async function idle(options: { say: (line: string) => void; signal: AbortSignal }): Promise<IdleResult> {
  const { say, signal } = options;
  const lab = await createLab({ name: `bench-${process.pid}`, kubernetes: STAND_IN, progress: say, signal });
  try {
    const before = await awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS });
    await sleep(REST_MS, undefined, { signal });
    say(`watching idle agents for ${WATCH_MS / 1000} s`);
    const agents = lab.controlPlane.map(agentPid);
    const pids = [...agents, ...agents.map(guardianPid)];
    const startMs = performance.now();
    const startNs = pids.map(cpuTimeNs);
    await sleep(WATCH_MS, undefined, { signal });
    const wallNs = (performance.now() - startMs) * 1e6;
    const usedNs = pids.map((pid, i) => cpuTimeNs(pid) - (startNs[i] as number));
    const memory = pids.map(memoryOf);
    const after = await awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS });
    return {
      seconds: WATCH_MS / 1000,
      profile: lab.plan.profile,
      holderStayed: before.name === after.name,
      uses: memory.map((used, i) => {
        const host = lab.controlPlane[i % agents.length]?.name as string;
        const process = i >= agents.length ? 'guardian' : host === after.name ? 'holder' : 'follower';
        return { host, process, ...used, cpuPercent: Math.round(((usedNs[i] as number) / wallNs) * 10_000) / 100 };
      }),
    };
  } finally {
    await lab.down();
  }
}

export function renderIdle({ uses, seconds, profile, holderStayed }: IdleResult): string {
  const rows = uses.map((use) => [
    use.host,
    use.process,
    ...[use.residentMiB, use.peakMiB, use.proportionalMiB, use.privateMiB].map(tenths),
    use.cpuPercent,
  ]);
  const head = ['host', 'process', 'resident MiB', 'peak MiB', 'proportional MiB', 'private MiB', 'CPU, % of a core'];
  return [
    `## Idle: agents of profile ${profile} with no client, ${seconds} s`,
    '',
    markdownTable(head, rows),
    '- Wanted of an agent: at most 96 MB resident and 2 %. Built programs; CPU time of all threads from /proc/PID/task/*/schedstat, memory at the end, resident from VmRSS, the others from smaps_rollup: a page that several processes share counts in full, in part, or not at all.',
    `- ${holderStayed ? 'The holder stayed the same.' : 'The address moved meanwhile: the roles are those of the end.'}`,
    '',
  ].join('\n');
}
