import type { BgpRoute } from '../../../src/core/bgp/route.ts';
import type { TestHost } from '../netns.ts';
import type { Router, RouterKind, RouterNeighbor, RouterOptions } from './router.ts';
import { hostRoutes, type Speaker, type SpeakerPeer } from './speaker.ts';
import { eventually, Stage } from './stage.ts';

/** Of 32 bits, so that two octets cannot hold it (RFC 6793). */
export const HALE_ASN = 4_200_000_001;
export const ROUTER_ASN = 65_001;
export const SHARED = ['10.77.0.100', 'fd77::100'];
export const BOTH = ['10.77.0.100/32', 'fd77::100/128'];

export interface Pair {
  speaker: Speaker;
  router: Router;
  /** hale's address, at the router. */
  haleAddress: string;
}

export interface PairOptions {
  ipv6?: boolean;
  haleAsn?: number;
  /** Otherwise the router is there first. */
  haleFirst?: boolean;
  routes?: BgpRoute[];
  neighbor?: Partial<RouterNeighbor>;
  peer?: Partial<SpeakerPeer>;
  router?: Partial<RouterOptions>;
}

/** hale and one router on a link. */
export class PairStage extends Stage {
  readonly hale: TestHost;
  readonly host: TestHost;
  readonly #kind: RouterKind;

  constructor(kind: RouterKind) {
    super('hale', 'router');
    this.#kind = kind;
    [this.hale, this.host] = [this.hostAt(0), this.hostAt(1)];
  }

  async pair({
    ipv6 = false,
    haleAsn = HALE_ASN,
    haleFirst = false,
    routes = hostRoutes(...SHARED),
    ...more
  }: PairOptions = {}): Promise<Pair> {
    const { hale, host } = this;
    const [haleAddress, address] = ipv6 ? [hale.address6, host.address6] : [hale.address4, host.address4];
    const neighbors = [{ address: haleAddress, asn: haleAsn, ...more.neighbor }];
    const startRouter = () => this.router(this.#kind, { host, asn: ROUTER_ASN, ...more.router, neighbors });
    const peers = [{ address, remoteAsn: ROUTER_ASN, ...more.peer }];
    const startHale = () => this.speaker(hale, { asn: haleAsn, peers, routes });
    if (haleFirst) return { speaker: startHale(), router: await startRouter(), haleAddress };
    return { router: await startRouter(), speaker: startHale(), haleAddress };
  }

  async establishedPair(options: PairOptions = {}): Promise<Pair> {
    const pair = await this.pair(options);
    await areEstablished(pair);
    return pair;
  }
}

/** Waits until both sides say so. */
export async function areEstablished({ speaker, router, haleAddress }: Pair): Promise<void> {
  await eventually(() => speaker.status().state).toBe('Established');
  await eventually(async () => (await router.session(haleAddress)).established).toBe(true);
}

export async function prefixesOf(router: Router): Promise<string[]> {
  return (await router.routes()).map(({ prefix }) => prefix).toSorted();
}
