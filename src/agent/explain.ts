/** What is in the kernel of this host now, asked of the kernel itself: no agent has to run. */
import { hostPort } from '../base/address.ts';
import { cloudOf, findObstacles, type Needs } from '../core/balancer/obstacles.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { HaleError } from '../base/error.ts';
import { explainDsr } from '../drivers/linux/dsr/explain.ts';
import { explainGate, mayAskKernel } from '../drivers/linux/gate-explain.ts';
import { explainIpvs } from '../drivers/linux/ipvs/explain.ts';
import { linkByName } from '../drivers/linux/links.ts';
import { explainNat } from '../drivers/linux/nat/explain.ts';
import { readMachineFacts, readNetworkFacts } from '../drivers/linux/network-facts.ts';
import { openSockDiag } from '../drivers/linux/sock-diag.ts';
import { explainSteering } from '../drivers/linux/socket/explain.ts';
import type { Explanation } from '../ports/datapath.ts';
import { addressInterface, type Self } from './self.ts';

interface Subject {
  cluster: Cluster;
  self: Self;
  frontends: { address: string; port: number }[];
}

/** One a part, asked in this order; undefined where the part is not in the kernel. */
const parts: readonly ((subject: Subject) => Explanation | undefined | Promise<Explanation | undefined>)[] = [
  gatePart,
  dsrPart,
  ({ frontends }) => explainNat(frontends),
  () => explainIpvs(),
  socketPart,
  listenerPart,
];

/** Throws HaleError `kernel_not_asked` without the right to, or without the nft program. */
export async function explainHost({ cluster, self }: { cluster: Cluster; self: Self }): Promise<Explanation[]> {
  const allowed = mayAskKernel();
  if (!allowed.ok) {
    throw new HaleError({
      code: 'kernel_not_asked',
      kind: 'world',
      message: `the kernel's tables cannot be read: ${allowed.reason}`,
      remedy: 'Run it as root, with the nft program of the package nftables installed.',
    });
  }
  const subject = {
    cluster,
    self: { ...self, interfaceName: addressInterface(cluster, self) },
    frontends: cluster.endpoint.addresses.map((address) => ({ address, port: cluster.endpoint.port })),
  };
  const found: Explanation[] = [];
  for (const part of parts) {
    const explanation = await part(subject);
    if (explanation !== undefined) found.push(explanation);
  }
  return [...found, networkPart(subject, found)];
}

function gatePart({ cluster, self: { interfaceName } }: Subject): Explanation | undefined {
  return explainGate({ linkIndex: linkByName(interfaceName).index, interfaceName, addresses: cluster.endpoint.addresses });
}

function dsrPart({ cluster, self }: Subject): Explanation | undefined {
  const backends = cluster.controlPlane.hosts.map(({ name }) => name);
  return explainDsr({ backends, self: self.index, addresses: cluster.endpoint.addresses });
}

function socketPart({ cluster }: Subject): Explanation | undefined {
  const { endpoint, apiserver, controlPlane } = cluster;
  const backends = controlPlane.hosts.map(({ name, addresses }) => ({
    name,
    addresses: addresses.map(({ address }) => address),
    port: apiserver.port,
  }));
  return explainSteering({ addresses: endpoint.addresses, port: endpoint.port, backends });
}

/** Who takes connections to the address on this host by a socket: the proxy, or an API server. */
function listenerPart({ frontends }: Subject): Explanation | undefined {
  const sockets = openSockDiag();
  const asked = frontends.map((frontend) => {
    const family = frontend.address.includes(':') ? 6 : 4;
    const all = sockets.list({ family, local: { port: frontend.port } });
    const open = all.filter(({ state, local }) => state === 'ESTABLISHED' && local.address === frontend.address).length;
    const listening = all.filter(({ state }) => state === 'LISTEN').map(({ local }) => local.address);
    return {
      frontend,
      open,
      own: listening.includes(frontend.address),
      wildcard: listening.some((address) => address === '0.0.0.0' || address === '::'),
    };
  });
  sockets.close();
  const taken = asked.filter(({ own, wildcard }) => own || wildcard);
  if (taken.length === 0) return undefined;
  return {
    part: 'listener',
    says: taken.map(({ frontend: { address, port }, own }) =>
      own
        ? `a process listens on ${hostPort(address, port)} itself, as the proxy does`
        : `a process listens on port ${port} of all addresses, ${address} among them`,
    ),
    counters: taken.map(({ frontend: { address, port }, open }) => ({
      what: `connections open at ${hostPort(address, port)}`,
      packets: null,
      bytes: null,
      connections: open,
    })),
    problems: [],
  };
}

/** The way of packets to and from this host, and what stands in it. */
function networkPart({ cluster, self, frontends }: Subject, found: readonly Explanation[]): Explanation {
  const { interfaceName } = self;
  const isFound = (part: string) => found.some((explanation) => explanation.part === part);
  const others = cluster.controlPlane.hosts
    .filter((_, index) => index !== self.index)
    .flatMap(({ addresses }) => addresses.map(({ address }) => address));
  const facts = readNetworkFacts({ interfaceName, members: others, gated: isFound('gate') });
  const needs: Needs = {
    addresses: frontends.map(({ address }) => address),
    port: cluster.endpoint.port,
    translatedTo: isFound('nat') ? others.map((address) => ({ address, port: cluster.apiserver.port })) : [],
    onLoopback: isFound('dsr'),
    memberMtus: [],
  };
  const cloud = cloudOf(readMachineFacts());
  const offloads = facts.lro === null ? '' : `, large receive offload ${facts.lro ? 'on' : 'off'}`;
  return {
    part: 'network',
    says: [
      `the address belongs on ${interfaceName}: MTU ${facts.mtu}${offloads}`,
      ...(cloud === undefined
        ? []
        : [`this machine is in ${cloud}, whose network commonly ignores gratuitous ARP and drops frames with the MAC of another machine`]),
    ],
    counters: [],
    problems: findObstacles(facts, needs),
  };
}
