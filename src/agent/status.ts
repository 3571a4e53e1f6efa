import { activePromise } from '../core/lease/granter.ts';
import { isFresh, type LeaseState, majority } from '../core/lease/state.ts';
import type { BackendHealth } from '../core/balancer/health.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import type { AgentStatus, MemberStatus, RecordStatus } from '../ports/control.ts';
import type { Claim } from './claim.ts';
import type { Self } from './self.ts';
import type { Host } from './world.ts';

export interface AgentView {
  cluster: Cluster;
  self: Self;
  host: Host;
  now: number;
  lease: LeaseState;
  /** Of a backend, by its name. */
  health: (name: string) => BackendHealth;
  /** What else answers for the address, in words. */
  conflict: string | undefined;
  record: RecordStatus | undefined;
  claim: Claim | undefined;
  /** Why this host may not stand, in words. */
  unfit: string | undefined;
  connections: number;
  steeredTo: string[] | null;
  guarded: boolean;
}

/** All that an agent says of itself. */
export function agentStatus(view: AgentView): AgentStatus {
  const { cluster, self, host, now, lease, health, unfit, conflict, record, claim, connections, steeredTo, guarded } = view;
  const { hosts } = cluster.controlPlane;
  const names = hosts.map(({ name }) => name);
  const addresses = hosts.map((each) => each.addresses[0]?.address as string);
  const promised = knownHolder(lease, now);
  const holder = claim === undefined ? promised?.member : claim.holder();
  return {
    cluster: cluster.name,
    host: self.host.name,
    role: claim === undefined ? roleOf(lease) : claim.isHolding ? 'holder' : 'follower',
    term: lease.term,
    draining: lease.draining,
    profile: cluster.agent.profile,
    leaseMs: lease.config.timing.leaseMs,
    holder: holder === undefined ? null : (names[holder] as string),
    leaseRemainingMs: promised === undefined ? null : Math.round(promised.remainingMs),
    whyNotHolding: (claim === undefined ? whyNotHolding(lease, { now, names, unfit }) : claim.whyNot()) ?? null,
    endpoint: {
      addresses: cluster.endpoint.addresses,
      port: cluster.endpoint.port,
      interface: self.interfaceName,
      enforced: host.gate !== null,
      weaker: host.weaker ?? null,
      conflict: conflict ?? null,
    },
    silentMs: Math.max(0, Math.ceil(lease.granter.silentUntil - now)),
    members: membersStatus(lease, { now, names, addresses }),
    backends: names.map((name, i) => {
      const { state, reason, since } = health(name);
      return { name, address: addresses[i] as string, state, reason, sinceMs: Math.round(now - since) };
    }),
    record: record ?? null,
    vrrp: claim?.vrrp ?? null,
    routes: claim?.routes ?? null,
    datapath: host.choice,
    connections,
    steeredTo,
    realtime: host.realtime,
    guarded,
  };
}

function roleOf({ role }: LeaseState): AgentStatus['role'] {
  return role.name === 'holder' ? 'holder' : role.name === 'follower' ? 'follower' : 'candidate';
}

/** Why a member does not hold the lease, in words; undefined when it does. */
function whyNotHolding(
  state: LeaseState,
  context: { now: number; names: readonly string[]; unfit: string | undefined },
): string | undefined {
  const { role, granter, config } = state;
  const { now, names, unfit } = context;
  if (role.name === 'holder') return undefined;
  const promise = activePromise(granter, now);
  if (promise !== undefined && promise.candidate !== config.self) return `${names[promise.candidate]} holds the lease`;
  if (state.draining) return 'this host is drained; see: hale agent resume';
  if (state.fitness === 'unable') return unfit ?? 'this host is not able to hold the address';
  const alive = names.filter((_, member) => member === config.self || isFresh(state, member, now)).length;
  if (alive < majority(config.members)) {
    return `no majority: this agent hears ${alive} of ${config.members} members, itself included, and ${majority(config.members)} are needed`;
  }
  if (now < granter.silentUntil) return `just started: it promises nothing for another ${Math.ceil(granter.silentUntil - now)} ms`;
  const refusal = state.lastRefusal;
  if (refusal !== undefined && now - refusal.at < 3 * config.timing.leaseMs) return `${names[refusal.from]} refused: ${refusal.reason}`;
  return 'a round is under way';
}

/** The holder that this member knows of, and how long its lease lasts at least, as seen from here. */
export function knownHolder(state: LeaseState, now: number): { member: number; remainingMs: number } | undefined {
  const { role, granter, config } = state;
  if (role.name === 'holder') return { member: config.self, remainingMs: role.leaseEnd - now };
  const promise = activePromise(granter, now);
  if (promise === undefined || promise.candidate === config.self) return undefined;
  return { member: promise.candidate, remainingMs: promise.until - now };
}

function membersStatus(
  state: LeaseState,
  context: { now: number; names: readonly string[]; addresses: readonly string[] },
): MemberStatus[] {
  const { now, names, addresses } = context;
  const namesIn = (mask: number) => names.filter((_, member) => mask & (1 << member));
  return names.map((name, member) => {
    const self = member === state.config.self;
    const peer = state.peers[member];
    const heartbeat = self ? undefined : peer?.heartbeat;
    const heard = names.reduce((mask, _, other) => (other === member || isFresh(state, other, now) ? mask | (1 << other) : mask), 0);
    const heardAt = peer?.heardAt ?? Number.NEGATIVE_INFINITY;
    return {
      name,
      address: addresses[member] as string,
      heardMsAgo: self || heardAt === Number.NEGATIVE_INFINITY ? null : Math.round(now - heardAt),
      alive: self || isFresh(state, member, now),
      fitness: self ? (state.draining ? 'unable' : state.fitness) : (heartbeat?.fitness ?? null),
      hears: namesIn(self ? heard : (heartbeat?.heard ?? 0)),
      readyBackends: namesIn(self ? state.readyBackends : (heartbeat?.readyBackends ?? 0)),
    };
  });
}
