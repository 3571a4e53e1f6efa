/** Every way from a client to the API servers side by side: throughput, connections per second, latency. */
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../src/base/stats.ts';
import { dsr, ipvs, nat, proxy, socket } from './datapath/hale.ts';
import {
  CONNECTION_THREADS,
  CONNECTIONS_AT_ONCE,
  CONNECTIONS_S,
  LATENCY_S,
  newConnections,
  openConnection,
  throughput,
  THROUGHPUT_S,
} from './datapath/load.ts';
import { direct, dnat, forwarding, haproxy } from './datapath/peers.ts';
import { type Numbers, type Ratio, ratios } from './datapath/ratios.ts';
import { createRig, HTTP_PORT, LATENCY_PORT, type Rig, STREAM_PORT } from './datapath/rig.ts';
import type { Service, Subject, Target } from './datapath/subject.ts';
import { markdownTable, tenths } from './machine.ts';

/** In the order in which the table shows them. */
const SUBJECTS: readonly Subject[] = [direct, forwarding, haproxy, dnat, dsr, nat, socket, ipvs, proxy];
/** Of the shared address, for the first subject; the next one has the next. */
const FRONTEND_PORT = 8443;
/** Not a datapath but what `nat` is compared with: beside the others in the document. */
const REFERENCE = forwarding.name;

interface Run extends Numbers {
  failed: number;
  /** Of all cores, during each load. */
  cpuPercent: { throughput: number; connections: number; latency: number };
}

export interface DatapathResult {
  runs: number;
  /** Medians; null for what could not be measured. */
  datapath: Record<string, Numbers | null>;
  reference: Record<string, Numbers | null>;
  /** Why, for each null. */
  skipped: Record<string, string>;
  ratios: Ratio[];
  values: Record<string, Run[]>;
  method: string[];
}

/** After a subject is up. */
const SETTLE_MS = 1500;

const METHOD = [
  'Three hosts and a client on one switch, each a network namespace of its own. The first host holds the address; behind everything are the same servers, nginx (answers "ok") and iperf3, on all three.',
  `Throughput: iperf3, one connection for ${THROUGHPUT_S} s, from the second host to the client, as answers of API servers flow; then the other way. Latency: wrk, one request after the other on one open HTTP connection for ${LATENCY_S} s, to the second host; from sending a request to having its answer. ` +
    'Only the second host is a backend then, so that everything which goes through the holder goes on to another host.',
  `Connections per second: wrk, a new TCP connection for each request (Connection: close), ${CONNECTIONS_AT_ONCE} at once in ${CONNECTION_THREADS} threads for ${CONNECTIONS_S} s, to all three hosts; where the client itself chooses, each of its threads has one of them.`,
  'Medians of the runs; each run measures all subjects, and the next begins with another one. A ratio is one of medians. CPU: of all cores together, while each load runs.',
  "direct: the hosts' own addresses. forwarding: the same, routed through the holder both ways, without NAT. haproxy: Debian's, TCP mode with splice, two threads. dnat: nftables DNAT and masquerade written by hand.",
  "hale's own: their drivers, in processes of their own where agents would open them, behind the open gate of the lease (nftables and eBPF) as with an agent. socket: on the client, for all its processes; there is no gate.",
];

interface Options {
  runs: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

export async function datapath({ runs, say, signal }: Options): Promise<DatapathResult> {
  const problems = SUBJECTS.map((subject) => ({ subject, problem: subject.problem?.() }));
  const subjects = problems.filter(({ problem }) => problem === undefined).map(({ subject }) => ({ subject, runs: [] as Run[] }));
  const rig = await createRig(signal);
  try {
    for (let round = 0; round < runs; round++) {
      for (let turn = 0; turn < subjects.length; turn++) {
        const entry = subjects[(round + turn) % subjects.length] as (typeof subjects)[number];
        const run = await measure(rig, entry.subject);
        entry.runs.push(run);
        say(`run ${round + 1} of ${runs}, ${describe(entry.subject.name, run)}`);
      }
    }
  } finally {
    await rig.lab.down();
  }
  const skipped = Object.fromEntries(problems.flatMap(({ subject, problem }) => (problem === undefined ? [] : [[subject.name, problem]])));
  return conclude({ runs, values: Object.fromEntries(subjects.map((entry) => [entry.subject.name, entry.runs])), skipped });
}

async function measure(rig: Rig, subject: Subject): Promise<Run> {
  const ofItsOwn = SUBJECTS.indexOf(subject);
  const [port, frontendPort, far] = [HTTP_PORT + ofItsOwn, FRONTEND_PORT + ofItsOwn, [rig.far]];
  const stream = await through(rig, { subject, service: { port: STREAM_PORT, frontendPort, backends: far }, load: throughput });
  const open = await through(rig, { subject, service: { port: LATENCY_PORT, frontendPort, backends: far }, load: openConnection });
  const fresh = await through(rig, { subject, service: { port, frontendPort, backends: rig.hosts }, load: newConnections });
  return {
    gbps: hundredths(stream.gbps),
    uploadGbps: hundredths(stream.uploadGbps),
    connectionsPerSecond: Math.round(fresh.perSecond),
    p50us: open.p50us,
    p99us: open.p99us,
    failed: open.failed + fresh.failed,
    cpuPercent: { throughput: tenths(stream.cpuPercent), connections: tenths(fresh.cpuPercent), latency: tenths(open.cpuPercent) },
  };
}

type Load<T> = (rig: Rig, target: Target) => Promise<T>;

async function through<T>(rig: Rig, options: { subject: Subject; service: Service; load: Load<T> }): Promise<T> {
  const { subject, service, load } = options;
  rig.signal.throwIfAborted();
  try {
    const target = await subject.up(rig, service);
    // The processes that set a datapath up take a core for a while after they are ready.
    await sleep(SETTLE_MS, undefined, { signal: rig.signal });
    return await load(rig, target);
  } finally {
    await subject.down(rig);
  }
}

function conclude({ runs, values, skipped }: Pick<DatapathResult, 'runs' | 'values' | 'skipped'>): DatapathResult {
  const medians = Object.fromEntries(SUBJECTS.map(({ name }) => [name, values[name] === undefined ? null : mediansOf(values[name])]));
  const { [REFERENCE]: reference = null, ...rest } = medians;
  return { runs, datapath: rest, reference: { [REFERENCE]: reference }, skipped, ratios: ratios(medians), values, method: METHOD };
}

function mediansOf(runs: readonly Run[]): Numbers {
  const of = (key: keyof Numbers): number => median(runs.map((run) => run[key]));
  return {
    gbps: hundredths(of('gbps')),
    uploadGbps: hundredths(of('uploadGbps')),
    connectionsPerSecond: Math.round(of('connectionsPerSecond')),
    p50us: of('p50us'),
    p99us: of('p99us'),
  };
}

function describe(name: string, { gbps, uploadGbps, connectionsPerSecond, p50us, p99us, failed }: Run): string {
  const failures = failed === 0 ? '' : `, ${failed} FAILED`;
  return `${name}: ${gbps} Gbit/s (up ${uploadGbps}), ${connectionsPerSecond} connections/s, ${p50us}/${p99us} us${failures}`;
}

export function renderDatapath(result: DatapathResult): string {
  const measured = { ...result.datapath, ...result.reference };
  const names = SUBJECTS.map(({ name }) => name).filter((name) => measured[name] != null);
  const cpu = (name: string, key: keyof Run['cpuPercent']): number =>
    tenths(median(runsOf(result, name).map((run) => run.cpuPercent[key])));
  return [
    `## Datapaths: medians of ${result.runs} runs`,
    '',
    markdownTable(
      ['datapath', 'Gbit/s to the client', 'from the client', 'connections/s', 'p50, us', 'p99, us', 'failed requests'],
      names.map((name) => {
        const { gbps, uploadGbps, connectionsPerSecond, p50us, p99us } = measured[name] as Numbers;
        const failed = runsOf(result, name).reduce((sum, run) => sum + run.failed, 0);
        return [name, gbps, uploadGbps, connectionsPerSecond, p50us, p99us, failed];
      }),
    ),
    ...Object.entries(result.skipped).map(([name, reason]) => `Not measured: ${name}, ${reason}.\n`),
    markdownTable(
      ['ratio', 'seen', 'must', 'aim', 'reached'],
      result.ratios.map(({ what, ratio, must, aim, atMost, verdict }) => {
        const sign = atMost ? '<=' : '>=';
        return [what, ratio ?? '', `${sign} ${must}`, `${sign} ${aim}`, verdict];
      }),
    ),
    markdownTable(
      ['CPU, percent of all cores', 'throughput', 'connections', 'latency'],
      names.map((name) => [name, cpu(name, 'throughput'), cpu(name, 'connections'), cpu(name, 'latency')]),
    ),
    markdownTable(
      ['every run', 'to the client', 'from the client', 'connections/s', 'p50, us', 'p99, us'],
      names.map((name) => [
        name,
        ...(['gbps', 'uploadGbps', 'connectionsPerSecond', 'p50us', 'p99us'] as const).map((key) =>
          runsOf(result, name)
            .map((run) => run[key])
            .join(', '),
        ),
      ]),
    ),
    ...result.method.map((line) => `- ${line}`),
    '',
  ].join('\n');
}

function runsOf({ values }: DatapathResult, name: string): readonly Run[] {
  return values[name] ?? [];
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
