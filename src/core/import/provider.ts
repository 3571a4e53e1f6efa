/** Who answers for the address, and on which hosts. */
import { type CarrierClaim, type Claim, claimsOf, type Value } from './claim.ts';
import type { Conflict, Found } from './decide.ts';
import type { Machine } from './hosts.ts';

export interface Provider {
  /** Keys and values: `endpoint.provider` and what follows from it. */
  values: ReadonlyMap<string, Found>;
  conflicts: readonly Conflict[];
  notes: readonly { message: string; at: Found['at'] }[];
  /** Hosts that run HAProxy and keepalived and nothing of Kubernetes. */
  balancers: readonly Machine[];
}

type Carrier = CarrierClaim['carrier'];

const BY_CARRIER: Partial<Record<Carrier, string>> = {
  'kube-vip': 'kube-vip',
  lvscare: 'node-local',
  'nginx-node': 'node-local',
  'haproxy-node': 'node-local',
  'hale-node': 'node-local',
  hale: 'hale',
};

const NODE_BALANCER: Partial<Record<Carrier, string>> = {
  lvscare: 'lvscare',
  'nginx-node': 'nginx',
  'haproxy-node': 'haproxy',
  'hale-node': 'hale',
};

interface Surroundings {
  machines: readonly Machine[];
  /** Of the endpoint and of the API servers, where they are known. */
  ports: { endpoint: Value | undefined; apiserver: Value | undefined };
  /** Whether a file says on which addresses the API servers listen. */
  isBound: boolean;
  /** Whether anything leads to a shared address. */
  isReached: boolean;
}

export function providerOf(claims: readonly Claim[], around: Surroundings): Provider {
  const carriers = claimsOf(claims, 'carrier');
  const found = providersOf(carriers);
  const onWire = found.filter(({ value }) => value !== 'node-local');
  // A balancer on every node may stand beside a shared address: cluster.yaml has one of the two.
  const chosen = onWire.length > 0 ? onWire : found;
  const conflicts =
    found.length > 1 ? [{ key: 'endpoint.provider', values: found, taken: chosen.length === 1 ? chosen[0]?.value : undefined }] : [];
  const [provider] = chosen;
  if (chosen.length > 1) return { values: new Map(), conflicts, notes: [], balancers: [] };
  if (provider === undefined) return external(carriers, around);
  const values = new Map<string, Found>([['endpoint.provider', provider]]);
  const node = carriers.find(({ carrier }) => NODE_BALANCER[carrier] !== undefined);
  if (provider.value === 'node-local' && node !== undefined)
    values.set('nodeLocal.balancer', { value: NODE_BALANCER[node.carrier] as string, at: [node.at] });
  const balancers = around.machines.filter(isBalancer);
  if (provider.value === 'haproxy-keepalived') {
    const placed = placement(carriers, { ...around, balancers });
    values.set('haproxyKeepalived.placement', placed);
    const bind = placed.value === 'balancers' ? undefined : bindBeside(claims, around);
    if (bind !== undefined) values.set('apiserver.bind', bind);
  }
  return { values, conflicts, notes: [], balancers: values.get('haproxyKeepalived.placement')?.value === 'balancers' ? balancers : [] };
}

/** Of several, each once. */
function providersOf(carriers: readonly CarrierClaim[]): Found[] {
  const found = new Map<string, CarrierClaim[]>();
  const add = (provider: string, claim: CarrierClaim) => found.set(provider, [...(found.get(provider) ?? []), claim]);
  for (const claim of carriers) {
    const provider = BY_CARRIER[claim.carrier];
    if (provider !== undefined) add(provider, claim);
  }
  const has = (carrier: Carrier) => carriers.some((claim) => claim.carrier === carrier);
  if (has('keepalived') && has('haproxy'))
    for (const claim of carriers.filter(({ carrier }) => carrier === 'keepalived' || carrier === 'haproxy'))
      add('haproxy-keepalived', claim);
  // The agents of hale hold the address on control-plane hosts when nodes have a balancer of hale too.
  if (found.has('node-local') && has('hale-node')) found.delete('hale');
  return [...found].map(([value, claims]) => ({ value, at: claims.map(({ at }) => at) }));
}

const ALONE: Partial<Record<Carrier, string>> = {
  haproxy: 'HAProxy was found without keepalived, so what moves the address is not known: described as external',
  keepalived: 'keepalived was found without HAProxy in front of the API servers, which no provider describes: described as external',
  lvs: 'keepalived spreads connections by LVS (virtual_server), which no provider describes: described as external',
};

function external(carriers: readonly CarrierClaim[], { isReached }: Surroundings): Provider {
  const none = { values: new Map<string, Found>(), conflicts: [], notes: [], balancers: [] };
  if (carriers.length === 0 && !isReached) return none;
  const at = carriers.map((claim) => claim.at);
  const because = carriers.length === 0 ? 'nothing that answers for the address was among the files' : undefined;
  const alone = (['lvs', 'haproxy', 'keepalived'] as const).find((one) => carriers.some(({ carrier }) => carrier === one));
  const notes = alone === undefined ? [] : [{ message: ALONE[alone] as string, at }];
  return { ...none, values: new Map([['endpoint.provider', { value: 'external', at, because }]]), notes };
}

/** HAProxy can have the API server's port of the same host only when each has addresses of its own. */
function bindBeside(claims: readonly Claim[], { ports, isBound }: Surroundings): Found | undefined {
  const bound = claimsOf(claims, 'endpoint').find(({ isBind }) => isBind === true);
  if (isBound || bound === undefined || ports.endpoint === undefined || ports.endpoint !== (ports.apiserver ?? 6443)) return undefined;
  return { value: 'host', at: [bound.at], because: 'guess: HAProxy listens on the same port of the same hosts' };
}

function isBalancer({ roles }: Machine): boolean {
  return roles.has('speaker') && !roles.has('control-plane') && !roles.has('etcd-member');
}

function placement(
  carriers: readonly CarrierClaim[],
  { ports, balancers, machines }: Surroundings & { balancers: readonly Machine[] },
): Found {
  const own = carriers.filter(({ carrier }) => carrier === 'haproxy' || carrier === 'keepalived');
  const pods = own.filter(({ isPod }) => isPod === true);
  if (pods.length > 0) return { value: 'static-pods', at: pods.map(({ at }) => at) };
  if (balancers.length > 0)
    return { value: 'balancers', at: balancers.map(({ at }) => at), because: 'keepalived runs on hosts that run no API server' };
  if (machines.some(({ roles }) => roles.has('speaker')))
    return { value: 'packages', at: own.map(({ at }) => at), because: 'keepalived runs on the hosts of the API servers' };
  const isSame = ports.endpoint !== undefined && ports.endpoint === (ports.apiserver ?? 6443);
  if (isSame)
    return { value: 'balancers', at: [], because: "guess: HAProxy listens on the API servers' own port, so it stands on other hosts" };
  return { value: 'packages', at: [], because: 'guess: no file says on which hosts HAProxy and keepalived run' };
}
