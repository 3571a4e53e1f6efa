/** A client's end of a TCP connection to the shared address: with the address's own port it tells the connection from all others. */
export interface Flow {
  /** In the form of `formatIp`. */
  address: string;
  port: number;
}

/** Flows are told in pages, by a hash, so that what is said of one page stands by itself and may be lost or come twice. */
export const PAGES = 256;

/** Tells a flow from all others of one address and port. */
export function flowKey({ address, port }: Flow): string {
  return `${address} ${port}`;
}

/** 32 bits of FNV-1a (Fowler, Noll, Vo) over the key: the same on every host. */
export function flowHash(key: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x0100_0193);
  return hash >>> 0;
}

export function pageOf(hash: number): number {
  return hash % PAGES;
}
