/** TCP to and from BGP peers; port 179 unless the peer says otherwise (RFC 4271 section 8.2.1.1). */
export interface BgpTransport {
  /** Begins to connect; exactly one of the handlers is called, later, unless it was cancelled before. */
  connect(
    peer: BgpPeerAddress,
    handlers: { onConnected(connection: BgpConnection): void; onFailed(reason: string): void },
  ): { cancel(): void };
  /** A peer of `peers` connects to this host. Others are reset before a byte is read. */
  onAccepted(handler: (peer: BgpPeerAddress, connection: BgpConnection) => void): void;
  close(): void;
}

export interface BgpPeerAddress {
  /** In the form of `formatIp`. */
  address: string;
  port: number;
  /** This host's end; without it, the one that the route gives. */
  localAddress?: string;
  /** TTL of what is sent: 1 for a peer on the link, more for a multihop peer. With `ttlSecurityHops` 255 is sent. */
  ttl: number;
  /** RFC 5082: what arrives with a TTL under 256 less this is dropped by the kernel. */
  ttlSecurityHops?: number;
  /** RFC 2385: key of the TCP MD5 signature, at most 80 bytes. Never in a log. */
  password?: string;
}

export interface BgpConnection {
  readonly localAddress: string;
  readonly remoteAddress: string;
  send(bytes: Uint8Array): void;
  /** Bytes as they come, a copy, cut anywhere. */
  onReceived(handler: (bytes: Uint8Array) => void): void;
  /** Once, when the other side or the network ended it; not after `close`. */
  onClosed(handler: (reason: string) => void): void;
  /** What was sent goes out first, so that a NOTIFICATION arrives. */
  close(): void;
}
