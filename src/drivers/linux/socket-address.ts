import { ipBytes } from '../../base/address.ts';
import * as libc from './libc.ts';

/** struct sockaddr_in (ip(7)) or sockaddr_in6 (ipv6(7)); `ip` is in network order. */
export function socketAddress(ip: Uint8Array, port: number): Uint8Array {
  const bytes = Buffer.alloc(ip.length === 16 ? 28 : 16);
  bytes.writeUInt16LE(ip.length === 16 ? libc.AF_INET6 : libc.AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ip, ip.length === 16 ? 8 : 4);
  return bytes;
}

/** The same for an address in text, which is known to be one. */
export function socketAddressOf(address: string, port: number): Uint8Array {
  return socketAddress(ipBytes(address), port);
}
