/** A controller that watches 1,000 nodes with nothing to do: what it takes, what it asks, and how soon it decides. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../../src/base/stats.ts';
import { readFileSync } from 'node:fs';
import { activeController, startControllers, stopControllers } from '../../src/lab/healing/controllers.ts';
import { kubectlOrFail } from '../../src/lab/kubernetes/kubectl.ts';
import { createLab, type Lab } from '../../src/lab/lab.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { markdownTable } from '../machine.ts';

const WARM_UP_MS = 60_000;
const DECISIONS = 20;
const ADDRESS = '127.0.0.1:7702';

export interface RestResult {
  nodes: number;
  seconds: number;
  rssMiB: number;
  cpuPercent: number;
  requestsPerSecond: number;
  /** Of a standby, which only stands for election. */
  standby: { rssMiB: number; cpuPercent: number; requestsPerSecond: number };
  /** From the write of a condition to the decision, in ms. */
  decidedMs: number[];
}

export async function rest({
  nodes,
  minutes,
  say,
  signal,
}: {
  nodes: number;
  minutes: number;
  say: (line: string) => void;
  signal: AbortSignal;
}): Promise<RestResult> {
  const lab = await createLab({ name: 'bench-rest', nodes, progress: say, signal });
  try {
    const rules = [
      { name: 'kernel-deadlock', when: [{ condition: 'KernelDeadlock', status: ['True'], forSeconds: 0 }], steps: ['cordon', 'drain'] },
    ];
    await startControllers(lab, {
      rules,
      dryRun: true,
      metricsAddress: ADDRESS,
      limits: { atOnce: 1000, atOncePerZone: 1000, perHour: 1000 },
    });
    const active = await activeController(lab);
    const standby = lab.controlPlane.find(({ name }) => name !== active.name) as LabHost;
    say(`${active.name} is active; warming up`);
    await sleep(WARM_UP_MS, undefined, { signal });
    const before = [await scrape(active), await scrape(standby)] as const;
    const seconds = minutes * 60;
    say(`measuring for ${seconds} s`);
    await sleep(seconds * 1000, undefined, { signal });
    const after = [await scrape(active), await scrape(standby)] as const;
    const decidedMs = await decisions(lab, active, { say, signal });
    return { nodes, seconds, ...used(before[0], after[0], seconds), standby: used(before[1], after[1], seconds), decidedMs };
  } finally {
    await stopControllers(lab);
    await lab.down();
  }
}

interface Figures {
  cpuSeconds: number;
  rssBytes: number;
  requests: number;
}

async function scrape(host: LabHost): Promise<Figures> {
  const { stdout } = await host.exec([
    process.execPath,
    '-e',
    `fetch('http://${ADDRESS}/metrics').then((r) => r.text()).then((t) => console.log(t))`,
  ]);
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(stdout)?.[1]);
  return {
    cpuSeconds: value('process_cpu_seconds_total'),
    rssBytes: value('process_resident_memory_bytes'),
    requests: value('hale_heal_api_requests_total'),
  };
}

function used(before: Figures, after: Figures, seconds: number) {
  return {
    rssMiB: Math.round(after.rssBytes / 2 ** 20),
    cpuPercent: Math.round(((after.cpuSeconds - before.cpuSeconds) / seconds) * 1000) / 10,
    requestsPerSecond: Math.round(((after.requests - before.requests) / seconds) * 100) / 100,
  };
}

/** A dry run decides the same, and changes nothing. Both clocks are this machine's. */
async function decisions(
  lab: Lab,
  active: LabHost,
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<number[]> {
  const times: number[] = [];
  for (let i = 1; i <= DECISIONS; i++) {
    signal.throwIfAborted();
    const node = `node-${i * 7}`;
    await kubectlOrFail(lab, [
      'patch',
      'node',
      node,
      '--subresource=status',
      '--type=strategic',
      '-p',
      JSON.stringify({ status: { conditions: [condition()] } }),
    ]);
    const writtenAt = Date.now();
    await sleep(2000);
    const line = readFileSync(join(active.folder, 'log', 'heal.log'), 'utf8')
      .split('\n')
      .findLast((text) => text.includes(`"node":"${node}"`) && text.includes('"verdict":"begin"'));
    if (line !== undefined) times.push(Date.parse((JSON.parse(line) as { time: string }).time) - writtenAt);
    else say(`${node}: no decision within 2 s`);
  }
  return times;
}

function condition(): object {
  return { type: 'KernelDeadlock', status: 'True', reason: 'Bench', message: 'bench', lastTransitionTime: new Date().toISOString() };
}

export function renderRest({ nodes, seconds, rssMiB, cpuPercent, requestsPerSecond, standby, decidedMs }: RestResult): string {
  const rows = [
    ['the active one', `${rssMiB} MiB`, `${cpuPercent} %`, String(requestsPerSecond)],
    ['a standby', `${standby.rssMiB} MiB`, `${standby.cpuPercent} %`, String(standby.requestsPerSecond)],
  ];
  const decided = `From the answer to the write of a condition (as kubectl ends) to the decision in the log, ${decidedMs.length} of ${DECISIONS}: median ${quantile(decidedMs, 0.5)} ms, at worst ${Math.max(...decidedMs)} ms; negative where the decision came before kubectl had ended.`;
  return `## Healing at rest: ${nodes} nodes watched for ${seconds} s

${markdownTable(['controller', 'resident memory', 'of one core', 'requests per second'], rows)}

${decided}`;
}
