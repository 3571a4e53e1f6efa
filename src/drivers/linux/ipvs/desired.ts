/** What of a plan belongs in the kernel's table, and what has to change for that. */
import { familyOf, hostPort } from '../../../base/address.ts';
import { type DatapathPlan, preferred } from '../../../core/balancer/plan.ts';
import { addServer, addService, type End, type IpvsRequest, type RealServer, setServer, setService, type VirtualServer } from './codec.ts';

/**
 * Least connections, as the proxy chooses: connections to an API server live for hours, so taking turns or hashing keeps whatever imbalance a
 * restart has left. Directors need not choose alike, because a masqueraded connection ends with its director anyway.
 */
export const SCHEDULER = 'lc';

export type WeightedServer = End & { weight: number };

/**
 * The real servers of one frontend, of its family, as IPVS does not translate between the two: those that new connections go to with weight 1,
 * others that may still serve with 0. A dead one is listed only when all are dead, since trying then costs nothing.
 */
export function weightedServers(plan: DatapathPlan, frontend: End): WeightedServer[] {
  const backends = plan.backends.filter((backend) => familyOf(backend.address) === familyOf(frontend.address));
  const chosen = new Set(preferred(backends));
  return backends
    .filter((backend) => chosen.has(backend) || backend.state !== 'dead')
    .map((backend) => ({ address: backend.address, port: backend.port, weight: chosen.has(backend) ? 1 : 0 }));
}

export interface Change {
  request: IpvsRequest;
  /** What was found that should not be so. */
  found: string;
}

export interface Present {
  service: VirtualServer | undefined;
  servers: readonly RealServer[];
}

export interface Difference {
  /** In the order in which they are carried out: whoever is to take connections is there before others stop. */
  changes: Change[];
  /** Real servers that are none of those wanted: dead backends, and leftovers. */
  surplus: RealServer[];
}

export function differenceOf(frontend: End, wanted: readonly WeightedServer[], { service, servers }: Present): Difference {
  const name = nameOf(frontend);
  const changes: Change[] = [];
  if (service === undefined) changes.push({ request: addService(frontend, SCHEDULER), found: `virtual server ${name} was missing` });
  else if (service.scheduler !== SCHEDULER)
    changes.push({ request: setService(frontend, SCHEDULER), found: `virtual server ${name} had the scheduler ${service.scheduler}` });
  for (const server of wanted.toSorted((a, b) => b.weight - a.weight)) {
    const present = servers.find((other) => isSame(other, server));
    const wrong = present === undefined ? 'was missing' : whatIsWrong(present, server.weight);
    if (wrong === undefined) continue;
    const request = present === undefined ? addServer(frontend, server) : setServer(frontend, server);
    changes.push({ request, found: `real server ${nameOf(server)} of virtual server ${name} ${wrong}` });
  }
  return { changes, surplus: servers.filter((present) => !wanted.some((server) => isSame(server, present))) };
}

function whatIsWrong(present: RealServer, weight: number): string | undefined {
  if (!present.masquerading) return 'was not masqueraded';
  return present.weight === weight ? undefined : `had the weight ${present.weight}`;
}

export function isSame(a: End, b: End): boolean {
  return a.address === b.address && a.port === b.port;
}

export function nameOf({ address, port }: End): string {
  return hostPort(address, port);
}
