/** Where clients reach the API: which of the addresses and names that files lead to is shared, and at which port. */
import { type Family, familyOf, parsePrefix, prefixContains } from '../../base/address.ts';
import { type Claim, claimsOf, type EndpointClaim, type Value } from './claim.ts';
import { type Conflict, decide, type Found } from './decide.ts';
import type { Machine } from './hosts.ts';
import { addressOf, isLocal } from './values.ts';

export interface Endpoint {
  /** At most one of each family. */
  addresses: readonly Found<string>[];
  port: Found | undefined;
  dnsName: Found<string> | undefined;
  conflicts: readonly Conflict[];
  /** What could be the address, where only hints were found. */
  candidates: readonly Found<string>[];
  /** Places that lead to one host, so that the API goes with it. */
  ofHosts: readonly EndpointClaim[];
}

export function endpointOf(
  claims: readonly Claim[],
  { machines, serviceSubnets }: { machines: readonly Machine[]; serviceSubnets: Value },
): Endpoint {
  const own = new Set(machines.flatMap(({ name, addresses }) => [name?.value ?? '', ...addresses.map(({ value }) => value)]));
  const all = claimsOf(claims, 'endpoint')
    .map((claim) => ({ ...claim, host: addressOf(claim.host) ?? claim.host }))
    .filter(({ host }) => !isLocal(host) && !isOfService(host, serviceSubnets));
  const shared = all.filter(({ host }) => !own.has(host));
  const isAddress = ({ host }: EndpointClaim) => addressOf(host) !== undefined;
  const addresses = addressDecisions(shared.filter(isAddress));
  const names = decide(shared.filter((claim) => !isAddress(claim)).map(voteOf));
  const ports = decide([
    ...claimsOf(claims, 'value').filter(({ key }) => key === 'endpoint.port'),
    ...shared.flatMap(({ port, weight, at }) => (port === undefined ? [] : [{ value: port as Value, weight, at }])),
  ]);
  const conflicts = [
    ...addresses.filter(({ isConflict }) => isConflict).map(({ rivals, found }) => conflict('endpoint.address', rivals, found)),
    ...(names.isConflict ? [conflict('endpoint.dnsName', names.rivals, names.found)] : []),
    ...(ports.isConflict ? [conflict('endpoint.port', ports.rivals, ports.found)] : []),
  ];
  return {
    addresses: addresses.flatMap(({ found }) => found ?? []),
    port: ports.found,
    dnsName: names.found,
    conflicts,
    candidates: addresses.flatMap(({ rivals, isConflict }) => (isConflict ? [] : rivals)),
    ofHosts: all.filter(({ host, weight }) => own.has(host) && weight !== 'hints'),
  };
}

const voteOf = ({ host, weight, at }: EndpointClaim) => ({ value: host, weight, at });

function conflict(key: string, values: readonly Found[], found: Found | undefined): Conflict {
  return { key, values, taken: found?.value };
}

/** Hints count only where no family has more than hints: a certificate may be good for many an address. */
function addressDecisions(claims: readonly EndpointClaim[]) {
  const strong = claims.filter(({ weight }) => weight !== 'hints');
  const counted = strong.length > 0 ? strong : claims;
  const supported = counted.flatMap(({ host }) => claims.filter((claim) => claim.host === host));
  const families: Family[] = [...new Set(counted.map(({ host }) => familyOf(host)))];
  return families.map((family) => decide(supported.filter(({ host }) => familyOf(host) === family).map(voteOf)));
}

/** Names and addresses of the Service `kubernetes`, which every certificate has. */
function isOfService(host: string, serviceSubnets: Value): boolean {
  if (/^kubernetes(\.|$)/.test(host)) return true;
  return [serviceSubnets].flat().some((subnet) => {
    const prefix = parsePrefix(String(subnet));
    return prefix !== undefined && prefixContains(prefix, host);
  });
}
