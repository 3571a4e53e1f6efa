import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEtcdAdmin } from '../src/drivers/etcd/admin.ts';
import { monotonic } from '../src/drivers/monotonic.ts';
import { packageFolder } from '../src/drivers/program.ts';
import { observeEtcd } from '../src/engine/etcd/look.ts';
import { run } from '../src/lab/command.ts';
import { type EtcdCluster, type EtcdMemberProcess, startEtcdCluster, untilEtcdAnswers } from '../test/support/etcd-cluster.ts';
import { accessFlags } from '../test/support/etcd-command.ts';
import { markdownTable, type Summary, summarize } from './machine.ts';

const HALE = join(packageFolder, 'hale');
const MEMBERS = 5;
const TIMEOUT_MS = 1000;
/** Between runs, so that one does not burden the next. */
const REST_MS = 200;

const STATES = ['all alive', 'one killed', 'one frozen'] as const;
type State = (typeof STATES)[number];

interface Measured {
  state: State;
  /** The look alone, as the command tells it: from the first connection to the last answer. */
  look: Summary;
  /** Another one in a process that has looked before, by new connections. */
  warmLook: Summary;
  /** The whole command, from its start to its end. */
  command: Summary;
  /** `etcdctl endpoint status` of the same members, with the same time-outs. */
  etcdctl: Summary;
}

export interface EtcdStatusResult {
  runs: number;
  etcd: string;
  measured: Measured[];
}

export async function etcdStatus({ runs, say }: { runs: number; say: (line: string) => void }): Promise<EtcdStatusResult> {
  const cluster = await startEtcdCluster({ members: MEMBERS });
  try {
    const measured: Measured[] = [];
    for (const state of STATES) {
      say(`${state}: ${runs} runs`);
      const member = cluster.members[2] as EtcdMemberProcess;
      if (state === 'one killed') await member.kill();
      if (state === 'one frozen') member.freeze();
      measured.push(await measure(cluster, { state, runs }));
      if (state === 'one killed') member.start();
      if (state === 'one frozen') member.thaw();
      await untilEtcdAnswers(cluster);
    }
    return { runs, etcd: cluster.version, measured };
  } finally {
    await cluster.close();
  }
}

async function measure(cluster: EtcdCluster, { state, runs }: { state: State; runs: number }): Promise<Measured> {
  const times = { look: [] as number[], warmLook: [] as number[], command: [] as number[], etcdctl: [] as number[] };
  // The first of each reads its program from disk.
  for (let i = -1; i < runs; i++) {
    const command = await timed(() => run([HALE, 'etcd', 'status', '--json', '--timeout', `${TIMEOUT_MS}`, ...accessFlags(cluster)]));
    const { tookMs } = JSON.parse(command.value.stdout) as { tookMs: number };
    const warm = await timed(() => warmLook(cluster));
    const etcdctl = await timed(() => endpointStatus(cluster));
    if (i >= 0) {
      times.look.push(tookMs);
      times.command.push(command.ms);
      times.warmLook.push(warm.ms);
      times.etcdctl.push(etcdctl.ms);
    }
    await sleep(REST_MS);
  }
  const { look, command, etcdctl } = times;
  return { state, look: summarize(look), warmLook: summarize(times.warmLook), command: summarize(command), etcdctl: summarize(etcdctl) };
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const startedAt = performance.now();
  const value = await work();
  return { ms: performance.now() - startedAt, value };
}

async function warmLook({ endpoints, tls }: EtcdCluster): Promise<void> {
  const etcd = createEtcdAdmin({ endpoints, tls, timeoutMs: TIMEOUT_MS });
  try {
    await observeEtcd({ etcd, urls: endpoints, clock: monotonic, timeoutMs: TIMEOUT_MS });
  } finally {
    etcd.close();
  }
}

async function endpointStatus(cluster: EtcdCluster): Promise<void> {
  const limits = [`--dial-timeout=${TIMEOUT_MS}ms`, `--command-timeout=${TIMEOUT_MS}ms`];
  await run([cluster.programs.etcdctl, ...accessFlags(cluster), ...limits, 'endpoint', 'status']);
}

export function renderEtcdStatus({ runs, etcd, measured }: EtcdStatusResult): string {
  const text = ({ median, p90, max }: Summary) => `${median} / ${p90} / ${max}`;
  const rows = measured.map(({ state, look, warmLook: warm, command, etcdctl }) => [state, ...[look, warm, command, etcdctl].map(text)]);
  const head = ['members', 'look, ms', 'look, warm, ms', 'hale etcd status, ms', 'etcdctl endpoint status, ms'];
  return [
    `## Status of ${MEMBERS} members of etcd ${etcd} on one machine, ${runs} runs, a time-out of ${TIMEOUT_MS} ms`,
    '',
    markdownTable(head, rows),
    '- Median / 90th percentile / largest. The look: status, members, metrics and certificate of each by one new connection, and a round trip. Wanted: 50 ms or less with all alive, the time-out and 50 ms with one frozen.',
    '- Warm: in a process that has looked before. etcdctl asks one member after the other, for its status alone.',
    '',
  ].join('\n');
}
