/** Unordered, lossy messages between members. Implementations authenticate: `onReceive` sees only what a member sealed with the cluster key. */
export interface Datagram {
  /** `to` is the member's index in the cluster description. Never throws for a peer that cannot be reached. */
  send(to: number, payload: Uint8Array): void;
  onReceive(handler: (from: number, payload: Uint8Array) => void): void;
  close(): void;
}
