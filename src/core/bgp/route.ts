/** What a peer is told of a shared address: RFC 4271 section 5.1, RFC 4760 section 3, RFC 6793 section 4.2.2. */
import { type Family, familyOf, parseIp } from '../../base/address.ts';
import type { PathAttributes, PathSegment } from './attributes.ts';
import { GRACEFUL_SHUTDOWN } from './community.ts';
import { type BgpPeerConfig, isInternal } from './config.ts';
import type { Update } from './update.ts';

/** What peers are told of a route beside the way itself. */
export interface RouteAttributes {
  /** 32-bit numbers (RFC 1997), at most 128. */
  communities: readonly number[];
  /** MULTI_EXIT_DISC, lower is better; without it none is sent. */
  med?: number;
  /** LOCAL_PREF, higher is better; only peers of the same AS are told. 100 without it. */
  localPreference?: number;
}

/** A route of this host's own. */
export interface BgpRoute extends RouteAttributes {
  /** `10.0.0.100/32`, in the form of `formatPrefix`. */
  prefix: string;
}

export type UnannouncedReason = 'family-not-negotiated' | 'no-next-hop';

/** What the session decides about a route's attributes. */
export interface RouteContext {
  config: BgpPeerConfig;
  /** This end of the connection. */
  localAddress: string;
  families: readonly Family[];
  fourOctetAsn: boolean;
}

export const LOCAL_PREFERENCE = 100;

/** For a host that is about to withdraw (RFC 8326 section 4): the community asks other ASes to prefer other paths; in the own AS a local preference of 0 says it directly. */
export function drained(attributes: RouteAttributes): RouteAttributes {
  return { ...attributes, communities: [...attributes.communities, GRACEFUL_SHUTDOWN], localPreference: 0 };
}

export function familyOfRoute({ prefix }: { prefix: string }): Family {
  return familyOf(prefix);
}

/** Why a peer cannot be told of the route. */
export function whyUnannounced(route: BgpRoute, context: RouteContext): UnannouncedReason | undefined {
  const family = familyOfRoute(route);
  if (!context.families.includes(family)) return 'family-not-negotiated';
  return nextHopOf(family, context) === undefined ? 'no-next-hop' : undefined;
}

/** The UPDATE that announces the route, or undefined for the reason of `whyUnannounced`. */
export function announcement(route: BgpRoute, context: RouteContext): Update | undefined {
  const { config, families } = context;
  const { prefix, communities, med, localPreference = LOCAL_PREFERENCE } = route;
  const family = familyOfRoute(route);
  const nextHop = nextHopOf(family, context);
  if (nextHop === undefined || !families.includes(family)) return undefined;
  const linkLocal = config.nextHops?.linkLocal;
  const attributes: PathAttributes = {
    origin: 'IGP',
    ...pathOf(context),
    ...(med === undefined ? {} : { med }),
    ...(isInternal(config) ? { localPreference } : {}),
    ...(communities.length === 0 ? {} : { communities: [...communities] }),
  };
  if (family === 'IPv4') return { withdrawn: [], attributes: { ...attributes, nextHop }, announced: [prefix] };
  const mpReach = { family, nextHop, ...(linkLocal === undefined ? {} : { linkLocal }), prefixes: [prefix] };
  return { withdrawn: [], attributes: { ...attributes, mpReach }, announced: [] };
}

export function withdrawal(prefix: string): Update {
  const family = familyOfRoute({ prefix });
  if (family === 'IPv4') return { withdrawn: [prefix], attributes: {}, announced: [] };
  return { withdrawn: [], attributes: { mpUnreach: { family, prefixes: [prefix] } }, announced: [] };
}

function pathOf({ config, fourOctetAsn }: RouteContext): { asPath: PathSegment[]; as4Path?: PathSegment[] } {
  if (isInternal(config)) return { asPath: [] };
  const asPath: PathSegment[] = [{ kind: 'AS_SEQUENCE', asns: [config.localAsn] }];
  // An old speaker sees AS_TRANS, and passes the true path on to new ones.
  return fourOctetAsn || config.localAsn <= 0xffff ? { asPath } : { asPath, as4Path: asPath };
}

/** This host: the configured next hop, or this end of the connection where that has the family and others can reach it. */
function nextHopOf(family: Family, { config, localAddress }: RouteContext): string | undefined {
  const configured = config.nextHops?.[family];
  if (configured !== undefined) return configured;
  const bytes = parseIp(localAddress);
  if (bytes === undefined || familyOf(localAddress) !== family) return undefined;
  // RFC 2545 section 3 wants a global address in the first place.
  const isLinkLocal = family === 'IPv6' && bytes[0] === 0xfe && ((bytes[1] as number) & 0xc0) === 0x80;
  return isLinkLocal ? undefined : localAddress;
}
