/** Set elements of an nftables table by nfnetlink (include/uapi/linux/netfilter/nf_tables.h), without starting a process. */
import * as libc from './libc.ts';
import {
  attribute,
  nested,
  type Netlink,
  type NetlinkAnswer,
  type NetlinkMessage,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  zeroTerminated,
} from './netlink.ts';

const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_DELSETELEM = 14;
/** Family of a table (include/uapi/linux/netfilter.h). */
export const NFPROTO_INET = 1;
const NFPROTO_NETDEV = 5;
const NFTA_TABLE_NAME = 1;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_DATA = 2;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;
const NFT_GOTO = -4;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_GETRULE = 7;
const NFTA_RULE_TABLE = 1;

/** A set or map; `family` is that of the table, `netdev` unless told. */
export interface SetPlace {
  family?: number;
  table: string;
  set: string;
}

export interface KeyAndData {
  key: Uint8Array;
  /** What a map gives for the key: bytes, or a chain to go to; absent in a set. */
  data?: Uint8Array | { goto: string } | undefined;
}

export interface Element extends SetPlace, KeyAndData {}

export function addElement({ key, data, ...set }: Element, timeoutMs: number): NetlinkMessage {
  const timeout = Buffer.alloc(8);
  timeout.writeBigUInt64BE(BigInt(timeoutMs));
  return newElements(set, [encodeElement({ key, data }, [attribute(NFTA_SET_ELEM_TIMEOUT, timeout)])]);
}

/** Elements that stay until they are deleted. */
export function addElements(set: SetPlace, elements: readonly KeyAndData[]): NetlinkMessage {
  return newElements(
    set,
    elements.map(({ key, data }) => encodeElement({ key, data })),
  );
}

function newElements(set: SetPlace, elements: readonly Uint8Array[]): NetlinkMessage {
  return tableMessage({
    family: set.family,
    type: NFT_MSG_NEWSETELEM,
    flags: NLM_F_CREATE,
    attributes: [...place(set), nested(NFTA_SET_ELEM_LIST_ELEMENTS, elements)],
  });
}

function encodeElement({ key, data }: KeyAndData, more: readonly Uint8Array[] = []): Buffer {
  const value =
    data === undefined ? [] : [data instanceof Uint8Array ? valueAttribute(NFTA_SET_ELEM_DATA, data) : gotoAttribute(data.goto)];
  return nested(NFTA_LIST_ELEM, [valueAttribute(NFTA_SET_ELEM_KEY, key), ...value, ...more]);
}

function gotoAttribute(chain: string): Buffer {
  const code = Buffer.alloc(4);
  code.writeInt32BE(NFT_GOTO);
  const verdict = [attribute(NFTA_VERDICT_CODE, code), attribute(NFTA_VERDICT_CHAIN, zeroTerminated(chain))];
  return nested(NFTA_SET_ELEM_DATA, [nested(NFTA_DATA_VERDICT, verdict)]);
}

/** Refused with ENOENT when the element is not there, or not any more. */
export function deleteElement({ key, ...set }: Element): NetlinkMessage {
  return deleteElements(set, [key]);
}

/** Refused with ENOENT when one of them is not there. */
export function deleteElements(set: SetPlace, keys: readonly Uint8Array[]): NetlinkMessage {
  const elements = nested(
    NFTA_SET_ELEM_LIST_ELEMENTS,
    keys.map((key) => encodeElement({ key })),
  );
  return tableMessage({ family: set.family, type: NFT_MSG_DELSETELEM, flags: 0, attributes: [...place(set), elements] });
}

/** Deletes whatever elements there are; refused with ENOENT only when the table or set is missing. */
export function flushSet(set: SetPlace): NetlinkMessage {
  return tableMessage({ family: set.family, type: NFT_MSG_DELSETELEM, flags: 0, attributes: place(set) });
}

export function deleteTable(table: string, family?: number): NetlinkMessage {
  return tableMessage({ family, type: NFT_MSG_DELTABLE, flags: 0, attributes: [attribute(NFTA_TABLE_NAME, zeroTerminated(table))] });
}

/** How many rules a table has; 0 when there is none. Undefined when the kernel does not say. */
export function countRules(netfilter: Netlink, { table, family = NFPROTO_NETDEV }: Omit<SetPlace, 'set'>): number | undefined {
  const payload = Buffer.concat([genericHeader(family, 0), attribute(NFTA_RULE_TABLE, zeroTerminated(table))]);
  const answer = netfilter.request([{ type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETRULE, flags: NLM_F_DUMP, payload }]);
  if (!answer.ok) return answer.errno === libc.ENOENT ? 0 : undefined;
  return answer.messages.filter(({ type }) => (type & 0xff) === NFT_MSG_NEWRULE).length;
}

/** All of the messages take effect at one instant, or none. */
export function transaction(netfilter: Netlink, messages: readonly NetlinkMessage[]): NetlinkAnswer {
  const envelope = { flags: 0, payload: genericHeader(0, NFNL_SUBSYS_NFTABLES) };
  return netfilter.request([{ type: NFNL_MSG_BATCH_BEGIN, ...envelope }, ...messages, { type: NFNL_MSG_BATCH_END, ...envelope }]);
}

interface TableMessage {
  family: number | undefined;
  type: number;
  flags: number;
  attributes: readonly Uint8Array[];
}

function tableMessage({ family, type, flags, attributes }: TableMessage): NetlinkMessage {
  return {
    type: (NFNL_SUBSYS_NFTABLES << 8) | type,
    flags: flags | NLM_F_ACK,
    payload: Buffer.concat([genericHeader(family ?? NFPROTO_NETDEV, 0), ...attributes]),
  };
}

/** struct nfgenmsg; the resource id is in network order. */
function genericHeader(family: number, resourceId: number): Buffer {
  return Buffer.from([family, 0, resourceId >> 8, resourceId & 0xff]);
}

function place({ table, set }: SetPlace): Buffer[] {
  return [attribute(NFTA_SET_ELEM_LIST_TABLE, zeroTerminated(table)), attribute(NFTA_SET_ELEM_LIST_SET, zeroTerminated(set))];
}

function valueAttribute(type: number, value: Uint8Array): Buffer {
  return nested(type, [attribute(NFTA_DATA_VALUE, value)]);
}
