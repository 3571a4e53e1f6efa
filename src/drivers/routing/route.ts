import { createHash } from 'node:crypto';
import { GRACEFUL_SHUTDOWN } from '../../core/bgp/community.ts';

/** What routers are told beside the address itself. */
export interface RouteAttributes {
  /** RFC 1997, as numbers of 32 bits. */
  communities: readonly number[];
  /** For peers of the same autonomous system (RFC 4271 section 5.1.5). */
  localPreference: number;
  /** Multi-exit discriminator (RFC 4271 section 5.1.4). */
  med?: number;
}

/** For a host that is about to withdraw: RFC 8326 section 4, and the lowest preference. */
export function drained(attributes: RouteAttributes): RouteAttributes {
  return { ...attributes, communities: [...attributes.communities, GRACEFUL_SHUTDOWN], localPreference: 0 };
}

/** Both halves of a community. */
export function halves(community: number): [number, number] {
  return [community >>> 16, community & 0xffff];
}

/** Tells one text that hale put into a daemon from another; letters and digits alone. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
