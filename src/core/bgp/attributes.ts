/** Path attributes: RFC 4271 sections 4.3 and 5, RFC 1997 (COMMUNITIES), RFC 4760 (MP_REACH_NLRI, MP_UNREACH_NLRI), RFC 2545 (IPv6 next hops), RFC 6793 (AS4_PATH). */
import { type Family, parseIp } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import { ByteWriter } from '../../base/bytes.ts';
import { addressBytes, writeFamily, writePrefix } from './family.ts';
import { twoOctets } from './open.ts';

export const origins = ['IGP', 'EGP', 'INCOMPLETE'] as const;
/** Types 1 to 4; the last two of confederations (RFC 5065). */
export const segmentKinds = ['AS_SET', 'AS_SEQUENCE', 'AS_CONFED_SEQUENCE', 'AS_CONFED_SET'] as const;

export interface PathSegment {
  kind: (typeof segmentKinds)[number];
  /** 1 to 255 of them. */
  asns: number[];
}

export interface MpReach {
  family: Family;
  nextHop: string;
  /** Of IPv6, beside the global one. */
  linkLocal?: string;
  prefixes: string[];
}

/** Those that this speaker sends, or whose content says something about it. */
export interface PathAttributes {
  origin?: (typeof origins)[number];
  asPath?: PathSegment[];
  nextHop?: string;
  med?: number;
  localPreference?: number;
  communities?: number[];
  mpReach?: MpReach;
  mpUnreach?: { family: Family; prefixes: string[] };
  as4Path?: PathSegment[];
}

/** How long AS numbers are on this session (RFC 6793 section 4). */
export interface AsnWidth {
  fourOctetAsn: boolean;
}

export const TYPE = {
  ORIGIN: 1,
  AS_PATH: 2,
  NEXT_HOP: 3,
  MULTI_EXIT_DISC: 4,
  LOCAL_PREF: 5,
  ATOMIC_AGGREGATE: 6,
  AGGREGATOR: 7,
  COMMUNITIES: 8,
  ORIGINATOR_ID: 9,
  CLUSTER_LIST: 10,
  MP_REACH_NLRI: 14,
  MP_UNREACH_NLRI: 15,
  EXTENDED_COMMUNITIES: 16,
  AS4_PATH: 17,
  AS4_AGGREGATOR: 18,
  IPV6_EXTENDED_COMMUNITIES: 25,
  LARGE_COMMUNITIES: 32,
} as const;

export const OPTIONAL = 0x80;
export const TRANSITIVE = 0x40;
const EXTENDED_LENGTH = 0x10;

/** The attributes as a field of an UPDATE: those with prefixes first (RFC 7606 section 5.1), the others by type (RFC 4271 section 5). */
export function attributeBytes(attributes: PathAttributes, width: AsnWidth): Uint8Array {
  const { origin, asPath, nextHop, med, localPreference, communities, mpReach, mpUnreach, as4Path } = attributes;
  const all = new ByteWriter();
  const put = (type: number, flags: number, value: ByteWriter) => {
    const bytes = value.finish();
    if (bytes.length > 255)
      all
        .u8(flags | EXTENDED_LENGTH)
        .u8(type)
        .u16(bytes.length);
    else all.u8(flags).u8(type).u8(bytes.length);
    all.bytes(bytes);
  };
  if (mpUnreach !== undefined) put(TYPE.MP_UNREACH_NLRI, OPTIONAL, prefixList(writeFamily(new ByteWriter(), mpUnreach.family), mpUnreach));
  if (mpReach !== undefined) put(TYPE.MP_REACH_NLRI, OPTIONAL, reachValue(mpReach));
  if (origin !== undefined) put(TYPE.ORIGIN, TRANSITIVE, new ByteWriter().u8(origins.indexOf(origin)));
  if (asPath !== undefined) put(TYPE.AS_PATH, TRANSITIVE, pathValue(asPath, width));
  if (nextHop !== undefined) put(TYPE.NEXT_HOP, TRANSITIVE, new ByteWriter().bytes(hopBytes(nextHop, 'IPv4')));
  if (med !== undefined) put(TYPE.MULTI_EXIT_DISC, OPTIONAL, new ByteWriter().u32(med));
  if (localPreference !== undefined) put(TYPE.LOCAL_PREF, TRANSITIVE, new ByteWriter().u32(localPreference));
  if (communities !== undefined) put(TYPE.COMMUNITIES, OPTIONAL | TRANSITIVE, numberList(communities));
  if (as4Path !== undefined) put(TYPE.AS4_PATH, OPTIONAL | TRANSITIVE, pathValue(as4Path, { fourOctetAsn: true }));
  return all.finish();
}

function numberList(numbers: readonly number[]): ByteWriter {
  const writer = new ByteWriter();
  for (const number of numbers) writer.u32(number);
  return writer;
}

function pathValue(segments: readonly PathSegment[], { fourOctetAsn }: AsnWidth): ByteWriter {
  const writer = new ByteWriter();
  for (const { kind, asns } of segments) {
    assert(asns.length > 0 && asns.length <= 255, 'a path segment has 1 to 255 AS numbers');
    writer.u8(segmentKinds.indexOf(kind) + 1).u8(asns.length);
    for (const asn of asns) {
      if (fourOctetAsn) writer.u32(asn);
      else writer.u16(twoOctets(asn));
    }
  }
  return writer;
}

function reachValue(reach: MpReach): ByteWriter {
  const { family, nextHop, linkLocal } = reach;
  const hops = [nextHop, ...(linkLocal === undefined ? [] : [linkLocal])];
  const writer = writeFamily(new ByteWriter(), family).u8(hops.length * addressBytes[family]);
  for (const hop of hops) writer.bytes(hopBytes(hop, family));
  // The reserved octet (RFC 4760 section 3).
  return prefixList(writer.u8(0), reach);
}

function prefixList(writer: ByteWriter, { prefixes }: { prefixes: readonly string[] }): ByteWriter {
  for (const prefix of prefixes) writePrefix(writer, prefix);
  return writer;
}

function hopBytes(address: string, family: Family): Uint8Array {
  const bytes = parseIp(address);
  assert(bytes?.length === addressBytes[family], `${address} is an ${family} next hop`);
  return bytes;
}
