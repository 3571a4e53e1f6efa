import { setTimeout as sleep } from 'node:timers/promises';
import { awaitSteady } from '../src/lab/drill/agents.ts';
import { createLab } from '../src/lab/lab.ts';
import { agentPid, cpuTimeNs, residentMiB } from './agent-process.ts';
import { markdownTable, tenths } from './machine.ts';

const STEADY_TIMEOUT_MS = 30_000;
/** For what an agent does only once: compiling, first connections. */
const REST_MS = 10_000;
const WATCH_MS = 60_000;

interface AgentUse {
  host: string;
  role: 'holder' | 'follower';
  residentMiB: number;
  peakMiB: number;
  /** Of one core. */
  cpuPercent: number;
}

export interface IdleResult {
  seconds: number;
  profile: string;
  /** False when the address moved meanwhile, and the roles are those of the end only. */
  holderStayed: boolean;
  agents: AgentUse[];
}

export async function idle(options: { say: (line: string) => void; signal: AbortSignal }): Promise<IdleResult> {
  const { say, signal } = options;
  const lab = await createLab({ name: `bench-${process.pid}`, progress: say, signal });
  try {
    const before = await awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS });
    await sleep(REST_MS, undefined, { signal });
    say(`watching idle agents for ${WATCH_MS / 1000} s`);
    const pids = lab.controlPlane.map(agentPid);
    const startMs = performance.now();
    const startNs = pids.map(cpuTimeNs);
    await sleep(WATCH_MS, undefined, { signal });
    const wallNs = (performance.now() - startMs) * 1e6;
    const usedNs = pids.map((pid, i) => cpuTimeNs(pid) - (startNs[i] as number));
    const resident = pids.map(residentMiB);
    const after = await awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS });
    return {
      seconds: WATCH_MS / 1000,
      profile: lab.plan.profile,
      holderStayed: before.name === after.name,
      agents: lab.controlPlane.map((host, i) => ({
        host: host.name,
        role: host.name === after.name ? 'holder' : 'follower',
        residentMiB: tenths(resident[i]?.now as number),
        peakMiB: tenths(resident[i]?.peak as number),
        cpuPercent: Math.round(((usedNs[i] as number) / wallNs) * 10_000) / 100,
      })),
    };
  } finally {
    await lab.down();
  }
}

export function renderIdle({ agents, seconds, profile, holderStayed }: IdleResult): string {
  const rows = agents.map((agent) => [agent.host, agent.role, agent.residentMiB, agent.peakMiB, agent.cpuPercent]);
  return [
    `## Idle: agents of profile ${profile} with no client, ${seconds} s`,
    '',
    markdownTable(['host', 'role', 'resident MiB', 'peak MiB', 'CPU, % of a core'], rows),
    '- Wanted: at most 96 MB and 2 %. Built programs; CPU time of all threads from /proc/PID/task/*/schedstat, resident memory at the end (VmRSS).',
    `- ${holderStayed ? 'The holder stayed the same.' : 'The address moved meanwhile: the roles are those of the end.'}`,
    '',
  ].join('\n');
}
