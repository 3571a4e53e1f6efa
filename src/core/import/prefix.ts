/** Prefix lengths of hosts, which hardly any file has: what could be meant, and why. */
import { type Family, familyOf, prefixContains, subnetBounds } from '../../base/address.ts';
import type { EndpointClaim } from './claim.ts';
import type { Found } from './decide.ts';
import { addressOf } from './values.ts';

/** What to reckon with, by family: the usual length, and the shortest that is worth a guess. */
const LENGTHS = { IPv4: { usual: 24, least: 16 }, IPv6: { usual: 64, least: 48 } } as const;

export interface Neighbours {
  /** Addresses of the hosts between which the address moves. */
  hosts: readonly string[];
  /** The shared addresses. */
  shared: readonly string[];
  endpoints: readonly EndpointClaim[];
}

/** A guess for any host: the same for all that lie in one subnet. Undefined for those that are too far apart. */
export function lengthGuesser({ hosts, shared, endpoints }: Neighbours): (address: string) => Found<number> | undefined {
  const guesses = new Map<Family, Found<number> | undefined>();
  const ofFamily = (list: readonly string[], family: Family) => list.filter((one) => familyOf(one) === family);
  return (address) => {
    const family = familyOf(address);
    const near = ofFamily(hosts, family);
    // Where the shared address lies elsewhere, the checks of cluster.yaml tell.
    if (!guesses.has(family)) guesses.set(family, guessFor([...near, ...ofFamily(shared, family)], endpoints) ?? guessFor(near, endpoints));
    const guess = guesses.get(family);
    const isNear = guess !== undefined && (near[0] === undefined || prefixContains({ address: near[0], length: guess.value }, address));
    return near.includes(address) || isNear ? guess : guessFor([address], []);
  };
}

function guessFor(addresses: readonly string[], endpoints: readonly EndpointClaim[]): Found<number> | undefined {
  const [first] = addresses;
  if (first === undefined) return undefined;
  const written = endpoints.find(({ host, length }) => length !== undefined && fit(addresses, { address: addressOf(host) ?? '', length }));
  if (written?.length !== undefined)
    return { value: written.length, because: `guess: /${written.length}, as the shared address has it`, at: [written.at] };
  const { usual, least } = LENGTHS[familyOf(first)];
  for (let length: number = usual; length >= least; length--) {
    if (!fit(addresses, { address: first, length })) continue;
    const why = addresses.length === 1 ? 'the usual one' : 'a subnet that all of these addresses can be in';
    return { value: length, because: `guess: /${length}, ${why}`, at: [] };
  }
  return undefined;
}

/** Whether all can be hosts of that subnet: IPv4 keeps the first and the last address for other things. */
function fit(addresses: readonly string[], prefix: { address: string; length: number }): boolean {
  if (prefix.address === '' || familyOf(prefix.address) !== familyOf(addresses[0] as string)) return false;
  const { first, last } = subnetBounds(prefix);
  const edges = familyOf(first) === 'IPv4' && prefix.length <= 30 ? [first, last] : [];
  return addresses.every((address) => prefixContains(prefix, address) && !edges.includes(address));
}
