/** From all claims to one description: what is best supported, what is missing, and what contradicts itself. */
import { type Claim, claimsOf, type EndpointClaim, type Value, type ValueClaim } from './claim.ts';
import { type Conflict, decide, type Found } from './decide.ts';
import { belongs, type DescribedHost, type Description, HOST_LISTS, UNANIMOUS } from './description.ts';
import { type Endpoint, endpointOf } from './endpoint.ts';
import { fits } from './fits.ts';
import { type Machine, machinesOf } from './hosts.ts';
import { migrationNotes } from './migrate.ts';
import { missingOf } from './missing.ts';
import { lengthGuesser } from './prefix.ts';
import { providerOf } from './provider.ts';
import { hostAndPort } from './values.ts';

export interface Wishes {
  /** Of the cluster. */
  name?: string | undefined;
  /** Who is to answer for the address from now on. */
  provider?: string | undefined;
}

export function describe(claims: readonly Claim[], { name, provider: wanted }: Wishes): Description {
  const { good, notes } = sorted(claims);
  const { machines, conflicts } = machinesOf(claimsOf(good, 'host'));
  const { values, conflicts: valueConflicts } = plainValues(good);
  const etcd = etcdTopology(values, machines);
  const endpoint = endpointOf(good, { machines, serviceSubnets: values.get('kubernetes.serviceSubnet')?.value ?? [] });
  const provider = providerOf(good, {
    machines,
    ports: { endpoint: endpoint.port?.value, apiserver: values.get('apiserver.port')?.value },
    isBound: values.has('apiserver.bind'),
    isReached: endpoint.addresses.length > 0 || endpoint.dnsName !== undefined,
  });
  const found = new Map([...values, ...etcd, ...provider.values, ...endpointValues(endpoint)]);
  const all = new Map(found);
  if (name !== undefined) all.set('name', { value: name, at: [], because: '--name' });
  if (wanted !== undefined) all.set('endpoint.provider', { value: wanted, at: [], because: '--provider' });
  const chosen = all.get('endpoint.provider')?.value;
  const kept = new Map([...all].filter(([key]) => belongs(key, chosen)));
  const hosts = listed({
    machines,
    balancers: provider.balancers,
    isStacked: kept.get('etcd.topology')?.value !== 'external',
    neighbours: isOnWire(kept) ? endpoint.addresses.map(({ value }) => value) : [],
    endpoints: claimsOf(good, 'endpoint'),
  });
  const described = {
    values: kept,
    hosts: { ...hosts, 'haproxyKeepalived.balancers': belongs('haproxyKeepalived', chosen) ? hosts['haproxyKeepalived.balancers'] : [] },
  };
  const settled = new Set([...(name === undefined ? [] : ['name']), ...(wanted === undefined ? [] : ['endpoint.provider'])]);
  const told = [...conflicts, ...valueConflicts, ...endpoint.conflicts, ...provider.conflicts].filter(
    ({ key }) => belongs(key, chosen) && !settled.has(key),
  );
  return {
    ...described,
    missing: missingOf({ ...described, conflicts: told }, endpoint),
    conflicts: told,
    notes: [...notes, ...provider.notes, ...leftOut(machines, hosts), ...migrationNotes(found, wanted)],
  };
}

/** Claims that cluster.yaml can take; of the others the user hears. */
function sorted(claims: readonly Claim[]): { good: Claim[]; notes: Description['notes'] } {
  const unfit = claimsOf(claims, 'value').filter(({ key, value }) => !fits(key, value));
  const told = claimsOf(claims, 'note').map(({ message, at }) => ({ message, at: [at] }));
  const unread = unfit
    .filter(({ weight }) => weight !== 'hints')
    .map(({ key, at }) => ({ message: `${key} cannot be what stands here, so it was not taken`, at: [at] }));
  return { good: claims.filter((claim) => claim.kind !== 'value' || !unfit.includes(claim)), notes: [...told, ...unread] };
}

/** Everything but the endpoint, which needs the hosts. */
function plainValues(claims: readonly Claim[]): { values: Map<string, Found>; conflicts: Conflict[] } {
  const byKey = new Map<string, ValueClaim[]>();
  for (const claim of claimsOf(claims, 'value')) {
    const votes = byKey.get(claim.key);
    if (votes === undefined) byKey.set(claim.key, [claim]);
    else votes.push(claim);
  }
  byKey.delete('endpoint.port');
  const values = new Map<string, Found>();
  const conflicts: Conflict[] = [];
  for (const [key, votes] of byKey) {
    const { found, rivals, isConflict } = decide(votes);
    const taken = isConflict && UNANIMOUS.has(key) ? undefined : found;
    if (taken !== undefined) values.set(key, taken);
    if (isConflict) conflicts.push({ key, values: rivals, taken: taken?.value });
  }
  return { values, conflicts };
}

/** Flags of API servers name the members of stacked etcd too. It is taken for stacked where any member is a control-plane host: of the others no file may be there. */
function etcdTopology(values: Map<string, Found>, machines: readonly Machine[]): Map<string, Found> {
  const endpoints = values.get('etcd.endpoints');
  const topology = values.get('etcd.topology');
  if (endpoints === undefined) return new Map();
  if (topology?.value === 'external') return new Map();
  const own = machines
    .filter(({ roles }) => roles.has('control-plane'))
    .flatMap(({ name, addresses }) => [name?.value, ...addresses.map(({ value }) => value)]);
  const isStacked = [endpoints.value].flat().some((url) => own.includes(hostAndPort(String(url))?.host));
  values.delete('etcd.endpoints');
  if (!isStacked)
    return new Map([
      ['etcd.topology', { value: 'external', at: endpoints.at }],
      ['etcd.endpoints', endpoints],
    ]);
  return new Map([['etcd.topology', { value: 'stacked', at: endpoints.at }]]);
}

function endpointValues({ addresses, port, dnsName }: Endpoint): [string, Found][] {
  const values: [string, Found][] = [];
  const [first, second] = addresses;
  if (first !== undefined) {
    const value: Value = second === undefined ? first.value : [first.value, second.value];
    values.push(['endpoint.address', { value, at: addresses.flatMap(({ at }) => at) }]);
  }
  if (port !== undefined) values.push(['endpoint.port', port]);
  if (dnsName !== undefined && fits('endpoint.dnsName', dnsName.value)) values.push(['endpoint.dnsName', dnsName]);
  return values;
}

/** Whether the address is found by ARP or NDP, between hosts of one subnet. */
function isOnWire(values: ReadonlyMap<string, Found>): boolean {
  const provider = values.get('endpoint.provider')?.value;
  if (provider === 'kube-vip') return values.get('kubeVip.mode')?.value !== 'bgp';
  return provider === 'hale' || provider === 'haproxy-keepalived' || values.get('nodeLocal.balancer')?.value === 'hale';
}

interface Known {
  machines: readonly Machine[];
  balancers: readonly Machine[];
  isStacked: boolean;
  /** The shared addresses, where those lie in the subnet of the hosts. */
  neighbours: readonly string[];
  endpoints: readonly EndpointClaim[];
}

function listed({ machines, balancers, isStacked, neighbours, endpoints }: Known): Description['hosts'] {
  const isControlPlane = ({ roles }: Machine) => roles.has('control-plane') || (isStacked && roles.has('etcd-member'));
  const controlPlane = machines.filter(isControlPlane);
  const workers = machines.filter((machine) => machine.roles.has('worker') && !isControlPlane(machine) && !balancers.includes(machine));
  const guess = lengthGuesser({
    hosts: [...controlPlane, ...balancers].flatMap(({ addresses }) => addresses.map(({ value }) => value)),
    shared: neighbours,
    endpoints,
  });
  const toHost = ({ name, zone, addresses, lengths }: Machine): DescribedHost => ({
    name: name !== undefined && fits('host', name.value) ? name : undefined,
    zone: zone !== undefined && fits('zone', zone.value) ? zone : undefined,
    addresses: addresses.map((address) => {
      const written = lengths.get(address.value);
      return { ...address, length: written ?? guess(address.value), isGuess: written === undefined };
    }),
  });
  return {
    'controlPlane.hosts': controlPlane.map(toHost),
    'workers.hosts': workers.map(toHost),
    'haproxyKeepalived.balancers': balancers.map(toHost),
  };
}

/** Machines of which no file says what they are. */
function leftOut(machines: readonly Machine[], hosts: Description['hosts']): Description['notes'] {
  const taken = new Set(HOST_LISTS.flatMap((list) => hosts[list].flatMap(({ addresses }) => addresses.map(({ value }) => value))));
  return machines
    .filter(({ addresses }) => addresses.length > 0 && !addresses.some(({ value }) => taken.has(value)))
    .map(({ name, addresses, roles, at }) => ({
      message: `${[name?.value, addresses[0]?.value].filter(Boolean).join(', ')}: ${roles.has('etcd-member') ? 'a member of external etcd' : 'what this host is for is not known'}, so it is in no list of hosts`,
      at: [at],
    }));
}
