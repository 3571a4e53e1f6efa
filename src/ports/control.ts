import type { Family } from '../base/address.ts';
import type { Choice } from '../core/balancer/choice.ts';
import type { BackendState } from '../core/balancer/health.ts';
import type { Fitness } from '../core/lease/message.ts';
import type { Advertisement } from './advertiser.ts';

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
  /** With `election: vrrp`. */
  vrrp: VrrpStatus | null;
  /** Where routers find the address (`advertise: bgp`, `frr`, `bird`). */
  routes: RoutesStatus | null;
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

/** The virtual router of `election: vrrp`, in the words of RFC 9568. */
export interface VrrpStatus {
  version: 2 | 3;
  virtualRouterId: number;
  state: 'initialize' | 'backup' | 'active';
  sinceMs: number;
  /** This host's, as it is now: 0 while it must not hold. */
  priority: number;
  advertisementIntervalMs: number;
  /** After so long without an advertisement a backup takes over; null while this host is no backup. */
  activeDownIntervalMs: number | null;
  /** Who was last heard as active; null when nobody was, or this host is. */
  active: { address: string; host: string | null; priority: number; heardMsAgo: number } | null;
  links: { family: Family; source: string; destinations: readonly string[] }[];
  /** What does not fit in what others say on this virtual router, in sentences, the newest last. */
  warnings: { text: string; agoMs: number }[];
  lastError: string | null;
  counters: Readonly<Record<string, number>>;
}

export interface RoutesStatus {
  by: 'bgp' | 'frr' | 'bird';
  prefixes: string[];
  wanted: Advertisement;
  /** Why it is not, or not everywhere, as wanted. */
  problem: string | null;
  /** With `bgp`. */
  peers: BgpPeerView[];
}

/** A router, in the words of RFC 4271. */
export interface BgpPeerView {
  address: string;
  asn: number;
  state: string;
  sinceMs: number;
  localAddress: string | null;
  routerId: string | null;
  /** As negotiated; null before a session, 0 for never. */
  holdTimeMs: number | null;
  keepaliveMs: number | null;
  announced: string[];
  /** Wanted, but it cannot be said to this router, and why. */
  unannounced: { prefix: string; reason: string }[];
  lastError: string | null;
  bfd: BfdView | null;
  counters: Readonly<Record<string, number>>;
}

/** A session of BFD, in the words of RFC 5880. */
export interface BfdView {
  state: string;
  sinceMs: number;
  /** As negotiated; null until the router was heard. */
  transmitMs: number | null;
  detectionTimeMs: number | null;
  /** Why it was down the last time, on this side and on the other. */
  diagnostic: string;
  remoteDiagnostic: string;
  counters: Readonly<Record<string, number>>;
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
