import { createTestLan, type TestHost } from '../netns.ts';
import { bird } from './bird.ts';
import type { Router, RouterKind } from './router.ts';

export const SHARED4 = '10.9.0.1';
export const SHARED6 = 'fd99::1';
const SHARED_PREFIXES = [`${SHARED4}/32`, `${SHARED6}/128`];
/** The hosts' autonomous system, and the router's. */
export const HOST_ASN = 65_000;

export interface RoutedLan {
  /** Where hale is. */
  host: TestHost;
  gateway: TestHost;
  router: Router;
  /** Addresses of the hosts that the router sends what is for the shared address to, by its kernel. */
  nextHops(shared: string): string[];
  remove(): Promise<void>;
}

/** hale's host, another one that announces the shared addresses always, and a router with BGP to both, which divides what it sends among them. */
export async function createRoutedLan({
  kind,
  other,
  routerAsn,
}: {
  kind: RouterKind;
  other: RouterKind;
  routerAsn: number;
}): Promise<RoutedLan> {
  const lan = createTestLan(['host', 'other', 'router']);
  const [host, second, gateway] = lan.hosts as [TestHost, TestHost, TestHost];
  const routers: Router[] = [];
  const remove = async (): Promise<void> => {
    for (const { daemon } of routers) await daemon.remove();
    lan.remove();
  };
  try {
    const both = [host, second].flatMap(({ address4, address6 }) => [address4, address6]);
    const neighbors = both.map((address) => ({ address, asn: HOST_ASN, passive: true }));
    // BIRD keeps the routes of a neighbour that was killed for its graceful restart.
    const neighborLines = kind === bird ? { neighborLines: 'graceful restart off;' } : {};
    const router = await kind.start(gateway, { asn: routerAsn, neighbors, holdTimeS: 9, ...neighborLines });
    routers.push(router);
    const toRouter = [gateway.address4, gateway.address6].map((address) => ({ address, asn: routerAsn }));
    routers.push(await other.start(second, { asn: HOST_ASN, neighbors: toRouter, announces: SHARED_PREFIXES, holdTimeS: 9 }));
    return { host, gateway, router, nextHops: (shared) => nextHops(gateway, shared), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

interface KernelRoute {
  gateway?: string;
  nexthops?: { gateway: string }[];
}

function nextHops(gateway: TestHost, shared: string): string[] {
  const routes = JSON.parse(gateway.run('ip', '-j', shared.includes(':') ? '-6' : '-4', 'route', 'show', shared)) as KernelRoute[];
  const found = routes.flatMap((route) => route.nexthops?.map((hop) => hop.gateway) ?? route.gateway ?? []);
  return [...new Set(found)].toSorted();
}
