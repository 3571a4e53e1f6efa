/** Operations on the hosts of etcd as data: shown before they begin, kept in a journal, carried out by engine/etcd/run-plan.ts. */

/** `controllers`: controller manager and scheduler. */
export type HostService = 'etcd' | 'apiserver' | 'controllers';

/** `after`: a host where etcd has ended first, or has taken too long for that. */
type StopAction = { kind: 'stop'; service: HostService; after?: string };

/** What is done on one host. Each may be repeated when nobody knows whether it was done. */
export type Action = { host: string } & (
  | StopAction
  /** `after`: a host where etcd has to answer other members first, or to take too long for that. */
  | { kind: 'start'; service: HostService; arguments?: readonly string[]; after?: string }
  /** Waits until it serves. */
  | { kind: 'ready'; service: HostService }
  /** No other operation of hale has its lock on etcd. */
  | { kind: 'alone' }
  /** The operation's snapshot, to a file. */
  | { kind: 'put'; path: string }
  | { kind: 'run'; argv: readonly string[]; shown: string }
  /** Waits until etcd has exactly so many voters, all of which answer and follow one leader. */
  | { kind: 'voters'; count: number }
  /** Waits until etcd has a quorum, whoever else is missing. */
  | { kind: 'quorum' }
  /** The members' data is the same, and what was to be restored. */
  | { kind: 'compare'; wanted: WantedData }
  /** No other member's data folder is ahead of this host's. */
  | { kind: 'furthest'; folders: Readonly<Record<string, string>> }
  /** Adds a learner, waits until it has started and is in sync, and promotes it. */
  | { kind: 'add-member'; name: string; peerUrl: string }
  /** Waits until `on` knows of the learner, and starts it. */
  | { kind: 'start-joining'; on: string; peerUrl: string }
  /** A client gets an answer at the shared address. */
  | { kind: 'address' }
);

/** What etcd must hold after an operation. */
export interface WantedData {
  revisionAtLeast: number;
  /** Keys that there must be at that revision; with `isBumped`, at the one that everything was compacted to. */
  restored?: { keys: number; revision: number; isBumped: boolean };
}

export interface Step {
  id: string;
  /** In words, for people. */
  does: string;
  /** Actions of one phase at once, phases one after the other. */
  phases: readonly (readonly Action[])[];
  /** What puts it back, also when only half of it was done. Nothing when absent. */
  undo?: readonly (readonly Action[])[];
  /** From here on clients write to the new data: what puts things back loses what they wrote. */
  opens?: true;
}

export interface Operation {
  /** The time it was planned, as file names have it: `20260131-120000`. */
  id: string;
  kind: 'restore' | 'recover';
  /** Whose hosts, as a flag names them: `lab demo`. */
  where: string;
  steps: readonly Step[];
  /** What is lost, or may be. */
  losses: readonly string[];
  /** What people should know of how it is done. */
  notes: readonly string[];
  /** What is left to people when it has ended. */
  afterwards: readonly string[];
  /** What is put on the hosts. */
  snapshot?: OperationSnapshot;
}

export interface OperationSnapshot {
  path: string;
  /** Hexadecimal, of what is put on the hosts: of the snapshot itself when the file is encrypted. */
  sha256: string;
  bytes: number;
  revision: number;
  /** That exist at `revision`. */
  keys: number;
  /** That etcd had raised when it was taken, in words. */
  alarms: readonly string[];
  /** False for a copy of a database. */
  hasHash: boolean;
  /** When it was taken, as far as that is known, for people. */
  ageText: string;
}

/** What takes an operation up again, without how. */
export function commandOf({ kind, where }: Pick<Operation, 'kind' | 'where'>): string {
  return `hale etcd ${kind} --${where}`;
}

const QUOTED = /[^\w@%+=:,./-]/;

/** As a shell would take it. */
export function shellLine(argv: readonly string[]): string {
  return argv.map((word) => (word === '' || QUOTED.test(word) ? `'${word.replaceAll("'", String.raw`'\''`)}'` : word)).join(' ');
}

/** What an action does, as a person would type or say it. */
export function actionText(action: Action): string {
  switch (action.kind) {
    case 'stop':
      return `stop ${action.service}, and keep it from starting`;
    case 'start':
      return `start ${[action.service, ...(action.arguments ?? [])].join(' ')}${action.arguments === undefined ? '' : ' (for this one start)'}`;
    case 'ready':
      return `wait until ${action.service} serves`;
    case 'alone':
      return 'hale etcd get /hale/etcd/operation: there must be none';
    case 'put':
      return `put the snapshot into ${action.path}, and compare its SHA-256`;
    case 'run':
      return action.shown;
    case 'voters':
      return `wait until etcd has ${action.count === 1 ? 'one voter, the leader' : `${action.count} voters and a leader`}`;
    case 'quorum':
      return 'wait until etcd has a leader';
    case 'compare':
      return 'hale etcd fingerprint';
    case 'furthest':
      return `hale etcd data ${action.folders[action.host]}: compare with the other members`;
    case 'add-member':
      return `hale etcd member add ${action.name} --peer-url ${action.peerUrl}`;
    case 'start-joining':
      return 'start etcd --initial-cluster-state=existing --initial-cluster=… (for this one start), when it is known as a learner';
    case 'address':
      return 'ask /readyz at the shared address';
  }
}
