/** Debian's load programs, run on the client's host: iperf3 for throughput, wrk for connections and latency. */
import { readFileSync } from 'node:fs';
import { HaleError } from '../../src/base/error.ts';
import { CLIENT_CORE, type Rig, writeConfig } from './rig.ts';
import type { Target } from './subject.ts';

export const THROUGHPUT_S = 1;
export const CONNECTIONS_S = 2;
export const LATENCY_S = 1;
/** A thread of wrk goes to one address, so that three spread over three backends where the client chooses. */
export const CONNECTION_THREADS = 3;
export const CONNECTIONS_AT_ONCE = 48;

export interface Throughput {
  /** From the server to the client, as the answers of an API server flow. */
  gbps: number;
  /** The other way. */
  uploadGbps: number;
  cpuPercent: number;
}

export interface Requests {
  perSecond: number;
  p50us: number;
  p99us: number;
  /** Requests that failed in any way. */
  failed: number;
  cpuPercent: number;
}

/** One TCP connection that sends as fast as it can. */
export async function throughput(rig: Rig, target: Target): Promise<Throughput> {
  const argv = ['iperf3', '-J', '-c', target.addresses[0] as string, '-p', String(target.port), '-t', String(THROUGHPUT_S)];
  const up = await stream(rig, argv);
  const down = await stream(rig, [...argv, '--reverse']);
  return { gbps: down.gbps, uploadGbps: up.gbps, cpuPercent: down.cpuPercent };
}

async function stream(rig: Rig, argv: readonly string[]): Promise<{ gbps: number; cpuPercent: number }> {
  const { stdout, cpuPercent } = await onClient(rig, argv);
  const report = JSON.parse(stdout) as { error?: string; end?: { sum_received?: { bits_per_second: number } } };
  const bits = report.end?.sum_received?.bits_per_second;
  if (bits === undefined) throw failed(argv, report.error ?? stdout);
  return { gbps: bits / 1e9, cpuPercent };
}

/** A new connection for each request, many at once. */
export function newConnections(rig: Rig, target: Target): Promise<Requests> {
  const flags = ['-t', String(CONNECTION_THREADS), '-c', String(CONNECTIONS_AT_ONCE), '-d', `${CONNECTIONS_S}s`, '-H', 'Connection: close'];
  return wrk(rig, { target, argv: ['wrk', ...flags] });
}

/** One request after the other on one open connection: with more, two cores would be full, and the queue would be measured. */
export function openConnection(rig: Rig, target: Target): Promise<Requests> {
  return wrk(rig, { target, argv: ['taskset', '-c', String(CLIENT_CORE), 'wrk', '-t', '1', '-c', '1', '-d', `${LATENCY_S}s`] });
}

async function wrk(rig: Rig, options: { target: Target; argv: readonly string[] }): Promise<Requests> {
  const { target } = options;
  const script = writeConfig(rig.client, 'load.lua', wrkScript(target));
  const argv = [...options.argv, '-s', script, `http://${target.addresses[0]}:${target.port}/`];
  const { stdout, cpuPercent } = await onClient(rig, argv);
  const last = stdout.trim().split('\n').at(-1) ?? '';
  if (!last.startsWith('{')) throw failed(argv, stdout);
  const { requests, durationUs, ...rest } = JSON.parse(last) as { requests: number; durationUs: number } & Omit<
    Requests,
    'perSecond' | 'cpuPercent'
  >;
  if (requests === 0) throw failed(argv, 'no request was answered');
  return { perSecond: requests / (durationUs / 1e6), ...rest, cpuPercent };
}

/** wrk's own text rounds; its script interface has microseconds (wrk(1), SCRIPTING). */
function wrkScript(target: Target): string {
  return `local addresses = { ${target.addresses.map((address) => `"${address}"`).join(', ')} }
local threads = 0
function setup(thread)
  thread.addr = wrk.lookup(addresses[threads % #addresses + 1], "${target.port}")[1]
  threads = threads + 1
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"durationUs":%d,"p50us":%d,"p99us":%d,"failed":%d}\\n', summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
`;
}

async function onClient(rig: Rig, argv: readonly string[]): Promise<{ stdout: string; cpuPercent: number }> {
  const before = cpuTimes();
  const result = await rig.client.exec(argv, { signal: rig.signal });
  rig.signal.throwIfAborted();
  const after = cpuTimes();
  if (result.code !== 0 && result.stdout === '') throw failed(argv, result.stderr);
  const [busy, total] = [after.busy - before.busy, after.total - before.total];
  return { stdout: result.stdout, cpuPercent: (100 * busy) / total };
}

/** Of all cores together, since boot: user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)). */
function cpuTimes(): { busy: number; total: number } {
  const fields = (readFileSync('/proc/stat', 'utf8').split('\n')[0] as string).split(/\s+/).slice(1, 9).map(Number);
  const total = fields.reduce((sum, ticks) => sum + ticks, 0);
  return { busy: total - (fields[3] as number) - (fields[4] as number), total };
}

function failed(argv: readonly string[], said: string): HaleError {
  return new HaleError({
    code: 'bench_load_failed',
    kind: 'world',
    message: `${argv.join(' ')} measured nothing: ${said.trim().split('\n').at(-1) || 'no output'}`,
  });
}
