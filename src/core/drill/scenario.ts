/** The drills as data: which fault, on which host, how long to watch, and what must hold. */
import type { DatapathName } from '../balancer/choice.ts';

export type FaultKind =
  | 'crash'
  | 'freeze'
  | 'suspend'
  | 'agent-kill'
  | 'freeze-agent'
  | 'starve-agent'
  | 'clock-jump'
  | 'isolate'
  | 'partition'
  | 'deaf'
  | 'mute'
  | 'link-flap'
  | 'apiserver-kill'
  | 'apiserver-hang'
  | 'apiserver-drain'
  | 'etcd-down'
  | 'etcd-leader-kill'
  | 'controller-leader-kill'
  | 'scheduler-leader-kill'
  | 'drain';

/** What a drill must show. An absent bound is reported but not judged. */
export interface Expectation {
  /** The outage may last `leases` lease times plus `plusMs`. */
  outage: { leases: number; plusMs: number };
  /** No request that begins later than this after the fault may fail. */
  failingForMs: number;
  failedMax?: number;
  hungMax: number;
  /** Connections to API servers on hosts that were not struck, of which so many may be lost with a datapath; one that is not named may lose any. */
  survivorsLostMax?: Partial<Record<DatapathName, number>>;
  /** `either`: both are right, as the fault may or may not last until the lease ends. */
  holder: 'changes' | 'stays' | 'either';
}

export interface Scenario {
  name: string;
  /** One sentence for `hale drill list` and the report. */
  description: string;
  fault: FaultKind;
  /** Whose host, or whose API server, the fault strikes, relative to the holder of the address at that moment. */
  target: 'holder' | 'another';
  /** Steady state to watch before the fault. */
  warmUpMs: number;
  /** From the fault to its undoing by the timer on the host. */
  undoAfterMs: number;
  /** From the fault to the end of observation; beyond `hungAfterMs` (fate.ts), or a hung connection could not be told from a slow one. */
  observeMs: number;
  expect: Expectation;
}

/** The address stays: a connection to a healthy API server has nothing to do with the fault. */
const KEEPS = { survivorsLostMax: { dsr: 0, nat: 0, ipvs: 0, proxy: 0 } };
/** The address moves: the next holder steers each connection to the API server that has it; the other datapaths have their state on the old holder. */
const DSR_KEEPS = { survivorsLostMax: { dsr: 0 } };

const WATCH = { warmUpMs: 2000, undoAfterMs: 6500, observeMs: 9000 };
/** Until the clients of one that hangs are told with the slowest profile (core/balancer/timing.ts). */
const WATCH_HANG = { warmUpMs: 2000, undoAfterMs: 21_000, observeMs: 23_000 };
/** A real API server that drains serves for 15 s on, and ends the watches within 10 s more (core/render/systemd/apiserver.ts). */
const WATCH_DRAIN = { warmUpMs: 2000, undoAfterMs: 27_000, observeMs: 28_000 };
/** The others take a Lease of 15 s over when they look for the first time after its end, each about every 2 s. */
const WATCH_LEASE = { warmUpMs: 2000, undoAfterMs: 22_000, observeMs: 23_000 };
/** The address has nothing to do with it. */
const UNDISTURBED = { outage: { leases: 0, plusMs: 150 }, failingForMs: 0, failedMax: 0, hungMax: 0, holder: 'stays', ...KEEPS } as const;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'owner-crash',
    description: 'The host that holds the address vanishes from the network and all its processes are killed.',
    fault: 'crash',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes', ...DSR_KEEPS },
  },
  {
    name: 'owner-freeze',
    description: 'Every process of the host that holds the address is stopped, while its kernel keeps answering.',
    fault: 'freeze',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes', ...DSR_KEEPS },
  },
  {
    name: 'owner-suspended',
    description: 'The host that holds the address stands still, processes and packets alike, and wakes when its lease has ended.',
    fault: 'suspend',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes', ...DSR_KEEPS },
  },
  {
    name: 'agent-killed',
    description: 'The agent of the host that holds the address is killed (SIGKILL), and nothing else.',
    fault: 'agent-kill',
    target: 'holder',
    ...WATCH,
    // Nobody waits for the lease, but the dying process closes its clients' connections before its guardian is told; with 20 of them 50 ms are enough.
    expect: { outage: { leases: 0.5, plusMs: 50 }, failingForMs: 5000, hungMax: 0, holder: 'changes', ...DSR_KEEPS },
  },
  {
    name: 'owner-stopped',
    description: 'The agent of the host that holds the address is stopped (SIGSTOP), while its kernel and everything else keeps running.',
    fault: 'freeze-agent',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes', ...DSR_KEEPS },
  },
  {
    name: 'owner-starved',
    description: "The holder's agent gets 10 ms of CPU time, then none for one and a half leases, and so on.",
    fault: 'starve-agent',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes', ...DSR_KEEPS },
  },
  {
    name: 'owner-clock-jump',
    description: "The wall clock of the holder's agent jumps forward by an hour, and back; the lease runs on another, which cannot jump.",
    fault: 'clock-jump',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 100 }, failingForMs: 0, failedMax: 0, hungMax: 0, holder: 'stays', ...KEEPS },
  },
  {
    name: 'owner-isolated',
    description: 'The host that holds the address is cut off from the other control-plane hosts, but not from clients, and keeps running.',
    fault: 'isolate',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes', ...DSR_KEEPS },
  },
  {
    name: 'partition-minority',
    description: 'The host that holds the address is cut off with a minority (of three hosts: alone); clients reach both sides.',
    fault: 'partition',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes', ...DSR_KEEPS },
  },
  {
    name: 'partition-majority',
    description: 'A minority without the holder is cut off from the other control-plane hosts; clients reach both sides.',
    fault: 'partition',
    target: 'another',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'stays', ...KEEPS },
  },
  {
    name: 'partition-one-way',
    description: 'The host that holds the address hears no other control-plane host, while they hear it.',
    fault: 'deaf',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes', ...DSR_KEEPS },
  },
  {
    name: 'partition-mute',
    description: 'No other control-plane host hears the one that holds the address, while it hears them.',
    fault: 'mute',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes', ...DSR_KEEPS },
  },
  {
    name: 'flapping-link',
    description: 'The link of the host that holds the address goes down and up every 250 ms.',
    fault: 'link-flap',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 400 }, failingForMs: 8000, hungMax: 0, holder: 'either', ...DSR_KEEPS },
  },
  {
    name: 'apiserver-crash',
    description: "The API server on the holder's host is killed; the address stays and the others serve.",
    fault: 'apiserver-kill',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 150 }, failingForMs: 3000, hungMax: 0, holder: 'stays', ...KEEPS },
  },
  {
    name: 'apiserver-hang',
    description: 'The API server on another host is stopped: it accepts connections and never answers.',
    fault: 'apiserver-hang',
    target: 'another',
    ...WATCH_HANG,
    expect: { outage: { leases: 0, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'stays', ...KEEPS },
  },
  {
    name: 'apiserver-drain',
    description:
      "The API server on the holder's host is asked to end (SIGTERM): it says that it goes, serves on until nobody comes any more, and ends.",
    fault: 'apiserver-drain',
    target: 'holder',
    ...WATCH_DRAIN,
    expect: UNDISTURBED,
  },
  {
    name: 'controller-leader-crash',
    description: 'The kube-controller-manager that leads is killed; another one takes its Lease.',
    fault: 'controller-leader-kill',
    target: 'holder',
    ...WATCH_LEASE,
    expect: UNDISTURBED,
  },
  {
    name: 'scheduler-leader-crash',
    description: 'The kube-scheduler that leads is killed; another one takes its Lease.',
    fault: 'scheduler-leader-kill',
    target: 'holder',
    ...WATCH_LEASE,
    expect: UNDISTURBED,
  },
  {
    name: 'backend-crash',
    description: 'Another host than the one that holds the address vanishes from the network and all its processes are killed.',
    fault: 'crash',
    target: 'another',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'stays', ...KEEPS },
  },
  {
    name: 'backend-returns',
    description: 'Another host vanishes like that and is back after two seconds; its API server takes new connections only.',
    fault: 'crash',
    target: 'another',
    ...WATCH,
    undoAfterMs: 2000,
    expect: { outage: { leases: 0, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'stays', ...KEEPS },
  },
  {
    name: 'etcd-down',
    description: 'Every member of etcd is killed: the API servers are no longer ready, and the address stays where it is.',
    fault: 'etcd-down',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'stays', ...KEEPS },
  },
  {
    name: 'etcd-leader-crash',
    description: 'The member of etcd that leads is killed: the others elect one, and the API server beside it is no longer ready.',
    fault: 'etcd-leader-kill',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'stays', ...KEEPS },
  },
  {
    name: 'drain',
    description: 'The holder is asked to hand the address over before maintenance.',
    fault: 'drain',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 100 }, failingForMs: 0, failedMax: 0, hungMax: 0, holder: 'changes', ...DSR_KEEPS },
  },
];

export function scenarioByName(name: string): Scenario | undefined {
  return SCENARIOS.find((scenario) => scenario.name === name);
}
