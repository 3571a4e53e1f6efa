/** What other programs answer: the agent at its control socket, API servers, etcd, the probe of a drill. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { deepEqual, ok } from 'node:assert/strict';
import { parseAnswer, readAnyStatus } from '../../../src/drivers/control/answer.ts';
import { RangeResponseSchema, StatusResponseSchema } from '../../../src/drivers/etcd/gen/rpc_pb.ts';
import { toKeyValue, toMemberStatus } from '../../../src/drivers/etcd/messages.ts';
import { type ElectionRecord, readElectionRecord } from '../../../src/core/election/record.ts';
import { failingChecks, judgeReadiness } from '../../../src/core/apiserver/readyz.ts';
import { parseConfigMap } from '../../../src/lab/standin/configmaps.ts';
import { StatusError } from '../../../src/lab/standin/status.ts';
import { judgeFleet } from '../../../src/core/drill/ledger.ts';
import { readFleet, readRecording, readWatch } from '../../../src/lab/probe/recording.ts';
import type { AgentStatus, NodeStatus } from '../../../src/ports/control.ts';
import { lineText, refusalOf } from '../refusal.ts';
import type { Target } from '../target.ts';

const status: AgentStatus = {
  cluster: 'prod',
  host: 'cp1',
  role: 'holder',
  term: 4,
  draining: false,
  profile: 'default',
  leaseMs: 300,
  holder: 'cp1',
  leaseRemainingMs: 250,
  whyNotHolding: null,
  endpoint: { addresses: ['10.0.0.100'], port: 6443, interface: 'eth0', enforced: true, weaker: null, conflict: null },
  silentMs: 0,
  members: [{ name: 'cp1', address: '10.0.0.11', heardMsAgo: null, alive: true, fitness: 'good', hears: ['cp1'], readyBackends: ['cp1'] }],
  backends: [{ name: 'cp1', address: '10.0.0.11:6443', state: 'ready', reason: '', sinceMs: 1 }],
  record: { name: 'Lease kube-system/hale', owner: 'cp1', owned: true, changedMsAgo: 900, problem: null },
  vrrp: {
    version: 3,
    virtualRouterId: 74,
    state: 'backup',
    sinceMs: 5000,
    priority: 240,
    advertisementIntervalMs: 1000,
    activeDownIntervalMs: 3062,
    active: { address: '10.0.0.12', host: 'cp2', priority: 250, heardMsAgo: 3 },
    links: [{ family: 'IPv4', source: '10.0.0.11', destinations: ['224.0.0.18'] }],
    warnings: [{ text: 'another cluster', agoMs: 1 }],
    lastError: null,
    counters: { advertisementsSent: 7 },
  },
  routes: {
    by: 'bgp',
    prefixes: ['10.0.0.100/32'],
    wanted: 'announced',
    problem: null,
    peers: [
      {
        address: '10.0.0.1',
        asn: 65_001,
        state: 'Established',
        sinceMs: 1,
        localAddress: '10.0.0.11',
        routerId: '10.0.0.1',
        holdTimeMs: 90_000,
        keepaliveMs: 30_000,
        announced: ['10.0.0.100/32'],
        unannounced: [{ prefix: 'fd00::100/128', reason: 'no-next-hop' }],
        lastError: null,
        bfd: {
          state: 'Up',
          sinceMs: 1,
          transmitMs: 300,
          detectionTimeMs: 900,
          diagnostic: 'No Diagnostic',
          remoteDiagnostic: 'No Diagnostic',
          counters: {},
        },
        counters: { updatesSent: 2 },
      },
    ],
  },
  datapath: { datapath: 'dsr', because: 'auto' },
  connections: 3,
  steeredTo: ['cp1'],
  realtime: true,
  guarded: true,
};

const nodeStatus: NodeStatus = {
  cluster: 'prod',
  host: 'worker1',
  role: 'node',
  endpoint: { addresses: ['10.0.0.100'], port: 6443 },
  steeredTo: ['cp1'],
  problem: null,
  backends: status.backends,
  connections: 3,
};

/** The first byte is the HTTP status, in hundreds and ones; the rest is the body. */
function httpAnswer(code: number, body: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(code - 200), Buffer.from(body)]);
}

function readHttp(input: Uint8Array): { status: number; body: string } {
  return { status: 200 + (input[0] ?? 0), body: Buffer.from(input.subarray(1)).toString() };
}

const controlAnswer: Target = {
  name: 'control-answer',
  property: 'an answer at the control socket is a status with every field, or a refusal in words',
  seeds: [
    httpAnswer(200, JSON.stringify(status)),
    httpAnswer(200, JSON.stringify(nodeStatus)),
    httpAnswer(200, '{}'),
    httpAnswer(404, '{"error":"no such request"}'),
    httpAnswer(200, 'null'),
  ],
  text: true,
  quickExecutions: 1000,
  run(input) {
    refusalOf(() => {
      const found = readAnyStatus('/run/hale/agent.sock', parseAnswer('/run/hale/agent.sock', readHttp(input)));
      if (found === undefined) return;
      deepEqual(Object.keys(found).toSorted(), Object.keys(found.role === 'node' ? nodeStatus : status).toSorted());
      deepEqual(readAnyStatus('', JSON.parse(JSON.stringify(found))), found);
    });
  },
};

const VERBOSE =
  '[+]ping ok\n[+]log ok\n[-]etcd failed: reason withheld\n[-]etcd-readiness failed: reason withheld\n[+]poststarthook/start-apiextensions-controllers ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n';

const readyz: Target = {
  name: 'readyz',
  property: 'an answer of an API server is a result, whose reason is one line, as are the names of the checks that fail',
  seeds: [
    httpAnswer(200, 'ok'),
    httpAnswer(455, '[+]ping ok\n[-]etcd failed: reason withheld\n'),
    httpAnswer(401, '\u001b[2J'),
    httpAnswer(455, VERBOSE),
  ],
  text: true,
  maxLength: 600,
  run(input) {
    const { status: code, body } = readHttp(input);
    const result = judgeReadiness(code, body);
    if ('reason' in result) lineText(result.reason);
    ok(!('reason' in result) || result.reason.length < 2100, 'a long reason');
    const failing = failingChecks(body);
    for (const name of failing) lineText(name);
    ok(code < 500 || failing.length === 0 || result.outcome !== 'ready', 'ready, though a check fails');
  },
};

const owned: ElectionRecord = {
  holderIdentity: 'cp1',
  leaseDurationSeconds: 15,
  acquireTime: '2026-01-02T03:04:05.000006Z',
  renewTime: '2026-01-02T03:04:06.000007Z',
  leaseTransitions: 2,
};

const electionRecord: Target = {
  name: 'election-record',
  property: 'what stands in etcd is a record whose duration can be waited for, or none',
  seeds: [Buffer.from(JSON.stringify(owned)), Buffer.from('{"holderIdentity":"","leaseDurationSeconds":1}')],
  text: true,
  quickExecutions: 1000,
  run(input) {
    const found = readElectionRecord(Buffer.from(input).toString());
    if (found === undefined) return;
    ok(found.leaseDurationSeconds >= 0 && found.leaseTransitions >= 0, 'numbers that cannot be counted with');
    deepEqual(readElectionRecord(JSON.stringify(found)), found);
  },
};

const header = { $typeName: 'etcdserverpb.ResponseHeader' as const, clusterId: 1n, memberId: 0xcafen, revision: 77n, raftTerm: 3n };
const etcdStatus = toBinary(StatusResponseSchema, {
  $typeName: 'etcdserverpb.StatusResponse',
  header,
  version: '3.5.21',
  dbSize: 20_480n,
  leader: 0xcafen,
  raftIndex: 100n,
  raftTerm: 3n,
  raftAppliedIndex: 99n,
  errors: ['NOSPACE'],
  dbSizeInUse: 16_384n,
  dbSizeQuota: 0n,
  isLearner: false,
} as Parameters<typeof toBinary<typeof StatusResponseSchema>>[1]);

const etcdAnswer: Target = {
  name: 'etcd-answer',
  property: 'whatever protobuf accepts of an etcd server becomes numbers and text',
  seeds: [etcdStatus, new Uint8Array(0)],
  maxLength: 256,
  run(input) {
    const member = decoded(() => fromBinary(StatusResponseSchema, input));
    if (member !== undefined) {
      const found = toMemberStatus(member);
      for (const value of Object.values(found)) ok(typeof value !== 'number' || Number.isFinite(value), 'a number that is none');
    }
    const range = decoded(() => fromBinary(RangeResponseSchema, input));
    for (const kv of range?.kvs ?? []) ok(Number.isFinite(toKeyValue(kv).modRevision), 'a revision that is none');
  },
};

/** The library's own refusal of bytes is not ours to judge. */
function decoded<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

const records = [
  { type: 'request', startMs: 1, endMs: 3.5, ok: true, server: 'cp1' },
  { type: 'request', startMs: 6, endMs: 1006, ok: false, error: 'ECONNRESET' },
  { type: 'connection', openedMs: 0, server: 'cp1', lastAnswerMs: 7, longestWaitMs: 2, waitingSinceMs: 8, resetMs: 9, error: 'ECONNRESET' },
  { type: 'connection', openedMs: 1, idle: true, lastAnswerMs: 9, longestWaitMs: 1 },
  { type: 'end', probeLagMs: 0.5 },
];

const recording: Target = {
  name: 'recording',
  property: 'a recording reads as what was written, or is refused in words; no line is passed over',
  seeds: [
    Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join('')),
    Buffer.from('null\n'),
    Buffer.from('{"type":"end","probeLagMs":0}\n'),
  ],
  text: true,
  run(input) {
    const text = Buffer.from(input).toString();
    refusalOf(() => {
      const found = readRecording(text);
      const lines = [
        ...found.requests.map((record) => ({ type: 'request', ...record })),
        ...found.connections.map((record) => ({ type: 'connection', ...record })),
        { type: 'end', probeLagMs: found.probeLagMs },
      ];
      ok(lines.length === text.split('\n').length - 1, 'a line was passed over');
      deepEqual(readRecording(lines.map((line) => `${JSON.stringify(line)}\n`).join('')), found);
    });
  },
};

const watched = {
  askedMs: [1, 2.5, 3],
  answers: [
    { round: 0, host: 'cp1', how: 'arp', heardMs: 1.25 },
    { round: 2, host: '02:00:00:00:00:02', asked: 'cp2', how: 'tcp', heardMs: 4 },
  ],
};

const watch: Target = {
  name: 'watch',
  property: 'what the watch wrote reads as rounds in order, with answers that belong to them, or is refused in words',
  seeds: [Buffer.from(JSON.stringify(watched)), Buffer.from('null')],
  text: true,
  run(input) {
    refusalOf(() => {
      const found = readWatch(Buffer.from(input).toString());
      for (const { round } of found.answers) ok(found.askedMs[round] !== undefined, `round ${round} was not asked`);
      deepEqual(
        found.askedMs.toSorted((a, b) => a - b),
        found.askedMs,
      );
      deepEqual(readWatch(JSON.stringify(found)), found);
    });
  },
};

const fleetRecord = {
  writers: [
    {
      writes: [
        { sequence: 1, sentMs: 1, endMs: 2, outcome: 'acknowledged', resourceVersion: 7 },
        { sequence: 2, sentMs: 3, endMs: 9.5, outcome: 'absent', error: 'ECONNRESET' },
      ],
      reads: [{ after: 2, sequence: 1, resourceVersion: 7 }],
      final: null,
    },
  ],
  watchers: [
    {
      lists: [{ resourceVersion: 6, sequences: [0], events: 0 }],
      events: [0, 1, 7],
      gaps: [{ heardMs: 1, lostMs: 2, resumedMs: null, server: 'cp1', error: 'ECONNRESET' }],
    },
  ],
  gets: [{ startMs: 1, endMs: 2, ok: true }],
  stoppedMs: 10,
  endMs: 11,
};

const fleet: Target = {
  name: 'fleet',
  property: 'what a fleet wrote reads as events that belong to lists and can be judged, or is refused in words',
  seeds: [Buffer.from(JSON.stringify(fleetRecord)), Buffer.from('null')],
  text: true,
  run(input) {
    refusalOf(() => {
      const found = readFleet(Buffer.from(input).toString());
      ok(judgeFleet(found).cutOff <= found.watchers.length, 'more watchers were cut off than there are');
      deepEqual(readFleet(JSON.stringify(found)), found);
    });
  },
};

const PATH = { namespace: 'default', name: 'probe' };

const configMap: Target = {
  name: 'configmap',
  property: 'a body is refused as Kubernetes words it, or it is an object with the name and the namespace of the URL',
  seeds: ['{"metadata":{"name":"probe","resourceVersion":"7"},"data":{"a":"1"}}', '{"metadata":null}', '[]'].map((text) =>
    Buffer.from(text),
  ),
  text: true,
  run(input) {
    let object: ReturnType<typeof parseConfigMap>;
    try {
      object = parseConfigMap(PATH, Buffer.from(input).toString());
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      return ok(error.code === 400 && error.message !== '', `refused with ${error.code}`);
    }
    const { name, namespace, resourceVersion } = object.metadata;
    deepEqual([name, namespace], [PATH.name, PATH.namespace]);
    ok(resourceVersion === undefined || typeof resourceVersion === 'string', 'a version that is no text');
    deepEqual(parseConfigMap(PATH, JSON.stringify(object)), object);
  },
};

export const answerTargets: readonly Target[] = [controlAnswer, electionRecord, readyz, etcdAnswer, recording, watch, fleet, configMap];
