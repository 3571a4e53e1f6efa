/** A simulated cluster's life as data, so that a generated run, a shrunk one and one written by hand have the same form. Times in ms of true time. */
import type { Fitness } from '../core/lease/message.ts';
import type { TimingProfile } from '../core/lease/timing.ts';

/** Hosts are numbered from 0. */
export const HOSTS_MAX = 8;
/** Of a member list. */
export const MEMBERS_MAX = 7;

export interface Quality {
  lossProbability: number;
  duplicateProbability: number;
  delayMinMs: number;
  delayMaxMs: number;
}

export const GOOD_QUALITY: Quality = { lossProbability: 0, duplicateProbability: 0, delayMinMs: 0.1, delayMaxMs: 1 };

/** What one host's agent reads at its start. */
export interface HostConfig {
  /** Host numbers in the order of the member list. */
  members: readonly number[];
  profile: TimingProfile;
  /** Numbers of cluster keys: the first seals, all open. */
  keys: readonly number[];
}

/** The gate of the kernel. `deadline`: a time of the boot-time clock. `timeout`: a timer that stands still while the host is suspended. */
export type GateKind = 'deadline' | 'timeout';
export const gateKinds: readonly GateKind[] = ['deadline', 'timeout'];

/** What the kernel of a host refuses or forgets. */
export type KernelFault = 'hold' | 'withdraw' | 'yield' | 'announce';
export const kernelFaults: readonly KernelFault[] = ['hold', 'withdraw', 'yield', 'announce'];

/** A host by number, or whoever answers for the address at that moment (then nobody: who did last). */
export type HostName = number | 'holder';

/** How a host's agent or the host itself can stop. */
export type Stop = 'crash' | 'kill' | 'freeze' | 'suspend' | 'isolate' | 'drain';
export const stops: readonly Stop[] = ['crash', 'kill', 'freeze', 'suspend', 'isolate', 'drain'];

export type Action =
  /**
   * `crash`: power cut. `kill`: kill -9 of the agent and its guardian, the kernel keeps what it has. `freeze`: the agent stands still.
   * `suspend`: the whole host does, its boot-time clock goes on. `isolate`: every link of the host is cut.
   */
  | { kind: Stop; host: HostName }
  /** kill -9 of the agent alone: its guardian withdraws, then sends the release that was signed beforehand, `afterMs` later. */
  | { kind: 'kill-guarded'; host: HostName; afterMs: number }
  /** Undoes the stop of the same host: `start` a crash or a kill, `thaw`, `wake`, `join`, `resume`. */
  | { kind: 'start' | 'thaw' | 'wake' | 'join' | 'resume'; host: HostName }
  /** Stops the agent as its supervisor does, hand-over included, and starts it with the configuration it finds then. */
  | { kind: 'restart'; host: HostName }
  | { kind: 'fitness'; host: HostName; fitness: Fitness }
  | { kind: 'break' | 'mend'; host: HostName; fault: KernelFault }
  | { kind: 'cut' | 'heal'; from: HostName; to: HostName }
  | { kind: 'link'; from: number; to: number; quality: Quality }
  /** Every link that has none of its own. */
  | { kind: 'network'; quality: Quality }
  /** A new file on the host's disk: read at the next start. */
  | { kind: 'configure'; host: HostName; config: Partial<HostConfig> }
  /** Everything is repaired: hosts and links, and every agent runs and is good. */
  | { kind: 'repair' };

export interface ScenarioEvent {
  atMs: number;
  action: Action;
  /** Undone after this long. */
  forMs?: number;
}

export interface Scenario {
  /** What it shows, for people. */
  notes: readonly string[];
  /** For the network's dice and the agents' boot numbers. */
  seed: number;
  /** The cluster as configured at the start: members are the hosts 0, 1, ... */
  members: number;
  profile: TimingProfile;
  gate: GateKind;
  /** Datagrams go through SealedDatagram. */
  sealed: boolean;
  network: Quality;
  links: readonly { from: number; to: number; quality: Quality }[];
  /** By host: rate of its clock against true time. Hosts that are not named have 1. */
  clocks: readonly { host: number; rate: number }[];
  events: readonly ScenarioEvent[];
  endMs: number;
}

/** What undoes each action that takes a `for`. */
export function undoing(action: Action): Action | undefined {
  switch (action.kind) {
    case 'crash':
    case 'kill':
    case 'kill-guarded':
      return { kind: 'start', host: action.host };
    case 'freeze':
      return { kind: 'thaw', host: action.host };
    case 'suspend':
      return { kind: 'wake', host: action.host };
    case 'isolate':
      return { kind: 'join', host: action.host };
    case 'drain':
      return { kind: 'resume', host: action.host };
    case 'break':
      return { ...action, kind: 'mend' };
    case 'cut':
      return { ...action, kind: 'heal' };
    case 'fitness':
      return action.fitness === 'good' ? undefined : { ...action, fitness: 'good' };
    default:
      return undefined;
  }
}
