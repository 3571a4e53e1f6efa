/**
 * Which backend serves a connection, from its client's address and port alone, so that every host that holds the address decides alike.
 *
 * A hash puts the connection into one of n (n-1) (n-2) (n-3) slots. A slot stands for one order of the backends, each order of the
 * first four as often as any other, and the first backend of the order that takes connections serves. So the shares of the backends are
 * exactly equal, with all of them as well as after any three have failed; and when one leaves or joins, nothing changes between the others.
 */
import { parseIp } from '../../base/address.ts';
import type { Flow } from './flow.ts';
import { jhash } from './jhash.ts';

/** After so many failures the shares need not be equal any more. */
const DEPTH = 4;
/** Of `hale` in ASCII; the same on every host, or a new holder would find the connections elsewhere. */
export const SEED = 0x6861_6c65;

export function slotCount(backends: number): number {
  let count = 1;
  for (let depth = 0; depth < Math.min(DEPTH, backends); depth++) count *= backends - depth;
  return count;
}

/** All backends, the first choice first. */
export function orderOf(slot: number, backends: number): number[] {
  const left = Array.from({ length: backends }, (_, i) => i);
  const order: number[] = [];
  for (let rest = slot, depth = 0; depth < Math.min(DEPTH, backends); depth++) {
    const [chosen] = left.splice(rest % left.length, 1);
    rest = Math.floor(rest / (left.length + 1));
    order.push(chosen as number);
  }
  return [...order, ...left];
}

/** The backend of each slot among those of `mask`; undefined where the mask is empty. */
export function assignSlots(backends: number, mask: number): (number | undefined)[] {
  return Array.from({ length: slotCount(backends) }, (_, slot) => orderOf(slot, backends).find((backend) => mask & (1 << backend)));
}

/** What the kernel computes for `jhash saddr . tcp sport mod slots` (net/netfilter/nft_hash.c). */
export function slotOf({ address, port }: Flow, backends: number): number {
  const hash = jhash(setKeyOf({ address, port }), SEED);
  return Math.floor((hash * slotCount(backends)) / 2 ** 32);
}

/** The key of a flow in a set or map of nftables: the address, then the port in a field of 4 bytes. */
export function setKeyOf({ address, port }: Flow): Uint8Array {
  const bytes = parseIp(address) as Uint8Array;
  const key = new Uint8Array(bytes.length + 4);
  key.set(bytes);
  key[bytes.length] = port >> 8;
  key[bytes.length + 1] = port & 0xff;
  return key;
}
