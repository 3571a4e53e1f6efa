import { markdownTable, summarize } from '../machine.ts';
import { REST_MS } from '../rounds.ts';
import { CONNECTIONS, type Drain, type RoutesResult, type RoutesRun } from '../routes.ts';
import { PHASE_MS, WARM_UP_MS } from '../strike.ts';
import { BFD_MS, DRAIN_SECONDS } from './subjects.ts';

type Subject = RoutesResult['subjects'][number];

const METHOD = [
  'Every run has a lab of its own: 3 hosts with real etcd and an API server, `advertise: bgp`, and BIRD on the host of the client, which so is the router: one session to each host, `merge paths on`, an import filter that gives routes with GRACEFUL_SHUTDOWN the local preference 0 (RFC 8326, section 4.3), and paths chosen by addresses and ports. ' +
    'It is the second host that is struck.',
  `${CONNECTIONS} long-lived TLS connections ask every second or are idle; a new connection asks /livez every 5 ms (every 50 ms with the defaults), and has failed after 1 s. The fault comes ${(REST_MS + WARM_UP_MS) / 1000} s after steady state plus a random time up to ${PHASE_MS / 1000} s. A run in which a request failed before it is discarded and repeated.`,
  `Drain: \`hale agent drain\`, \`drainSeconds: ${DRAIN_SECONDS}\`. Asked and withdrawn: when the agent wrote down that it announced GRACEFUL_SHUTDOWN, and that it withdrew the route. Last packet: TCP for the address that arrived at the host with the MAC address of the router (tcpdump on that host), so without what other hosts pass on to its API server.`,
  `Crash: the port of the host at the switch goes down, then all its processes are killed. BFD: ${BFD_MS} ms, three missed. Hold time: 3 s from \`bgp.holdTimeSeconds\`. Defaults: those of BIRD (240 s) and of hale (90 s), of which the smaller counts, and no BFD.`,
  'Failing for: from the fault to the start of the last request that failed. Longest gap: between the ends of two successful requests one after the other, of which the later ended after the fault; the paths to the other hosts serve on meanwhile.',
  'nat: a host knows the connections alone that came through it, so one whose packets come through another host is lost. A new connection that happens to take the port of a lost one meets its rest at the API server, and fails until that is gone; such ones prolong the time of failing.',
  'Kept: answered on the same connection after the fault, at the end too. Reset: closed by the other side. Hung: an answer took longer than 5 s, or never came, or an idle connection was told later than that. Lost of others: those reset or hung whose API server runs on a host that was not struck. Sums of all runs.',
];

export function renderRoutes({ runs, apiserver, subjects }: RoutesResult): string {
  const drained = subjects.filter(({ fault }) => fault === 'drain');
  const drainHead = [
    'asked after, ms',
    'last packet after, ms',
    'withdrawn after, ms',
    'max packets after the withdrawal',
    'max packets after asked',
  ];
  const rig = subjects.map((s) => [s.name, s.quietGapMs, Math.max(...s.runs.map(({ probeLagMs }) => probeLagMs)), s.discarded]);
  const every = subjects.map((s) => [s.name, list(s, 'failed'), list(s, 'failingForMs'), list(s, 'outageMs'), connections(s)]);
  return [
    `## Routes: hosts that announce the address by BGP, runs of each subject: ${runs}, API server: ${apiserver}`,
    '',
    markdownTable(
      ['requests', 'failed, median', 'failed, max', 'failing for, median ms', 'max ms', 'longest gap, median ms', 'max ms'],
      subjects.map(requestsRow),
    ),
    markdownTable(
      ['connections', 'kept', 'reset', 'hung', 'lost of others', 'longest wait of one answered in the end, median ms', 'max ms'],
      subjects.map(connectionsRow),
    ),
    ...(drained.length === 0 ? [] : [markdownTable(['drain, medians', ...drainHead], drained.map(drainRow))]),
    markdownTable(['the rig itself', 'longest gap before the fault, median ms', 'probe late, max ms', 'discarded'], rig),
    markdownTable(['every run', 'failed requests', 'failing for in ms', 'longest gap in ms', 'kept/reset/hung'], every),
    ...METHOD.map((line) => `- ${line}`),
    '',
  ].join('\n');
}

function requestsRow({ name, runs }: Subject): (string | number)[] {
  const of = (pick: (run: RoutesRun) => number) => {
    const { median, max } = summarize(runs.map(pick));
    return [median, max];
  };
  return [name, ...of(({ failed }) => failed), ...of(({ failingForMs }) => failingForMs), ...of(({ outageMs }) => outageMs)];
}

function connectionsRow({ name, runs }: Subject): (string | number)[] {
  const total = (key: 'kept' | 'reset' | 'hung' | 'othersLost') => runs.reduce((sum, run) => sum + run[key], 0);
  const wait = summarize(runs.map(({ longestWaitMs }) => longestWaitMs));
  return [name, total('kept'), total('reset'), total('hung'), total('othersLost'), wait.median, wait.max];
}

function drainRow({ name, runs }: Subject): (string | number)[] {
  const drains = runs.flatMap(({ drain }) => drain ?? []);
  const median = (pick: (drain: Drain) => number) => summarize(drains.map(pick)).median;
  const max = (pick: (drain: Drain) => number) => Math.max(...drains.map(pick));
  return [
    name,
    median(({ askedMs }) => askedMs),
    median(({ lastPacketMs }) => lastPacketMs ?? 0),
    median(({ withdrawnMs }) => withdrawnMs),
    max(({ packetsAfterWithdrawn }) => packetsAfterWithdrawn),
    max(({ packetsAfterAsked }) => packetsAfterAsked),
  ];
}

function list({ runs }: Subject, key: 'failed' | 'failingForMs' | 'outageMs'): string {
  return runs.map((run) => run[key]).join(', ');
}

function connections({ runs }: Subject): string {
  return runs.map(({ kept, reset, hung }) => `${kept}/${reset}/${hung}`).join(', ');
}
