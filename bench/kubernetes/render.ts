import { markdownTable } from '../machine.ts';
import { KEPT_CLIENTS, KEPT_EVERY_MS, OBSERVE_MS, REQUEST_EVERY_MS, SETTLE_MS } from './crash.ts';
import { type Run, type SubjectResult, type Times, timesOf } from './result.ts';
import type { StartTimes } from './start.ts';

export const METHOD = [
  'Every run has a lab of its own: 3 hosts with etcd (mutual TLS), kube-apiserver, kube-controller-manager and kube-scheduler, and a client. One lab at a time; the runs are interleaved, one of each subject, and another one begins each round.',
  'The fault: the port of the holder at the switch goes down, then all its processes are killed, its API server and its member of etcd among them. It comes at a random moment of the period of whatever keeps the address.',
  'Every cell is the median of the runs and, behind the comma, the worst. For clients of a kind of which there are many, it is the median of the medians of the runs, and the worst of all clients.',
  `Fresh request: /livez over a new TLS connection every ${REQUEST_EVERY_MS} ms, whether or not others were answered; failed without an answer after 3 s. The outage is the longest time between the ends of two successful ones of which the later ended after the fault.`,
  `kubectl get in a loop: one client that reads a ConfigMap over a new HTTP/2 connection every 100 ms, the next not before the last has ended; it waits as client-go does, so an opening that is lost is repeated by TCP after 1, 2, 4 s. Kept HTTP/2: ${KEPT_CLIENTS} clients that read it every ${KEPT_EVERY_MS} ms over the connection that they have; without an error they wait until client-go's ping has failed, 30 + 15 s. The same outage of each.`,
  'Watches: 500, each over an HTTP/2 connection of its own, with 50 writers that make 5 changes a second. Lost: those that had to open another connection after the fault, or were asked to (GOAWAY). From the last that was heard to the next watch. Stalled: the longest time without any acknowledged write.',
  `Writes and events lost: by the ledger of \`hale drill\`. Each writer writes rising numbers to an object of its own and reads back what was not acknowledged; each watcher's events are held against all that is known to have been written. At most ${SETTLE_MS / 1000} s after the last write each has to have seen it; who has not is unknown.`,
  `Two holders: every millisecond all hosts are asked from the client's side whether they answer ARP and accept TCP for the address; the longest time for which two provably did. Failed requests: within ${OBSERVE_MS / 1000} s of the fault.`,
  "hale: datapath dsr, which `auto` chooses. keepalived: Debian package with VRRP only, state BACKUP and nopreempt everywhere; HAProxy in TCP mode as in the documentation of kubeadm. kube-vip: built with `go install`, the environment of its own manifest for ARP and leader election, its address on the holder's eth0, no `lb_enable`; it runs as a plain process, and nothing starts it again.",
  'Start: the steps of `hale lab up` from nothing, one after the other. Every run gives one of each; those of the address and of the whole are of hale alone. Ready: every API server answers /readyz with 200, one agent holds the address and all agents find everything ready, and both controllers have a leader.',
];

export function renderSubjects(subjects: readonly SubjectResult[]): string[] {
  return [doesTable(subjects), outageTable(subjects), ledgerTable(subjects), startTable(subjects), runsTable(subjects)];
}

function doesTable(subjects: readonly SubjectResult[]): string {
  const head = ['way', 'the address moves by', 'who answers behind it', 'health of API servers'];
  return markdownTable(
    head,
    subjects.map(({ name, does }) => [name, ...does]),
  );
}

function outageTable(subjects: readonly SubjectResult[]): string {
  const head = [
    'outage in ms: median, worst',
    'fresh request',
    'failed',
    'kubectl get in a loop',
    'kept HTTP/2',
    'watch',
    'watches lost',
    'writes stalled',
  ];
  const rows = subjects.map(({ name, runs }) => [
    name,
    pair(runs.map((run) => run.outageMs)),
    pair(runs.map((run) => run.failed)),
    pair(runs.map((run) => run.loopMs)),
    spread(runs.map((run) => run.keptMs)),
    spread(runs.map((run) => run.unheardMs)),
    pair(runs.map((run) => run.watchesLost)),
    pair(runs.map((run) => run.stalledMs)),
  ]);
  return markdownTable(head, rows);
}

/** Counts are sums of all runs. */
function ledgerTable(subjects: readonly SubjectResult[]): string {
  const head = [
    'lost, all runs',
    'writes made',
    'acknowledged writes lost',
    'watch events lost',
    'unknown at the end',
    'holders at once, max',
    'two at once, max ms',
    'not moved',
    'discarded',
    'probe late, max ms',
    'hosts not asked for, max ms',
  ];
  const rows = subjects.map(({ name, runs, discarded }) => {
    const sum = (key: 'committedWrites' | 'lostWrites' | 'lostEvents' | 'unknown'): number => runs.reduce((all, run) => all + run[key], 0);
    const max = (key: 'maxSimultaneous' | 'overlapMs' | 'probeLagMs' | 'watchedEveryMsMax'): number =>
      Math.max(...runs.map((run) => run[key]));
    return [
      name,
      sum('committedWrites'),
      sum('lostWrites'),
      sum('lostEvents'),
      sum('unknown'),
      max('maxSimultaneous'),
      max('overlapMs'),
      runs.filter(({ moved }) => !moved).length,
      discarded,
      max('probeLagMs'),
      max('watchedEveryMsMax'),
    ];
  });
  return markdownTable(head, rows);
}

interface StartRow {
  name: string;
  of: readonly StartTimes[];
  partMs(times: StartTimes): number;
}

function startTable(subjects: readonly SubjectResult[]): string {
  const every = subjects.flatMap(({ starts }) => starts);
  const hale = subjects.filter((subject) => subject.hale).flatMap(({ starts }) => starts);
  const rows: StartRow[] = [
    { name: 'hosts, switch, keys and certificates', of: every, partMs: ({ machines }) => machines },
    { name: 'etcd: 3 members healthy', of: every, partMs: ({ etcd }) => etcd },
    { name: '3 API servers ready', of: every, partMs: ({ apiservers }) => apiservers },
    { name: 'rights given, controller managers and schedulers started', of: every, partMs: ({ controllers }) => controllers },
    { name: 'agents: one holds the address, all find all ready', of: hale, partMs: ({ address }) => address },
    { name: 'then until both controllers have a leader', of: hale, partMs: ({ leaders }) => leaders },
    { name: 'all of it', of: hale, partMs: (times) => Object.values<number>({ ...times }).reduce((sum, ms) => sum + ms, 0) },
  ];
  const cells = rows.map(({ name, of, partMs }) => {
    const { median, max } = timesOf(of.map((times) => partMs(times) / 1000));
    return [name, median ?? '-', max ?? '-', of.length];
  });
  return markdownTable(['from nothing to a ready control plane of 3, s', 'median', 'worst', 'starts'], cells);
}

function runsTable(subjects: readonly SubjectResult[]): string {
  const rows = subjects.map(({ name, runs }) => [
    name,
    runs.map((run) => run.outageMs).join(', '),
    runs.map((run) => run.loopMs).join(', '),
    runs.map((run) => run.keptMs.max ?? '-').join(', '),
    runs.map((run) => run.unheardMs.max ?? '-').join(', '),
    runs.map(({ holderBefore, holderAfter }) => `${holderBefore} ${holderAfter}`).join(', '),
  ]);
  return markdownTable(['every run', 'fresh request', 'kubectl get in a loop', 'kept, worst', 'watch, worst', 'holders'], rows);
}

function pair(values: readonly number[]): string {
  return text(timesOf(values));
}

function spread(runs: readonly Run['keptMs'][]): string {
  const known = (key: keyof Times): number[] => runs.flatMap((times) => times[key] ?? []);
  return text({ median: timesOf(known('median')).median, max: timesOf(known('max')).max });
}

function text({ median, max }: Times): string {
  return `${median ?? '-'}, ${max ?? '-'}`;
}
