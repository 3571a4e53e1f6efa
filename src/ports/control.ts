import type { Choice } from '../core/balancer/choice.ts';
import type { BackendState } from '../core/balancer/health.ts';
import type { Fitness } from '../core/lease/message.ts';

/** The agent's local control socket. */
export const CONTROL_SOCKET = '/run/hale/agent.sock';

/** Held by the guardian that works on this host. */
export const GUARDIAN_LOCK = '/run/hale/guardian.lock';

/** What `GET /status` on the control socket answers, and what `hale status` shows. Times in ms. */
export interface AgentStatus {
  cluster: string;
  host: string;
  role: 'holder' | 'follower' | 'candidate';
  term: number;
  draining: boolean;
  profile: string;
  leaseMs: number;
  /** Who answers for the address, as far as this agent knows: itself, or the member it promised the lease to. */
  holder: string | null;
  leaseRemainingMs: number | null;
  /** Why this agent does not hold the address; null when it does. */
  whyNotHolding: string | null;
  endpoint: { addresses: string[]; port: number; interface: string; enforced: boolean; weaker: string | null; conflict: string | null };
  /** How long this agent, just started, still promises the lease to nobody; 0 from then on. */
  silentMs: number;
  members: MemberStatus[];
  backends: { name: string; address: string; state: BackendState; reason: string; sinceMs: number }[];
  /** The record of `election: kubernetes` or `election: etcd`; null with `election: quorum`. */
  record: RecordStatus | null;
  /** How connections reach a backend from this host when it holds the address, and why so. */
  datapath: Choice;
  connections: number;
  /** API servers that connections of processes on this host go straight to; null: they go to the address like those of others. */
  steeredTo: string[] | null;
  realtime: boolean;
  /** Whether a guardian process stands by, so that the address moves at once should only the agent die. */
  guarded: boolean;
}

export interface RecordStatus {
  /** `Lease kube-system/hale`, `etcd key /hale/election/CLUSTER/hale`. */
  name: string;
  /** Who stands in it, as last read; null when nobody does. */
  owner: string | null;
  /** Whether this host may count on owning it. */
  owned: boolean;
  /** How long ago this agent saw it change; null before it was read. */
  changedMsAgo: number | null;
  /** Why it could not be read or written the last time. */
  problem: string | null;
}

/** The same of a machine that is no control-plane host: `hale agent --node`. */
export interface NodeStatus {
  cluster: string;
  host: string;
  role: 'node';
  endpoint: { addresses: string[]; port: number };
  /** Hosts whose API servers new connections to the address go to straight away; empty while they are left to the address itself. */
  steeredTo: string[];
  /** Why connections are not steered although they should be. */
  problem: string | null;
  backends: AgentStatus['backends'];
  /** Connections of this machine that were steered, and are open now. */
  connections: number;
}

export interface MemberStatus {
  name: string;
  address: string;
  /** Null for this member itself, and for one never heard. */
  heardMsAgo: number | null;
  /** Heard within three heartbeats. */
  alive: boolean;
  fitness: Fitness | null;
  /** Names of the members that it hears, itself included. */
  hears: string[];
  readyBackends: string[];
}
