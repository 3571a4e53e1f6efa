import { familyOf, formatPrefix } from '../base/address.ts';
import { GRACEFUL_SHUTDOWN } from '../core/bgp/community.ts';
import type { BgpRoute } from '../core/bgp/route.ts';
import type { Advertisement, Advertiser } from '../ports/advertiser.ts';
import type { BgpEngine, BgpPeerStatus } from './bgp.ts';

export interface BgpAdvertiserOptions {
  /** From now on the advertiser's own: `close` stops it. */
  engine: BgpEngine;
  /** The shared addresses; each becomes a route to this host alone (/32, /128). */
  addresses: readonly string[];
  /** 32-bit numbers (RFC 1997). */
  communities: readonly number[];
  med?: number;
  /** For peers of the same AS. */
  localPreference?: number;
}

/** Announces the shared addresses to all peers of the engine. */
export class BgpAdvertiser implements Advertiser {
  readonly #options: BgpAdvertiserOptions;

  constructor(options: BgpAdvertiserOptions) {
    this.#options = options;
  }

  want(advertisement: Advertisement): void {
    const { engine, addresses } = this.#options;
    engine.setRoutes(advertisement === 'withdrawn' ? [] : addresses.map((address) => this.#route(address, advertisement)));
  }

  problem(): string | undefined {
    const problems = this.#options.engine.status().flatMap((peer) => problemOf(peer) ?? []);
    return problems.length === 0 ? undefined : problems.join('; ');
  }

  async close(): Promise<void> {
    this.want('withdrawn');
    this.#options.engine.stop({ message: 'hale stops' });
  }

  #route(address: string, advertisement: Advertisement): BgpRoute {
    const { communities, med, localPreference } = this.#options;
    const common = {
      prefix: formatPrefix({ address, length: familyOf(address) === 'IPv4' ? 32 : 128 }),
      ...(med === undefined ? {} : { med }),
    };
    // RFC 8326 section 4: the community asks other ASes to prefer other paths; in the own AS a local preference of 0 says it directly.
    if (advertisement === 'draining') return { ...common, communities: [...communities, GRACEFUL_SHUTDOWN], localPreference: 0 };
    return { ...common, communities, ...(localPreference === undefined ? {} : { localPreference }) };
  }
}

function problemOf({ address, state, lastError, unannounced }: BgpPeerStatus): string | undefined {
  if (state !== 'Established') return `${address} is ${state}${lastError === undefined ? '' : `: ${lastError.text}`}`;
  if (unannounced.length === 0) return undefined;
  return `${address} is not told of ${unannounced.map(({ prefix, reason }) => `${prefix} (${reason})`).join(', ')}`;
}
