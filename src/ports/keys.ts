/** The keys that members share. The first one seals, all of them open: so a new key is added behind the old one everywhere, then moved to the front, then the old one goes. */
export interface KeyRing {
  /** Name of the key that `seal` uses: one byte, for the datagram's header. */
  sealingKey: number;
  /** The tag over `bytes`, TAG_BYTES long. */
  seal(bytes: Uint8Array): Uint8Array;
  verify(key: number, bytes: Uint8Array, tag: Uint8Array): boolean;
}
