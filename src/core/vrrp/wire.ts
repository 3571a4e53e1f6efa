/**
 * VRRP messages: version 3 (RFC 9568 section 5.2) and version 2 (RFC 3768 section 5.3, with the simple text password of RFC 2338 section
 * 5.3.6, which keepalived still sends). Only advertisements exist. All that is not one is declined with a reason.
 *
 * The IPv4 checksum of version 3 covers the message alone by RFC 9568 section 5.2.8, and a pseudo-header too as keepalived and FRR read
 * RFC 5798, which the later one replaced. Both are accepted; which one is sent is for the caller to say.
 */
import { type Family, familyOf, formatIp, ipBytes } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { checksum } from '../balancer/segment.ts';

export const VRRP_PROTOCOL = 112;
export const vrrpGroup: Record<Family, string> = { IPv4: '224.0.0.18', IPv6: 'ff02::12' };
/** Of the auth data of version 2. */
export const PASSWORD_BYTES = 8;
const TYPE_ADVERTISEMENT = 1;
const HEADER_BYTES = 8;
const AUTH_NONE = 0;
const AUTH_SIMPLE_TEXT = 1;
const CHECKSUM_AT = 6;

export type VrrpVersion = 2 | 3;
export type VrrpAuthType = 'none' | 'simple-text';
/** What an IPv4 checksum of version 3 covers; version 2 has never a pseudo-header, IPv6 always. */
export type ChecksumForm = 'with-pseudo-header' | 'message-only';

export interface Advertisement {
  version: VrrpVersion;
  /** 1 to 255. */
  virtualRouterId: number;
  /** 255 owns the addresses, 0 resigns. */
  priority: number;
  /** Version 3: 10 to 40,950 in steps of 10. Version 2: 1000 to 255,000 in steps of 1000. */
  maxAdvertiseIntervalMs: number;
  /** At least one, of the family that the message travels by, in the form of `formatIp`. */
  addresses: readonly string[];
}

/** What surrounds a message. */
export interface VrrpEnvelope {
  from: string;
  to: string;
  /** Of version 2: at most 8 bytes; with one, only messages that carry it are accepted, and without one only those that carry none. */
  password?: string | undefined;
}

export type VrrpDecline =
  | 'packet-length'
  | 'version'
  | 'type'
  | 'checksum'
  | 'virtual-router-id'
  | 'no-addresses'
  | 'interval'
  | 'auth-type'
  | 'auth-password';

export type DecodedVrrp =
  | { ok: true; message: Advertisement; checksumForm: ChecksumForm | undefined }
  /** Fields are those of the message as far as they could be read; the checksum may have been wrong. */
  | { ok: false; reason: VrrpDecline; version?: number; virtualRouterId?: number; authType?: number };

export function encodeAdvertisement(message: Advertisement, envelope: VrrpEnvelope & { checksumForm: ChecksumForm }): Uint8Array {
  const { version, virtualRouterId, priority, maxAdvertiseIntervalMs, addresses } = message;
  const family = familyOf(envelope.from);
  assert(version === 3 || family === 'IPv4', 'version 2 is of IPv4');
  const writer = new ByteWriter()
    .u8((version << 4) | TYPE_ADVERTISEMENT)
    .u8(virtualRouterId)
    .u8(priority)
    .u8(addresses.length);
  if (version === 3) writer.u16(maxAdvertiseIntervalMs / 10);
  else writer.u8(envelope.password === undefined ? AUTH_NONE : AUTH_SIMPLE_TEXT).u8(maxAdvertiseIntervalMs / 1000);
  writer.u16(0);
  for (const address of addresses) writer.bytes(ipBytes(address, family));
  if (version === 2) writer.bytes(authData(envelope.password));
  const bytes = writer.finish();
  const parts = version === 3 && (family === 'IPv6' || envelope.checksumForm === 'with-pseudo-header') ? pseudoHeader(bytes, envelope) : [];
  new DataView(bytes.buffer).setUint16(CHECKSUM_AT, checksum([...parts, bytes]));
  return bytes;
}

/** Reads what came from the network, in the order of RFC 9568 section 7.1. The password of a stranger does not come out. */
export function decodeAdvertisement(bytes: Uint8Array, envelope: VrrpEnvelope): DecodedVrrp {
  if (bytes.length < HEADER_BYTES) return { ok: false, reason: 'packet-length' };
  const reader = new ByteReader(bytes);
  const first = reader.u8();
  const [version, type] = [first >> 4, first & 0x0f];
  const [virtualRouterId, priority, count] = [reader.u8(), reader.u8(), reader.u8()];
  const decline = (reason: VrrpDecline, authType?: number): DecodedVrrp => {
    return { ok: false, reason, version, virtualRouterId, ...(authType !== undefined && { authType }) };
  };
  const family = familyOf(envelope.from);
  if ((version !== 2 && version !== 3) || (version === 2 && family === 'IPv6')) return decline('version');
  if (type !== TYPE_ADVERTISEMENT) return decline('type');
  const addressBytes = family === 'IPv4' ? 4 : 16;
  if (bytes.length !== HEADER_BYTES + count * addressBytes + (version === 2 ? PASSWORD_BYTES : 0)) return decline('packet-length');
  const form = checksumFormOf(bytes, { version, family, envelope });
  if (form === undefined) return decline('checksum');
  if (virtualRouterId === 0) return decline('virtual-router-id');
  if (count === 0) return decline('no-addresses');
  const authType = version === 2 ? reader.u8() : AUTH_NONE;
  const maxAdvertiseIntervalMs = version === 2 ? reader.u8() * 1000 : (reader.u16() & 0x0fff) * 10;
  if (maxAdvertiseIntervalMs === 0) return decline('interval');
  reader.u16();
  const addresses = Array.from({ length: count }, () => formatIp(reader.bytes(addressBytes)));
  const wrong = version === 2 ? wrongAuth({ authType, data: reader.bytes(PASSWORD_BYTES), password: envelope.password }) : undefined;
  if (wrong !== undefined) return decline(wrong, authType);
  const message: Advertisement = { version, virtualRouterId, priority, maxAdvertiseIntervalMs, addresses };
  return { ok: true, message, checksumForm: version === 3 && family === 'IPv4' ? form : undefined };
}

function checksumFormOf(
  bytes: Uint8Array,
  { version, family, envelope }: { version: VrrpVersion; family: Family; envelope: VrrpEnvelope },
): ChecksumForm | undefined {
  if (version === 3 && checksum([...pseudoHeader(bytes, envelope), bytes]) === 0) return 'with-pseudo-header';
  return family === 'IPv4' && checksum([bytes]) === 0 ? 'message-only' : undefined;
}

/** RFC 8200 section 8.1; over IPv4 the addresses are short, and the rest adds up to the same. */
function pseudoHeader(message: Uint8Array, { from, to }: VrrpEnvelope): Uint8Array[] {
  const family = familyOf(from);
  return [ipBytes(from, family), ipBytes(to, family), Uint8Array.of(message.length >> 8, message.length & 0xff, 0, VRRP_PROTOCOL)];
}

function wrongAuth(auth: { authType: number; data: Uint8Array; password: string | undefined }): VrrpDecline | undefined {
  if (auth.authType !== (auth.password === undefined ? AUTH_NONE : AUTH_SIMPLE_TEXT)) return 'auth-type';
  if (auth.password === undefined) return undefined;
  return authData(auth.password).every((byte, i) => byte === auth.data[i]) ? undefined : 'auth-password';
}

/** Padded with zeros; zeros where there is no password, which receivers ignore. */
function authData(password: string | undefined): Uint8Array {
  const data = new Uint8Array(PASSWORD_BYTES);
  if (password === undefined) return data;
  assert(/^[\x20-\x7e]{1,8}$/.test(password), 'a password of VRRP has 1 to 8 printable ASCII characters');
  data.set(Array.from(password, (sign) => sign.charCodeAt(0)));
  return data;
}

/** Whether `one` is the greater address: an unsigned number in network order (RFC 9568 section 6.4.3). */
export function isGreaterAddress(one: string, other: string): boolean {
  const [left, right] = [one, other].map((address) => ipBytes(address)) as [Uint8Array, Uint8Array];
  const at = left.findIndex((byte, i) => byte !== right[i]);
  return at >= 0 && (left[at] as number) > (right[at] as number);
}
