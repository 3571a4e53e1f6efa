/**
 * Reads path attributes from a peer, and judges what is wrong as RFC 7606 does: the strongest approach of all faults counts (section 3 h).
 *
 *   attribute-discard   the attribute is as if it had not come          sections 7.5 to 7.7, 7.9, 7.10
 *   treat-as-withdraw   the routes are as if they had been withdrawn     sections 3 c to e, 4, 7.1 to 7.4, 7.8, 7.14
 *   session-reset       it cannot be known which routes are meant        sections 3 g, 3 j, 5.3, 7.11, 7.12
 */
import { formatIp } from '../../base/address.ts';
import { ByteReader } from '../../base/bytes.ts';
import { type AsnWidth, OPTIONAL, origins, type PathAttributes, type PathSegment, segmentKinds, TRANSITIVE, TYPE } from './attributes.ts';
import { addressBytes, readFamily, readPrefixes } from './family.ts';
import type { NotificationName } from './notification.ts';

export type AttributeFault = { attribute: number; reason: FaultReason } & (
  | { approach: 'attribute-discard' | 'treat-as-withdraw' }
  | { approach: 'session-reset'; error: NotificationName }
);

export type FaultReason =
  | 'attribute_overrun'
  | 'attribute_flags'
  | 'attribute_length'
  | 'attribute_twice'
  | 'not_from_an_external_peer'
  | 'undefined_origin'
  | 'malformed_as_path'
  | 'next_hop_not_a_host_address'
  | 'next_hop_length'
  | 'other_address_family'
  | 'prefix_overrun'
  | 'missing_well_known'
  | 'unrecognized_well_known';

export interface AttributeContext extends AsnWidth {
  /** From a peer of the same AS. */
  internal: boolean;
}

interface Given {
  value: Uint8Array;
  context: AttributeContext;
  into: PathAttributes;
}

type Fault =
  | Omit<AttributeFault & { approach: 'session-reset' }, 'attribute'>
  | { approach: 'attribute-discard' | 'treat-as-withdraw'; reason: FaultReason };

interface Rule {
  flags: number;
  read(given: Given): Fault | undefined;
}

const WELL_KNOWN = TRANSITIVE;
const OPTIONAL_TRANSITIVE = OPTIONAL | TRANSITIVE;
const KIND_FLAGS = OPTIONAL | TRANSITIVE;

const withdraw = (reason: FaultReason): Fault => ({ approach: 'treat-as-withdraw', reason });
const discard = (reason: FaultReason): Fault => ({ approach: 'attribute-discard', reason });
const reset = (reason: FaultReason): Fault => ({ approach: 'session-reset', reason, error: 'Optional Attribute Error' });

const RULES = new Map<number, Rule>([
  [TYPE.ORIGIN, { flags: WELL_KNOWN, read: readOrigin }],
  [TYPE.AS_PATH, { flags: WELL_KNOWN, read: readAsPath }],
  [TYPE.NEXT_HOP, { flags: WELL_KNOWN, read: readNextHop }],
  [TYPE.MULTI_EXIT_DISC, { flags: OPTIONAL, read: ({ value, into }) => readNumber(value, (med) => Object.assign(into, { med })) }],
  [TYPE.LOCAL_PREF, { flags: WELL_KNOWN, read: readLocalPreference }],
  [TYPE.ATOMIC_AGGREGATE, { flags: WELL_KNOWN, read: ({ value }) => (value.length === 0 ? undefined : discard('attribute_length')) }],
  [TYPE.AGGREGATOR, { flags: OPTIONAL_TRANSITIVE, read: readAggregator }],
  [TYPE.COMMUNITIES, { flags: OPTIONAL_TRANSITIVE, read: readCommunities }],
  [TYPE.ORIGINATOR_ID, { flags: OPTIONAL, read: (given) => internalOnly(given, given.value.length === 4) }],
  [TYPE.CLUSTER_LIST, { flags: OPTIONAL, read: (given) => internalOnly(given, isListOf(given.value, 4)) }],
  [TYPE.MP_REACH_NLRI, { flags: OPTIONAL, read: readReach }],
  [TYPE.MP_UNREACH_NLRI, { flags: OPTIONAL, read: readUnreach }],
  [TYPE.EXTENDED_COMMUNITIES, { flags: OPTIONAL_TRANSITIVE, read: ({ value }) => listFault(value, 8) }],
  [TYPE.AS4_PATH, { flags: OPTIONAL_TRANSITIVE, read: readAs4Path }],
  [
    TYPE.AS4_AGGREGATOR,
    { flags: OPTIONAL_TRANSITIVE, read: ({ value }) => (value.length === 8 ? undefined : discard('attribute_length')) },
  ],
  [TYPE.IPV6_EXTENDED_COMMUNITIES, { flags: OPTIONAL_TRANSITIVE, read: ({ value }) => listFault(value, 20) }],
  [TYPE.LARGE_COMMUNITIES, { flags: OPTIONAL_TRANSITIVE, read: ({ value }) => listFault(value, 12) }],
]);

export interface ReadAttributes {
  attributes: PathAttributes;
  faults: AttributeFault[];
  /** Types that came, also those with a fault. */
  types: ReadonlySet<number>;
}

/** Reads the field of path attributes to its end, whatever stands in it. */
export function readAttributes(field: Uint8Array, context: AttributeContext): ReadAttributes {
  const reader = new ByteReader(field);
  const attributes: PathAttributes = {};
  const faults: AttributeFault[] = [];
  const types = new Set<number>();
  while (reader.remaining > 0) {
    const [flags, type] = [reader.u8(), reader.u8()];
    const value = reader.bytes((flags & 0x10) === 0 ? reader.u8() : reader.u16());
    if (!reader.ok) {
      // Section 4: the field's own length still says where the prefixes begin.
      faults.push({ attribute: type, approach: 'treat-as-withdraw', reason: 'attribute_overrun' });
      break;
    }
    const fault = types.has(type) ? repeated(type) : readAttribute({ flags, type }, { value, context, into: attributes });
    types.add(type);
    if (fault !== undefined) faults.push({ attribute: type, ...fault });
  }
  return { attributes, faults, types };
}

/** Section 3 g. */
function repeated(type: number): Fault {
  const carriesPrefixes = type === TYPE.MP_REACH_NLRI || type === TYPE.MP_UNREACH_NLRI;
  return carriesPrefixes
    ? { approach: 'session-reset', reason: 'attribute_twice', error: 'Malformed Attribute List' }
    : discard('attribute_twice');
}

function readAttribute({ flags, type }: { flags: number; type: number }, given: Given): Fault | undefined {
  const rule = RULES.get(type);
  if (rule === undefined) {
    // RFC 4271 section 6.3, which RFC 7606 leaves as it is.
    const isUnknownWellKnown = (flags & OPTIONAL) === 0;
    return isUnknownWellKnown
      ? { approach: 'session-reset', reason: 'unrecognized_well_known', error: 'Unrecognized Well-known Attribute' }
      : undefined;
  }
  const fault = rule.read(given);
  if ((flags & KIND_FLAGS) === rule.flags || fault?.approach === 'session-reset') return fault;
  return withdraw('attribute_flags');
}

function readOrigin({ value, into }: Given): Fault | undefined {
  if (value.length !== 1) return withdraw('attribute_length');
  const origin = origins[value[0] as number];
  if (origin === undefined) return withdraw('undefined_origin');
  into.origin = origin;
  return undefined;
}

function readAsPath({ value, context, into }: Given): Fault | undefined {
  const path = readPath(value, context);
  if (path === undefined) return withdraw('malformed_as_path');
  into.asPath = path;
  return undefined;
}

/** RFC 6793 sections 3 and 6: nothing for a session with long numbers, and never worth more than to be left out. */
function readAs4Path({ value, context, into }: Given): Fault | undefined {
  if (context.fourOctetAsn) return undefined;
  const path = readPath(value, { fourOctetAsn: true });
  if (path === undefined) return discard('malformed_as_path');
  into.as4Path = path;
  return undefined;
}

/** RFC 7606 section 7.2. */
function readPath(value: Uint8Array, { fourOctetAsn }: AsnWidth): PathSegment[] | undefined {
  const reader = new ByteReader(value);
  const segments: PathSegment[] = [];
  while (reader.remaining > 0) {
    const kind = segmentKinds[reader.u8() - 1];
    const count = reader.u8();
    if (kind === undefined || count === 0) return undefined;
    const asns = Array.from({ length: count }, () => (fourOctetAsn ? reader.u32() : reader.u16()));
    if (!reader.ok) return undefined;
    segments.push({ kind, asns });
  }
  return segments;
}

function readNextHop({ value, into }: Given): Fault | undefined {
  if (value.length !== 4) return withdraw('attribute_length');
  const first = value[0] as number;
  if (first === 0 || first === 127 || first >= 224) return withdraw('next_hop_not_a_host_address');
  into.nextHop = formatIp(value);
  return undefined;
}

function readNumber(value: Uint8Array, take: (number: number) => void): Fault | undefined {
  if (value.length !== 4) return withdraw('attribute_length');
  take(new ByteReader(value).u32());
  return undefined;
}

function readLocalPreference({ value, context, into }: Given): Fault | undefined {
  if (!context.internal) return discard('not_from_an_external_peer');
  return readNumber(value, (localPreference) => Object.assign(into, { localPreference }));
}

function readAggregator({ value, context }: Given): Fault | undefined {
  return value.length === (context.fourOctetAsn ? 8 : 6) ? undefined : discard('attribute_length');
}

function readCommunities({ value, into }: Given): Fault | undefined {
  const fault = listFault(value, 4);
  if (fault !== undefined) return fault;
  const reader = new ByteReader(value);
  into.communities = Array.from({ length: value.length / 4 }, () => reader.u32());
  return undefined;
}

/** Sections 7.9 and 7.10. */
function internalOnly({ context }: Given, isWellFormed: boolean): Fault | undefined {
  if (!context.internal) return discard('not_from_an_external_peer');
  return isWellFormed ? undefined : withdraw('attribute_length');
}

function listFault(value: Uint8Array, size: number): Fault | undefined {
  return isListOf(value, size) ? undefined : withdraw('attribute_length');
}

function isListOf(value: Uint8Array, size: number): boolean {
  return value.length > 0 && value.length % size === 0;
}

function readReach({ value, into }: Given): Fault | undefined {
  const reader = new ByteReader(value);
  const family = readFamily(reader);
  const hops = reader.bytes(reader.u8());
  reader.u8();
  if (!reader.ok) return reset('attribute_length');
  if (family === undefined) return discard('other_address_family');
  const size = addressBytes[family];
  const hasLinkLocal = family === 'IPv6' && hops.length === 2 * size;
  if (hops.length !== size && !hasLinkLocal) return reset('next_hop_length');
  const prefixes = readPrefixes(reader, family);
  if (prefixes === undefined) return reset('prefix_overrun');
  const nextHop = formatIp(hops.subarray(0, size));
  into.mpReach = { family, nextHop, ...(hasLinkLocal ? { linkLocal: formatIp(hops.subarray(size)) } : {}), prefixes };
  return undefined;
}

function readUnreach({ value, into }: Given): Fault | undefined {
  const reader = new ByteReader(value);
  const family = readFamily(reader);
  if (!reader.ok) return reset('attribute_length');
  if (family === undefined) return discard('other_address_family');
  const prefixes = readPrefixes(reader, family);
  if (prefixes === undefined) return reset('prefix_overrun');
  into.mpUnreach = { family, prefixes };
  return undefined;
}
