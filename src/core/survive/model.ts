/**
 * What is left of a cluster when hosts, zones, racks and switches fail: who answers for the address, and whether etcd has a quorum. A state is the set of
 * hosts that are up, as bits, so that millions of states can be looked at.
 */
import { decidedByLease } from '../cluster/holders.ts';
import type { Cluster, ClusterHost } from '../cluster/schema.ts';
import { runsAgent } from '../render/hale/part.ts';

export const UNIT_KINDS = ['host', 'zone', 'rack', 'switch'] as const;
export type UnitKind = (typeof UNIT_KINDS)[number];

/** What fails as one, and which hosts that takes down. */
export interface Unit {
  kind: UnitKind;
  name: string;
  hosts: number;
}

export interface Verdict {
  /** An API server answers at the address; without a quorum it knows only what it knew before. */
  api: boolean;
  /** A majority of etcd's members is up. */
  quorum: boolean;
  /** Objects can be changed, and members of etcd replaced: the API answers and etcd takes writes. */
  change: boolean;
}

/** A cluster as far as it matters here. */
export interface SurvivalModel {
  units: readonly Unit[];
  /** All hosts up. */
  all: number;
  members: number;
  judge(up: number): Verdict;
}

export const GROUPS = ['zone', 'rack', 'switch'] as const;

export function survivalModel(cluster: Cluster): SurvivalModel {
  const hosts = hostsOf(cluster);
  const bit = (name: string): number => 1 << hosts.findIndex((host) => host.name === name);
  const bits = (some: readonly { name: string }[]): number => some.reduce((mask, { name }) => mask | bit(name), 0);
  const controlPlane = bits(cluster.controlPlane.hosts);
  const etcd = cluster.etcd.topology === 'stacked' ? controlPlane : bits(externalMembers(cluster));
  const holders = cluster.haproxyKeepalived.placement === 'balancers' ? bits(cluster.haproxyKeepalived.balancers) : controlPlane;
  return {
    units: unitsOf(hosts, bit),
    all: bits(hosts),
    members: count(etcd),
    judge: (up) => judge(cluster, { up, controlPlane, etcd, holders }),
  };
}

interface State {
  up: number;
  controlPlane: number;
  etcd: number;
  holders: number;
}

function judge(cluster: Cluster, { up, controlPlane, etcd, holders }: State): Verdict {
  const quorum = hasMajority(up, etcd);
  const someServer = (up & controlPlane) !== 0;
  // With etcd gone an API server is not ready. hale then still leads to it; a balancer that asks for /readyz leads nowhere, and kube-vip's Lease ends.
  const api = someServer && addressAnswers(cluster, { up, controlPlane, holders, quorum }) && (quorum || answersWithoutQuorum(cluster));
  return { api, quorum, change: api && quorum };
}

function addressAnswers(
  cluster: Cluster,
  { up, controlPlane, holders, quorum }: Pick<State, 'up' | 'controlPlane' | 'holders'> & { quorum: boolean },
): boolean {
  switch (cluster.endpoint.provider) {
    case 'hale':
      // With VRRP and with routes each host stands for itself.
      return decidedByLease(cluster) ? hasMajority(up, controlPlane) : (up & controlPlane) !== 0;
    case 'haproxy-keepalived':
      return (up & holders) !== 0;
    case 'kube-vip':
      return quorum;
    case 'node-local':
      // Nodes reach any API server; the address for others needs the agents' majority, and is not counted here.
      return cluster.nodeLocal.balancer === 'hale' || quorum;
    case 'external':
      return true;
  }
}

function answersWithoutQuorum(cluster: Cluster): boolean {
  const { election, advertise } = cluster;
  // Hosts that reach no ready API server withdraw their routes.
  return (election === 'quorum' || election === 'vrrp') && advertise === 'arp' && runsAgent(cluster);
}

type Machine = Pick<ClusterHost, 'name' | 'zone' | 'rack' | 'switch'>;

/** Every machine that the API depends on. Members of external etcd that are no host of the description have no zone that is known. */
function hostsOf(cluster: Cluster): Machine[] {
  const { controlPlane, haproxyKeepalived, endpoint } = cluster;
  const balancers = endpoint.provider === 'haproxy-keepalived' ? haproxyKeepalived.balancers : [];
  const known = [...controlPlane.hosts, ...balancers];
  const others = cluster.etcd.topology === 'stacked' ? [] : externalMembers(cluster);
  return [...known, ...others.filter(({ name }) => !known.some((host) => host.name === name))];
}

function externalMembers({ etcd, controlPlane }: Cluster): Machine[] {
  return etcd.endpoints.map((url) => {
    const address = url
      .replace(/^https:\/\//, '')
      .replace(/:\d+$/, '')
      .replace(/^\[|\]$/g, '');
    const host = controlPlane.hosts.find(({ name, addresses }) => name === address || addresses.some((own) => own.address === address));
    return host ?? { name: address };
  });
}

function unitsOf(hosts: readonly Machine[], bit: (name: string) => number): Unit[] {
  const single = hosts.map(({ name }): Unit => ({ kind: 'host', name, hosts: bit(name) }));
  const groups = GROUPS.flatMap((kind) => {
    const names = [...new Set(hosts.flatMap((host) => host[kind] ?? []))];
    return names.map(
      (name): Unit => ({
        kind,
        name,
        hosts: hosts.filter((host) => host[kind] === name).reduce((mask, host) => mask | bit(host.name), 0),
      }),
    );
  });
  return [...single, ...groups];
}

function hasMajority(up: number, of: number): boolean {
  return count(up & of) * 2 > count(of);
}

/** Bits that are set. */
export function count(bits: number): number {
  let rest = bits;
  let set = 0;
  for (; rest !== 0; rest &= rest - 1) set++;
  return set;
}

/** `zone a`. */
export function unitText({ kind, name }: Pick<Unit, 'kind' | 'name'>): string {
  return `${kind} ${name}`;
}
