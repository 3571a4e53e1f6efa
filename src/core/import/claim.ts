import type { Span } from '../doctor/text-file.ts';

/*
 * What one place in a file says about a cluster. Witnesses (witness/*.ts) make claims of facts; hosts.ts, endpoint.ts and
 * decide.ts weigh them.
 */

/** How much a place says: the thing itself, something that follows from it, or no more than a hint. */
export const WEIGHTS = { says: 3, implies: 2, hints: 1 } as const;
export type Weight = keyof typeof WEIGHTS;

/** A value as cluster.yaml can have it. */
export type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value };

/** Of one key, as docs/reference/cluster.md writes it: `kubernetes.podSubnet`. */
export interface ValueClaim {
  kind: 'value';
  key: string;
  value: Value;
  weight: Weight;
  at: Span;
  /** Why, where the place does not say it itself: a clause. */
  because?: string;
}

/** etcd members are control-plane hosts only where etcd is stacked; speakers are the hosts that keepalived runs on. */
export type HostRole = 'control-plane' | 'worker' | 'etcd-member' | 'speaker';

/** Of one machine. One of name and addresses is there. */
export interface HostClaim {
  kind: 'host';
  name?: string | undefined;
  /** Of one machine, of any family, in any spelling. */
  addresses: readonly string[];
  /** Where its address was written with a prefix length. */
  length?: number | undefined;
  zone?: string | undefined;
  role?: HostRole | undefined;
  /** The one that started the cluster. */
  isFirst?: boolean | undefined;
  /** Of the name. */
  weight: Weight;
  at: Span;
  /** Where name and zone stand, where those are other places. */
  nameAt?: Span | undefined;
  zoneAt?: Span | undefined;
}

/** Of where clients reach the API: what of it is a host's own is sorted out when the hosts are known. */
export interface EndpointClaim {
  kind: 'endpoint';
  /** An address or a DNS name. */
  host: string;
  port?: number | undefined;
  /** Prefix length that the address was written with, unless it is that of the address alone. */
  length?: number | undefined;
  weight: Weight;
  at: Span;
  /** A balancer listens on this very address. */
  isBind?: boolean;
}

/** A program that stands between clients and API servers. */
export interface CarrierClaim {
  kind: 'carrier';
  carrier: 'haproxy' | 'keepalived' | 'lvs' | 'kube-vip' | 'lvscare' | 'nginx-node' | 'haproxy-node' | 'hale' | 'hale-node';
  isPod?: boolean | undefined;
  at: Span;
}

/** Something that the user has to know, and no key takes. */
export interface Note {
  kind: 'note';
  message: string;
  at: Span;
}

export type Claim = ValueClaim | HostClaim | EndpointClaim | CarrierClaim | Note;

export function says(key: string, value: Value, at: Span): ValueClaim {
  return { kind: 'value', key, value, weight: 'says', at };
}

export function implies(key: string, value: Value, at: Span): ValueClaim {
  return { kind: 'value', key, value, weight: 'implies', at };
}

/** What a program does where nothing is said: counts only where nobody says otherwise. */
export function byDefault(key: string, value: Value, { at, because }: { at: Span; because: string }): ValueClaim {
  return { kind: 'value', key, value, weight: 'hints', at, because };
}

/** A claim of one kind. */
export type ClaimOf<K extends Claim['kind']> = Extract<Claim, { kind: K }>;

export function claimsOf<K extends Claim['kind']>(claims: readonly Claim[], kind: K): ClaimOf<K>[] {
  return claims.filter((claim): claim is ClaimOf<K> => claim.kind === kind);
}
