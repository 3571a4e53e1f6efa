/** What a description still needs, in the order of the file. */
import type { Found } from './decide.ts';
import { type DescribedHost, type Description, FILL, HOST_LISTS, type HostList, KEYS, type Missing, UNANIMOUS } from './description.ts';
import type { Endpoint } from './endpoint.ts';
import { placesUnder } from './places.ts';

/** With their whole names. */
const PLACES = placesUnder('');

export function missingOf(
  { values, hosts, conflicts }: Pick<Description, 'values' | 'hosts' | 'conflicts'>,
  endpoint: Endpoint,
): Missing[] {
  const needed = ['name', 'endpoint.provider', 'endpoint.address'];
  if (values.get('endpoint.provider')?.value === 'haproxy-keepalived') needed.push('endpoint.interface');
  if (values.get('kubeVip.mode')?.value === 'bgp') needed.push('kubeVip.bgp.peers');
  if (values.get('etcd.topology')?.value === 'external') needed.push('etcd.endpoints');
  const missing = needed.filter((key) => !values.has(key)).map((key) => ({ key, fill: FILL[key] as string }));
  for (const { key, values: rivals, taken } of conflicts) {
    if (taken !== undefined || values.has(key) || !KEYS.includes(key) || UNANIMOUS.has(key)) continue;
    const known = missing.find((one) => one.key === key);
    if (known === undefined) missing.push({ key, fill: oneOf(rivals) });
    else known.fill += `; ${oneOf(rivals)}`;
  }
  const address = missing.find(({ key }) => key === 'endpoint.address');
  if (address !== undefined) address.fill += reason(endpoint);
  const lists: HostList[] = ['controlPlane.hosts'];
  if (values.get('haproxyKeepalived.placement')?.value === 'balancers') lists.push('haproxyKeepalived.balancers');
  for (const list of lists) if (hosts[list].length === 0) missing.push({ key: list, fill: FILL[list] as string });
  for (const list of HOST_LISTS) missing.push(...hosts[list].flatMap((host, i) => missingOfHost(host, `${list}[${i}]`)));
  return missing.sort((a, b) => orderOf(a.key) - orderOf(b.key));
}

const orderOf = (key: string): number => KEYS.indexOf(key.replace(/\[.*/, ''));

function oneOf(rivals: readonly Found[]): string {
  return `perhaps one of ${rivals.map(({ value, at }) => `${JSON.stringify(value)} (${PLACES(at)})`).join(', ')}`;
}

/** What was found instead of a shared address. */
function reason({ candidates, ofHosts }: Endpoint): string {
  if (candidates.length > 0) return `; ${oneOf(candidates)}`;
  const [one] = ofHosts;
  return one === undefined ? '' : `; ${one.host} (${PLACES([one.at])}) is that of one host`;
}

function missingOfHost({ name, addresses }: DescribedHost, key: string): Missing[] {
  const called = name?.value ?? addresses[0]?.value ?? 'this host';
  const missing: Missing[] = [];
  if (name === undefined) missing.push({ key: `${key}.name`, fill: `the name of the node ${called}` });
  if (addresses.length === 0)
    missing.push({ key: `${key}.address`, fill: `the address of ${called} with its prefix length, such as 10.0.0.11/24` });
  for (const { value, length } of addresses)
    if (length === undefined) missing.push({ key: `${key}.address`, fill: `the prefix length of ${value}` });
  return missing;
}
