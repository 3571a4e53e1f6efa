/** The UPDATE message: RFC 4271 section 4.3, RFC 4724 section 2 (End-of-RIB), RFC 7606 (what is wrong with one, and what follows). */
import type { Family } from '../../base/address.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { type AsnWidth, attributeBytes, type PathAttributes, TYPE } from './attributes.ts';
import { readPrefixes, writePrefix } from './family.ts';
import { type Notification, notification } from './notification.ts';
import { type AttributeContext, type AttributeFault, readAttributes } from './read-attributes.ts';

export interface Update {
  /** IPv4, as the announced ones; other families stand in the attributes. */
  withdrawn: string[];
  attributes: PathAttributes;
  announced: string[];
}

export type DecodedUpdate =
  /** With treat-as-withdraw among the faults, what it announces is withdrawn. */
  { ok: true; update: Update; faults: AttributeFault[] } | { ok: false; notification: Notification; fault: AttributeFault | undefined };

/** The body of the message. */
export function encodeUpdate({ withdrawn, attributes, announced }: Update, width: AsnWidth): Uint8Array {
  const writer = new ByteWriter();
  for (const field of [prefixBytes(withdrawn), attributeBytes(attributes, width)]) writer.u16(field.length).bytes(field);
  return writer.bytes(prefixBytes(announced)).finish();
}

function prefixBytes(prefixes: readonly string[]): Uint8Array {
  const writer = new ByteWriter();
  for (const prefix of prefixes) writePrefix(writer, prefix);
  return writer.finish();
}

/** Says that all routes of the family have been sent. */
export function endOfRib(family: Family): Update {
  const attributes: PathAttributes = family === 'IPv4' ? {} : { mpUnreach: { family, prefixes: [] } };
  return { withdrawn: [], attributes, announced: [] };
}

/** Reads the body of an UPDATE. */
export function decodeUpdate(body: Uint8Array, context: AttributeContext): DecodedUpdate {
  const reader = new ByteReader(body);
  const withdrawnField = reader.bytes(reader.u16());
  const attributeField = reader.bytes(reader.u16());
  if (!reader.ok) return { ok: false, notification: notification('Malformed Attribute List'), fault: undefined };
  const { attributes, faults, types } = readAttributes(attributeField, context);
  const withdrawn = readPrefixes(new ByteReader(withdrawnField), 'IPv4');
  const announced = readPrefixes(reader, 'IPv4');
  if (withdrawn === undefined || announced === undefined) {
    return { ok: false, notification: notification('Invalid Network Field'), fault: undefined };
  }
  const update: Update = { withdrawn, attributes, announced };
  faults.push(...missing(update, { types, internal: context.internal }));
  const resetting = faults.find(({ approach }) => approach === 'session-reset') ?? untrustworthy(update, { types, faults });
  if (resetting === undefined) return { ok: true, update, faults };
  const error = resetting.approach === 'session-reset' ? resetting.error : 'Malformed Attribute List';
  return { ok: false, notification: notification(error), fault: resetting };
}

/** RFC 7606 section 3 d: well-known mandatory attributes (RFC 4271 section 5). */
function missing({ announced }: Update, { types, internal }: { types: ReadonlySet<number>; internal: boolean }): AttributeFault[] {
  const isReachable = announced.length > 0 || types.has(TYPE.MP_REACH_NLRI);
  if (!isReachable) return [];
  const mandatory: number[] = [TYPE.ORIGIN, TYPE.AS_PATH];
  if (announced.length > 0) mandatory.push(TYPE.NEXT_HOP);
  if (internal) mandatory.push(TYPE.LOCAL_PREF);
  return mandatory
    .filter((type) => !types.has(type))
    .map((attribute) => ({ attribute, approach: 'treat-as-withdraw', reason: 'missing_well_known' }));
}

/** RFC 7606 section 5.2: attributes of no route, and wrong ones, may be those of routes that were not found. */
function untrustworthy(
  { announced }: Update,
  { types, faults }: { types: ReadonlySet<number>; faults: readonly AttributeFault[] },
): AttributeFault | undefined {
  if (announced.length > 0 || types.has(TYPE.MP_REACH_NLRI)) return undefined;
  return faults.find(({ approach }) => approach === 'treat-as-withdraw');
}
