/** `draining`: others are preferred from now on (RFC 8326), while what still arrives is served. */
export type Advertisement = 'announced' | 'draining' | 'withdrawn';

/** Tells routers that this host serves the shared address: hale's own BGP speaker, or a routing daemon of this host. */
export interface Advertiser {
  /** From now on, until the next call; may be said again and again. */
  want(advertisement: Advertisement): void;
  /** Why it is not, or not everywhere, as wanted, in words; undefined when it is. */
  problem(): string | undefined;
  /** Withdraws first. */
  close(): Promise<void>;
}
