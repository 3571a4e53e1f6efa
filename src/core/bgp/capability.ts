/** Capabilities: RFC 5492 section 4; multiprotocol RFC 4760 section 8, route refresh RFC 2918, graceful restart RFC 4724 section 3, AS numbers RFC 6793. */
import type { Family } from '../../base/address.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { FAMILY_BYTES, readFamily, writeFamily } from './family.ts';

export interface GracefulRestart {
  /** R bit. */
  restarting: boolean;
  restartTimeS: number;
  /** With the F bit of each. */
  families: { family: Family; forwardingPreserved: boolean }[];
}

export interface Capabilities {
  /** IPv4 and IPv6 unicast, as offered by the multiprotocol capability. */
  families: Family[];
  /** How many other families are offered. */
  otherFamilies: number;
  routeRefresh: boolean;
  fourOctetAsn: number | undefined;
  gracefulRestart: GracefulRestart | undefined;
  /** Codes of capabilities that are not read here. */
  unknown: number[];
}

const MULTIPROTOCOL = 1;
const ROUTE_REFRESH = 2;
const GRACEFUL_RESTART = 64;
const FOUR_OCTET_AS = 65;
const RESTARTING = 0x8000;
const RESTART_TIME = 0x0fff;
const FORWARDING = 0x80;

export function noCapabilities(): Capabilities {
  return { families: [], otherFamilies: 0, routeRefresh: false, fourOctetAsn: undefined, gracefulRestart: undefined, unknown: [] };
}

/** RFC 4760 section 8: a peer that offers no family at all means IPv4 unicast. */
export function offeredFamilies({ families, otherFamilies }: Capabilities): readonly Family[] {
  return families.length === 0 && otherFamilies === 0 ? ['IPv4'] : families;
}

/** The value of one optional parameter of type 2; what is unknown cannot be written. */
export function capabilityBytes({ families, routeRefresh, gracefulRestart, fourOctetAsn }: Capabilities): Uint8Array {
  const writer = new ByteWriter();
  for (const family of families) writer.bytes(multiprotocolBytes(family));
  if (routeRefresh) writer.u8(ROUTE_REFRESH).u8(0);
  if (gracefulRestart !== undefined) {
    const { restarting, restartTimeS } = gracefulRestart;
    writer.u8(GRACEFUL_RESTART).u8(2 + 4 * gracefulRestart.families.length);
    writer.u16((restarting ? RESTARTING : 0) | (restartTimeS & RESTART_TIME));
    for (const { family, forwardingPreserved } of gracefulRestart.families) {
      writeFamily(writer, family).u8(forwardingPreserved ? FORWARDING : 0);
    }
  }
  if (fourOctetAsn !== undefined) writer.u8(FOUR_OCTET_AS).u8(4).u32(fourOctetAsn);
  return writer.finish();
}

/** One multiprotocol capability: also what a NOTIFICATION names that misses it (RFC 5492 section 5). */
export function multiprotocolBytes(family: Family): Uint8Array {
  // A reserved octet stands between AFI and SAFI (RFC 4760 section 8).
  const [high, low, safi] = writeFamily(new ByteWriter(), family).finish() as unknown as [number, number, number];
  return Uint8Array.of(MULTIPROTOCOL, FAMILY_BYTES + 1, high, low, 0, safi);
}

/** Adds what one parameter holds; false when it is malformed. A capability that comes twice counts once (RFC 5492 section 4). */
export function readCapabilities(parameter: Uint8Array, into: Capabilities): boolean {
  const reader = new ByteReader(parameter);
  while (reader.remaining > 0) {
    const code = reader.u8();
    const value = reader.bytes(reader.u8());
    if (!reader.ok || !readCapability(code, value, into)) return false;
  }
  return true;
}

function readCapability(code: number, value: Uint8Array, into: Capabilities): boolean {
  const reader = new ByteReader(value);
  switch (code) {
    case MULTIPROTOCOL: {
      if (value.length !== 4) return false;
      const family = readFamily(new ByteReader(Uint8Array.of(value[0] as number, value[1] as number, value[3] as number)));
      if (family === undefined) into.otherFamilies++;
      else if (!into.families.includes(family)) into.families.push(family);
      return true;
    }
    case ROUTE_REFRESH:
      into.routeRefresh = true;
      return value.length === 0;
    case FOUR_OCTET_AS:
      into.fourOctetAsn = reader.u32();
      return value.length === 4;
    case GRACEFUL_RESTART:
      into.gracefulRestart = readGracefulRestart(reader);
      return value.length % 4 === 2;
    default:
      if (!into.unknown.includes(code)) into.unknown.push(code);
      return true;
  }
}

function readGracefulRestart(reader: ByteReader): GracefulRestart {
  const flags = reader.u16();
  const families: GracefulRestart['families'] = [];
  while (reader.remaining >= 4) {
    const family = readFamily(reader);
    const forwardingPreserved = (reader.u8() & FORWARDING) !== 0;
    if (family !== undefined) families.push({ family, forwardingPreserved });
  }
  return { restarting: (flags & RESTARTING) !== 0, restartTimeS: flags & RESTART_TIME, families };
}
