/** Why a packet was discarded, in the order in which RFC 5880 section 6.8.6 asks, after what RFC 5881 section 5 asks before. */
const WORDS = {
  ttl: 'the TTL is not 255, so the packet may come from beyond the link (RFC 5881 section 5)',
  ttl_below_minimum: 'the TTL is below the least that is accepted of this peer (RFC 5883 section 5)',
  truncated: 'there is no whole header (RFC 5880 section 4.1)',
  version: 'the version number is not 1 (RFC 5880 section 6.8.6)',
  length_below_minimum: 'the Length field is less than the minimum (RFC 5880 section 6.8.6)',
  length_beyond_payload: 'the Length field is greater than the payload (RFC 5880 section 6.8.6)',
  detect_mult_zero: 'the Detect Mult field is zero (RFC 5880 section 6.8.6)',
  multipoint: 'the Multipoint (M) bit is set (RFC 5880 section 6.8.6)',
  my_discriminator_zero: 'the My Discriminator field is zero (RFC 5880 section 6.8.6)',
  your_discriminator_unknown: 'the Your Discriminator field is that of no session (RFC 5880 section 6.8.6)',
  other_hops: 'the packet came to the port of single hop for a multihop session, or the reverse (RFC 5883 section 5)',
  your_discriminator_zero: 'the Your Discriminator field is zero while the State is Init or Up (RFC 5880 section 6.8.6)',
  no_session: 'no session has these addresses (RFC 5881 section 3)',
  authentication_present: 'the packet carries authentication, and none is in use here (RFC 5880 section 6.8.6)',
  admin_down: 'the session is administratively down (RFC 5880 section 6.8.6)',
} as const;

export type BfdDecline = keyof typeof WORDS;

export function declineText(reason: BfdDecline): string {
  return `packet discarded: ${WORDS[reason]}`;
}
