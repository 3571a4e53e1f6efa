/** What stands before the bytes of a client, so that the backend knows whose they are: the PROXY protocol, version 2, binary (proxy-protocol.txt of HAProxy, section 2.2). */

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
/** Version 2, command PROXY. */
const VERSION_COMMAND = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
const HEADER_BYTES = 16;

interface SocketEnd {
  /** 4 or 16 bytes in network order. */
  ip: Uint8Array;
  port: number;
}

/** 28 bytes for IPv4, 52 for IPv6; `source` is the client, `destination` what it connected to, of the same family. */
export function encodeProxyHeader({ source, destination }: { source: SocketEnd; destination: SocketEnd }): Uint8Array {
  const ipBytes = source.ip.length;
  const bytes = new Uint8Array(HEADER_BYTES + 2 * ipBytes + 4);
  const view = new DataView(bytes.buffer);
  bytes.set(SIGNATURE);
  view.setUint8(12, VERSION_COMMAND);
  view.setUint8(13, ipBytes === 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6);
  view.setUint16(14, bytes.length - HEADER_BYTES);
  bytes.set(source.ip, HEADER_BYTES);
  bytes.set(destination.ip, HEADER_BYTES + ipBytes);
  view.setUint16(HEADER_BYTES + 2 * ipBytes, source.port);
  view.setUint16(HEADER_BYTES + 2 * ipBytes + 2, destination.port);
  return bytes;
}
