/** From claims about machines to machines: those with one address are one, and those with one name. */
import { familyOf } from '../../base/address.ts';
import type { Span } from '../doctor/text-file.ts';
import type { HostClaim, HostRole } from './claim.ts';
import { type Conflict, decide, type Found, type Vote } from './decide.ts';
import { addressOf } from './values.ts';

export interface Machine {
  name: Found<string> | undefined;
  /** One of each family, without prefix lengths. */
  addresses: readonly Found<string>[];
  /** Prefix lengths that a file gives for an address. */
  lengths: ReadonlyMap<string, Found<number>>;
  zone: Found<string> | undefined;
  roles: ReadonlySet<HostRole>;
  /** Where it was met first. */
  at: Span;
}

export interface Machines {
  machines: Machine[];
  conflicts: Conflict[];
}

/** In the order in which they were met, but the one that started the cluster first. */
export function machinesOf(claims: readonly HostClaim[]): Machines {
  const conflicts: Conflict[] = [];
  const known = claims.filter(({ name, addresses }) => name !== undefined || addresses.length > 0);
  const groups = byName(byAddress(withoutTrustInOneFolder(known)));
  const machines = groups.map((group) => machineOf(group, conflicts));
  const isFirst = (group: readonly HostClaim[]) => Number(group.some((claim) => claim.isFirst === true));
  const order = groups.map((group, i) => ({ first: isFirst(group), i })).sort((a, b) => b.first - a.first || a.i - b.i);
  return { machines: order.map(({ i }) => machines[i] as Machine), conflicts };
}

/** Whether the name is that of the folder which stands for the host's root. */
const isOfFolder = ({ name, nameAt, at }: HostClaim): boolean => nameAt === undefined && name === at.file.host;

/** Several folders are named like hosts; a single one may as well be called backup. */
function withoutTrustInOneFolder(claims: readonly HostClaim[]): readonly HostClaim[] {
  const folders = new Set(claims.filter(isOfFolder).map(({ name }) => name));
  if (folders.size !== 1) return claims;
  return claims.map((claim) => (isOfFolder(claim) ? { ...claim, weight: 'hints' } : claim));
}

/** Claims that share an address, directly or through others, are of one machine. Those without address stay alone. */
function byAddress(claims: readonly HostClaim[]): HostClaim[][] {
  const groupOf = new Map<string, HostClaim[]>();
  const groups = new Set<HostClaim[]>();
  for (const claim of claims) {
    const addresses = claim.addresses.flatMap((text) => addressOf(text) ?? []);
    const met = [...new Set(addresses.map((address) => groupOf.get(address)).filter((group) => group !== undefined))];
    const group = met[0] ?? [];
    for (const other of met.slice(1)) {
      group.push(...other);
      groups.delete(other);
    }
    group.push({ ...claim, addresses });
    groups.add(group);
    for (const one of group) for (const address of one.addresses) groupOf.set(address, group);
  }
  return [...groups];
}

function nameVotes(claims: readonly HostClaim[]): Vote<string>[] {
  const named = claims.filter((claim): claim is HostClaim & { name: string } => claim.name !== undefined);
  const trusted = named.filter((claim) => claim.weight !== 'hints' || !isOfFolder(claim));
  if (trusted.length > 0) return trusted.map(({ name, weight, at, nameAt = at }) => ({ value: name, weight, at: nameAt }));
  return named.map(({ name, weight, at }) => ({ value: name, weight, at, because: 'guess: the name of its folder' }));
}

/** IPv4 and IPv6 addresses that are called alike; and what is known of a name alone. */
function byName(groups: readonly HostClaim[][]): HostClaim[][] {
  const named = new Map<string, HostClaim[]>();
  const result = new Set<HostClaim[]>();
  for (const group of groups) {
    const name = decide(nameVotes(group)).found?.value;
    const known = name === undefined ? undefined : named.get(name);
    if (known !== undefined) known.push(...group);
    else result.add(group);
    if (name !== undefined && known === undefined) named.set(name, group);
  }
  return [...joinAliases([...result])];
}

/** A name alone may be one that a machine goes by elsewhere. */
function joinAliases(groups: readonly HostClaim[][]): HostClaim[][] {
  const withAddress = groups.filter((group) => group.some(({ addresses }) => addresses.length > 0));
  const alias = new Map(withAddress.flatMap((group) => group.flatMap(({ name }) => (name === undefined ? [] : [[name, group] as const]))));
  return groups.filter((group) => {
    const known = group.some(({ addresses }) => addresses.length > 0) ? undefined : alias.get(group[0]?.name ?? '');
    known?.push(...group);
    return known === undefined;
  });
}

function machineOf(claims: readonly HostClaim[], conflicts: Conflict[]): Machine {
  const votes = nameVotes(claims);
  const name = decide(votes);
  // A balancer calls its servers what it likes; only what nodes call themselves can contradict.
  const own = decide(votes.filter(({ weight }) => weight === 'says'));
  const first = claims[0] as HostClaim;
  const title = name.found?.value ?? first.addresses[0] ?? '?';
  if (own.isConflict) conflicts.push({ key: `the name of host ${title}`, values: own.rivals, taken: name.found?.value });
  const zone = decide(
    claims.flatMap(({ zone: value, weight, at, zoneAt = at }) => (value === undefined ? [] : [{ value, weight, at: zoneAt }])),
  );
  return {
    name: name.found ?? (own.isConflict ? undefined : name.rivals[0]),
    addresses: addressesOf(claims, { title, conflicts }),
    lengths: lengthsOf(claims),
    zone: zone.found,
    roles: new Set(claims.flatMap(({ role }) => role ?? [])),
    at: first.at,
  };
}

function addressesOf(claims: readonly HostClaim[], { title, conflicts }: { title: string; conflicts: Conflict[] }): Found<string>[] {
  const votes = claims.flatMap(({ addresses, weight, at }) => addresses.map((value) => ({ value, weight, at })));
  const families = [...new Set(votes.map(({ value }) => familyOf(value)))];
  return families.flatMap((family) => {
    const decision = decide(votes.filter(({ value }) => familyOf(value) === family));
    if (decision.isConflict)
      conflicts.push({ key: `the ${family} address of host ${title}`, values: decision.rivals, taken: decision.found?.value });
    return decision.found ?? [];
  });
}

function lengthsOf(claims: readonly HostClaim[]): Map<string, Found<number>> {
  return new Map(
    claims.flatMap(({ length, addresses: [address], at }) =>
      length === undefined || address === undefined ? [] : [[address, { value: length, at: [at] }] as const],
    ),
  );
}
