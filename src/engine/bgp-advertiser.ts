import { hostPrefix } from '../base/address.ts';
import { drained, type RouteAttributes } from '../core/bgp/route.ts';
import type { Advertisement, Advertiser } from '../ports/advertiser.ts';
import type { BgpEngine, BgpPeerStatus } from './bgp.ts';

export interface BgpAdvertiserOptions {
  /** From now on the advertiser's own: `close` stops it. */
  engine: BgpEngine;
  /** The shared addresses; each becomes a route to this host alone (/32, /128). */
  addresses: readonly string[];
  attributes: RouteAttributes;
}

/** Announces the shared addresses to all peers of the engine. */
export class BgpAdvertiser implements Advertiser {
  readonly #options: BgpAdvertiserOptions;

  constructor(options: BgpAdvertiserOptions) {
    this.#options = options;
  }

  want(advertisement: Advertisement): void {
    const { engine, addresses, attributes } = this.#options;
    const told = advertisement === 'draining' ? drained(attributes) : attributes;
    engine.setRoutes(advertisement === 'withdrawn' ? [] : addresses.map((address) => ({ prefix: hostPrefix(address), ...told })));
  }

  problem(): string | undefined {
    const problems = this.#options.engine.status().flatMap((peer) => problemOf(peer) ?? []);
    return problems.length === 0 ? undefined : problems.join('; ');
  }

  async close(): Promise<void> {
    this.want('withdrawn');
    this.#options.engine.stop({ message: 'hale stops' });
  }
}

function problemOf({ address, state, lastError, unannounced }: BgpPeerStatus): string | undefined {
  if (state !== 'Established') return `${address} is ${state}${lastError === undefined ? '' : `: ${lastError.text}`}`;
  if (unannounced.length === 0) return undefined;
  return `${address} is not told of ${unannounced.map(({ prefix, reason }) => `${prefix} (${reason})`).join(', ')}`;
}
