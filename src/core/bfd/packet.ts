/** The BFD Control packet (RFC 5880 section 4.1). Nothing here knows of sessions: what needs one is in `demultiplex.ts` and `session.ts`. */
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { BfdDecline } from './decline.ts';

/** In the order of their numbers on the wire. */
const STATES = ['AdminDown', 'Down', 'Init', 'Up'] as const;
export type BfdState = (typeof STATES)[number];

export interface ControlPacket {
  /** 0 to 31, see `diagnosticText`. */
  diagnostic: number;
  state: BfdState;
  poll: boolean;
  final: boolean;
  controlPlaneIndependent: boolean;
  demand: boolean;
  /** Detect Mult, 1 to 255. */
  multiplier: number;
  myDiscriminator: number;
  yourDiscriminator: number;
  desiredMinTxUs: number;
  requiredMinRxUs: number;
  requiredMinEchoRxUs: number;
}

export type DecodedControlPacket = { ok: true; packet: ControlPacket; authenticationPresent: boolean } | { ok: false; reason: BfdDecline };

const VERSION = 1;
const LENGTH = 24;
/** With the type and the length of an Authentication Section. */
const LENGTH_AUTHENTICATED = 26;
const [POLL, FINAL, CONTROL_PLANE_INDEPENDENT, AUTHENTICATION, DEMAND, MULTIPOINT] = [0x20, 0x10, 0x08, 0x04, 0x02, 0x01];

const DIAGNOSTICS = [
  'No Diagnostic',
  'Control Detection Time Expired',
  'Echo Function Failed',
  'Neighbor Signaled Session Down',
  'Forwarding Plane Reset',
  'Path Down',
  'Concatenated Path Down',
  'Administratively Down',
  'Reverse Concatenated Path Down',
] as const;

export const NO_DIAGNOSTIC = 0;
export const CONTROL_DETECTION_TIME_EXPIRED = 1;
export const NEIGHBOR_SIGNALED_SESSION_DOWN = 3;
export const ADMINISTRATIVELY_DOWN = 7;

/** The words of RFC 5880 section 4.1. */
export function diagnosticText(code: number): string {
  return DIAGNOSTICS[code] ?? `Reserved for future use (${code})`;
}

/** Without an Authentication Section. Fields must be in their ranges. */
export function encodeControlPacket(packet: ControlPacket): Uint8Array {
  const flags =
    (STATES.indexOf(packet.state) << 6) |
    (packet.poll ? POLL : 0) |
    (packet.final ? FINAL : 0) |
    (packet.controlPlaneIndependent ? CONTROL_PLANE_INDEPENDENT : 0) |
    (packet.demand ? DEMAND : 0);
  return new ByteWriter()
    .u8((VERSION << 5) | packet.diagnostic)
    .u8(flags)
    .u8(packet.multiplier)
    .u8(LENGTH)
    .u32(packet.myDiscriminator)
    .u32(packet.yourDiscriminator)
    .u32(packet.desiredMinTxUs)
    .u32(packet.requiredMinRxUs)
    .u32(packet.requiredMinEchoRxUs)
    .finish();
}

/**
 * Reads the payload of an untrusted UDP packet with the checks of RFC 5880 section 6.8.6 that need no session, in their order.
 * An Authentication Section is not looked into; who has no authentication in use declines such a packet.
 */
export function decodeControlPacket(payload: Uint8Array): DecodedControlPacket {
  const reader = new ByteReader(payload);
  const [first, flags, multiplier, length] = [reader.u8(), reader.u8(), reader.u8(), reader.u8()];
  if (!reader.ok) return { ok: false, reason: 'truncated' };
  const authenticationPresent = (flags & AUTHENTICATION) !== 0;
  if (first >> 5 !== VERSION) return { ok: false, reason: 'version' };
  if (length < (authenticationPresent ? LENGTH_AUTHENTICATED : LENGTH)) return { ok: false, reason: 'length_below_minimum' };
  if (length > payload.length) return { ok: false, reason: 'length_beyond_payload' };
  if (multiplier === 0) return { ok: false, reason: 'detect_mult_zero' };
  if ((flags & MULTIPOINT) !== 0) return { ok: false, reason: 'multipoint' };
  const packet: ControlPacket = {
    diagnostic: first & 0x1f,
    state: STATES[flags >> 6] as BfdState,
    poll: (flags & POLL) !== 0,
    final: (flags & FINAL) !== 0,
    controlPlaneIndependent: (flags & CONTROL_PLANE_INDEPENDENT) !== 0,
    demand: (flags & DEMAND) !== 0,
    multiplier,
    myDiscriminator: reader.u32(),
    yourDiscriminator: reader.u32(),
    desiredMinTxUs: reader.u32(),
    requiredMinRxUs: reader.u32(),
    requiredMinEchoRxUs: reader.u32(),
  };
  if (packet.myDiscriminator === 0) return { ok: false, reason: 'my_discriminator_zero' };
  return { ok: true, packet, authenticationPresent };
}
