/** Raw packets between the members' addresses: unordered, lossy, from anybody. `Datagram` makes of them messages that can be believed. */
export interface Packets {
  /** `to` is the IP address of a member; all members listen on one port. Never throws for a peer that cannot be reached. */
  send(to: string, bytes: Uint8Array): void;
  /** `from` is the sender's IP address in the form of `formatIp`, without a zone. */
  onReceive(handler: (bytes: Uint8Array, from: string) => void): void;
  close(): void;
}
