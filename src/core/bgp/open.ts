/** The OPEN message: RFC 4271 sections 4.2 and 6.2, RFC 6286 (identifier), RFC 6793 (AS numbers of four octets), RFC 7607 (AS 0), RFC 9072 (extended length). */
import { formatIp, parseIp } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { type Capabilities, capabilityBytes, noCapabilities, readCapabilities } from './capability.ts';
import { type BgpPeerConfig, isInternal } from './config.ts';
import { type Notification, notification } from './notification.ts';

export interface Open {
  /** "My Autonomous System", two octets; AS_TRANS for a longer number. */
  asn: number;
  holdTimeS: number;
  routerId: string;
  capabilities: Capabilities;
}

export type Read<Value> = { ok: true; value: Value } | { ok: false; notification: Notification };

const VERSION = 4;
/** RFC 6793 section 9. */
const AS_TRANS = 23456;
const PARAMETER_CAPABILITIES = 2;
/** RFC 9072 section 2: in place of length and type of the first parameter. */
const EXTENDED = 255;
const HOLD_TIME_MIN_S = 3;

/** The AS number in two octets. */
export function twoOctets(asn: number): number {
  return asn > 0xffff ? AS_TRANS : asn;
}

/** The body of the message. */
export function encodeOpen({ asn, holdTimeS, routerId, capabilities }: Open): Uint8Array {
  const id = parseIp(routerId);
  assert(id?.length === 4, `${routerId} is a BGP identifier`);
  const writer = new ByteWriter().u8(VERSION).u16(asn).u16(holdTimeS).bytes(id);
  const parameter = capabilityBytes(capabilities);
  if (parameter.length === 0) return writer.u8(0).finish();
  assert(parameter.length <= 252, 'the capabilities fit one parameter');
  return writer
    .u8(parameter.length + 2)
    .u8(PARAMETER_CAPABILITIES)
    .u8(parameter.length)
    .bytes(parameter)
    .finish();
}

/** Reads the body of an OPEN; what it says about this peer is for `objectionTo`. */
export function decodeOpen(body: Uint8Array): Read<Open> {
  const reader = new ByteReader(body);
  const version = reader.u8();
  const [asn, holdTimeS, routerId] = [reader.u16(), reader.u16(), formatIp(reader.bytes(4))];
  const parameters = readParameters(reader);
  // RFC 4271 section 6.2: the version that is supported stands in the data.
  if (version !== VERSION) return { ok: false, notification: notification('Unsupported Version Number', Uint8Array.of(0, VERSION)) };
  if (!parameters.ok) return parameters;
  return { ok: true, value: { asn, holdTimeS, routerId, capabilities: parameters.value } };
}

function readParameters(reader: ByteReader): Read<Capabilities> {
  const malformed: Read<Capabilities> = { ok: false, notification: notification('OPEN Message Error') };
  let length = reader.u8();
  const rest = reader.bytes(reader.remaining);
  const parameters = new ByteReader(rest);
  const isExtended = length === EXTENDED && rest[0] === EXTENDED;
  if (isExtended) {
    parameters.u8();
    length = parameters.u16();
  }
  if (!reader.ok || !parameters.ok || parameters.remaining !== length) return malformed;
  const capabilities = noCapabilities();
  while (parameters.remaining > 0) {
    const type = parameters.u8();
    const value = parameters.bytes(isExtended ? parameters.u16() : parameters.u8());
    if (!parameters.ok) return malformed;
    if (type !== PARAMETER_CAPABILITIES) return { ok: false, notification: notification('Unsupported Optional Parameter') };
    if (!readCapabilities(value, capabilities)) return malformed;
  }
  return { ok: true, value: capabilities };
}

/** Why an OPEN is not this peer's, or not acceptable, in the order of RFC 4271 section 6.2. */
export function objectionTo(open: Open, config: BgpPeerConfig): Notification | undefined {
  const { fourOctetAsn } = open.capabilities;
  const asn = fourOctetAsn ?? open.asn;
  // An old speaker cannot be one whose number needs four octets.
  const isWrongAsn = asn !== config.remoteAsn || open.asn === 0 || (fourOctetAsn === undefined && asn === AS_TRANS);
  if (isWrongAsn) return notification('Bad Peer AS');
  const isOwn = isInternal(config) && open.routerId === config.routerId;
  if (open.routerId === '0.0.0.0' || isOwn) return notification('Bad BGP Identifier');
  if (open.holdTimeS > 0 && open.holdTimeS < HOLD_TIME_MIN_S) return notification('Unacceptable Hold Time');
  return undefined;
}
