/** The drills as data: which fault, on which host, how long to watch, and what must hold. */
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
  | 'etcd-down'
  | 'drain';

/** What a drill must show. An absent bound is reported but not judged. */
export interface Expectation {
  /** The outage may last `leases` lease times plus `plusMs`. */
  outage: { leases: number; plusMs: number };
  /** No request that begins later than this after the fault may fail. */
  failingForMs: number;
  failedMax?: number;
  hungMax?: number;
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
  /** From the fault to the end of observation; beyond HUNG_AFTER_MS, or a hung connection could not be told from a slow one. */
  observeMs: number;
  expect: Expectation;
}

const WATCH = { warmUpMs: 2000, undoAfterMs: 6500, observeMs: 9000 };

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'owner-crash',
    description: 'The host that holds the address vanishes from the network and all its processes are killed.',
    fault: 'crash',
    target: 'holder',
    ...WATCH,
    // Connections through the dead host may hang until the client's own time-out with the proxy datapath: reported, not judged.
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, holder: 'changes' },
  },
  {
    name: 'owner-freeze',
    description: 'Every process of the host that holds the address is stopped, while its kernel keeps answering.',
    fault: 'freeze',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes' },
  },
  {
    name: 'owner-suspended',
    description: 'The host that holds the address stands still, processes and packets alike, and wakes when its lease has ended.',
    fault: 'suspend',
    target: 'holder',
    ...WATCH,
    // Its connections hear nothing from a host that stands still: reported, not judged.
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, holder: 'changes' },
  },
  {
    name: 'agent-killed',
    description: 'The agent of the host that holds the address is killed (SIGKILL), and nothing else.',
    fault: 'agent-kill',
    target: 'holder',
    ...WATCH,
    // Nobody waits for the lease, but the dying process closes its clients' connections before its guardian is told; with 20 of them 50 ms are enough.
    expect: { outage: { leases: 0.5, plusMs: 50 }, failingForMs: 5000, hungMax: 0, holder: 'changes' },
  },
  {
    name: 'owner-stopped',
    description: 'The agent of the host that holds the address is stopped (SIGSTOP), while its kernel and everything else keeps running.',
    fault: 'freeze-agent',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes' },
  },
  {
    name: 'owner-starved',
    description: "The holder's agent gets 10 ms of CPU time, then none for one and a half leases, and so on.",
    fault: 'starve-agent',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes' },
  },
  {
    name: 'owner-clock-jump',
    description: "The wall clock of the holder's agent jumps forward by an hour, and back; the lease runs on another, which cannot jump.",
    fault: 'clock-jump',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 100 }, failingForMs: 0, failedMax: 0, hungMax: 0, holder: 'stays' },
  },
  {
    name: 'owner-isolated',
    description: 'The host that holds the address is cut off from the other control-plane hosts, but not from clients, and keeps running.',
    fault: 'isolate',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes' },
  },
  {
    name: 'partition-minority',
    description: 'The host that holds the address is cut off with a minority (of three hosts: alone); clients reach both sides.',
    fault: 'partition',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes' },
  },
  {
    name: 'partition-majority',
    description: 'A minority without the holder is cut off from the other control-plane hosts; clients reach both sides.',
    fault: 'partition',
    target: 'another',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'stays' },
  },
  {
    name: 'partition-one-way',
    description: 'The host that holds the address hears no other control-plane host, while they hear it.',
    fault: 'deaf',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes' },
  },
  {
    name: 'partition-mute',
    description: 'No other control-plane host hears the one that holds the address, while it hears them.',
    fault: 'mute',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'changes' },
  },
  {
    name: 'flapping-link',
    description: 'The link of the host that holds the address goes down and up every 250 ms.',
    fault: 'link-flap',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 1, plusMs: 400 }, failingForMs: 8000, holder: 'either' },
  },
  {
    name: 'apiserver-crash',
    description: "The API server on the holder's host is killed; the address stays and the others serve.",
    fault: 'apiserver-kill',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 150 }, failingForMs: 3000, hungMax: 0, holder: 'stays' },
  },
  {
    name: 'apiserver-hang',
    description: 'The API server on another host is stopped: it accepts connections and never answers.',
    fault: 'apiserver-hang',
    target: 'another',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 150 }, failingForMs: 5000, holder: 'stays' },
  },
  {
    name: 'etcd-down',
    description: 'Every member of etcd is killed: the API servers are no longer ready, and the address stays where it is.',
    fault: 'etcd-down',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 150 }, failingForMs: 5000, hungMax: 0, holder: 'stays' },
  },
  {
    name: 'drain',
    description: 'The holder is asked to hand the address over before maintenance.',
    fault: 'drain',
    target: 'holder',
    ...WATCH,
    expect: { outage: { leases: 0, plusMs: 100 }, failingForMs: 0, failedMax: 0, hungMax: 0, holder: 'changes' },
  },
];

export function scenarioByName(name: string): Scenario | undefined {
  return SCENARIOS.find((scenario) => scenario.name === name);
}
