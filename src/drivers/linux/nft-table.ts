/** Reads an nftables table back over nfnetlink, to tell whether it still is what was put there (include/uapi/linux/netfilter/nf_tables.h). */
import { attribute, attributes, type Netlink, NLM_F_ACK, NLM_F_DUMP, zeroTerminated } from './netlink.ts';

const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETCHAIN = 4;
const NFT_MSG_GETRULE = 7;
const NFT_MSG_GETSETELEM = 13;
const NFGENMSG_BYTES = 4;
/** The table and the name are the same attributes of chains, rules and elements. */
const TABLE_ATTRIBUTE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;

export interface TableParts {
  family: number;
  table: string;
  chains: readonly string[];
  /** Without timeouts or counters of elements, which change by themselves. */
  sets: readonly string[];
}

/**
 * All that is in the parts, in one text that changes when somebody changes them; undefined when one of them is missing. Rules must
 * count in named counters: a counter within a rule is a part of it.
 */
export function readTable(netfilter: Netlink, { family, table, chains, sets }: TableParts): string | undefined {
  const ask = (type: number, flags: number, more: Uint8Array[] = []): Buffer[] | undefined => {
    const header = Buffer.from([family, 0, 0, 0]);
    const payload = Buffer.concat([header, attribute(TABLE_ATTRIBUTE, zeroTerminated(table)), ...more]);
    const answer = netfilter.request([{ type: (NFNL_SUBSYS_NFTABLES << 8) | type, flags, payload }]);
    // The header tells the generation of all tables together.
    return answer.ok && answer.messages.length > 0
      ? answer.messages.map((m) => Buffer.from(m.payload.subarray(NFGENMSG_BYTES)))
      : undefined;
  };
  const parts = [
    ...chains.map((chain) => ask(NFT_MSG_GETCHAIN, NLM_F_ACK, [attribute(NFTA_CHAIN_NAME, zeroTerminated(chain))])),
    ask(NFT_MSG_GETRULE, NLM_F_DUMP),
    ...sets.map((set) => {
      const answer = ask(NFT_MSG_GETSETELEM, NLM_F_DUMP, [attribute(NFTA_SET_ELEM_LIST_SET, zeroTerminated(set))]);
      return answer?.flatMap(elements).toSorted(Buffer.compare);
    }),
  ];
  if (parts.includes(undefined)) return undefined;
  return parts.map((part) => (part as Buffer[]).map((bytes) => bytes.toString('hex')).join(' ')).join('\n');
}

/** A set gives its elements in no order; each is taken out of its list. */
function elements(message: Buffer): Buffer[] {
  const list = attributes(message).get(NFTA_SET_ELEM_LIST_ELEMENTS) ?? Buffer.alloc(0);
  const found: Buffer[] = [];
  for (let at = 0; at + 4 <= list.length; ) {
    const length = Math.max(4, list.readUInt16LE(at));
    found.push(list.subarray(at, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}
