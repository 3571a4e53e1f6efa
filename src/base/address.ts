/** IP and MAC addresses as bytes and in their textual forms (RFC 4291 section 2.2, RFC 5952 for printing). */
import { assert } from './assert.ts';

export type Family = 'IPv4' | 'IPv6';

export function familyOf(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

/** Bytes of an IPv4 or IPv6 address in text, or undefined when it is neither. */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** Bytes of an address that is known to be one, of that family where one is given. */
export function ipBytes(address: string, family?: Family): Uint8Array {
  const bytes = parseIp(address);
  assert(bytes !== undefined && (family ?? familyOf(address)) === familyOf(address), `${address} is an ${family ?? 'IP'} address`);
  return bytes;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = match[i + 1] as string;
    // A leading zero means octal to some readers and decimal to others, so it is refused (RFC 6943 section 3.1.1).
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return undefined;
    bytes[i] = Number(part);
  }
  return bytes;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const whole = halves.length === 1;
  // Dotted decimals only at the very end (RFC 4291 section 2.2).
  const head = groupsOf(halves[0] as string, { dottedEnd: whole });
  const tail = whole ? [] : groupsOf(halves[1] as string, { dottedEnd: true });
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (whole ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return bytes;
}

function groupsOf(half: string, { dottedEnd }: { dottedEnd: boolean }): number[] | undefined {
  if (half === '') return [];
  const groups: number[] = [];
  const parts = half.split(':');
  for (const [i, part] of parts.entries()) {
    if (part.includes('.')) {
      const v4 = dottedEnd && i === parts.length - 1 ? parseIpv4(part) : undefined;
      if (v4 === undefined) return undefined;
      groups.push(((v4[0] as number) << 8) | (v4[1] as number), ((v4[2] as number) << 8) | (v4[3] as number));
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

/** Canonical text of 4 or 16 bytes (RFC 5952). */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number));
  let best = { start: 0, length: 0 };
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && groups[j] === 0) j++;
    if (j - i > best.length && j - i > 1) best = { start: i, length: j - i };
    if (j > i) i = j;
  }
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (best.length === 0) return hex(groups);
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}

export interface Prefix {
  address: string;
  length: number;
}

/** `10.0.0.11/24` as address and prefix length, or undefined. */
export function parsePrefix(text: string): Prefix | undefined {
  const [address, length, ...rest] = text.split('/');
  if (address === undefined || length === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined;
  const bytes = parseIp(address);
  if (bytes === undefined || Number(length) > bytes.length * 8) return undefined;
  return { address: formatIp(bytes), length: Number(length) };
}

/** `10.96.0.0/16`. */
export function formatPrefix({ address, length }: Prefix): string {
  return `${address}/${length}`;
}

/** The address alone: `10.0.0.100/32`, `fd00::100/128`. */
export function hostPrefix(address: string): string {
  return formatPrefix({ address, length: familyOf(address) === 'IPv4' ? 32 : 128 });
}

/** The first and the last address of the subnet that the prefix is in. */
export function subnetBounds({ address, length }: Prefix): { first: string; last: string } {
  const bytes = parseIp(address) as Uint8Array;
  const hostMask = bytes.map((_, i) => 0xff >> Math.min(8, Math.max(0, length - 8 * i)));
  return {
    first: formatIp(bytes.map((byte, i) => byte & ~(hostMask[i] as number))),
    last: formatIp(bytes.map((byte, i) => byte | (hostMask[i] as number))),
  };
}

/** The address so many after the first one of the subnet. */
export function addressIn(prefix: Prefix, offset: number): string {
  const bytes = parseIp(subnetBounds(prefix).first) as Uint8Array;
  let carry = offset;
  for (let i = bytes.length - 1; i >= 0 && carry > 0; i--) {
    carry += bytes[i] as number;
    bytes[i] = carry & 0xff;
    carry = Math.floor(carry / 256);
  }
  return formatIp(bytes);
}

/** Whether `address` lies in the subnet of `prefix`; false across families. */
export function prefixContains(prefix: Prefix, address: string): boolean {
  const left = parseIp(prefix.address);
  const right = parseIp(address);
  if (left === undefined || right === undefined || left.length !== right.length) return false;
  for (let bit = 0; bit < prefix.length; bit++) {
    const mask = 0x80 >> (bit & 7);
    if (((left[bit >> 3] as number) & mask) !== ((right[bit >> 3] as number) & mask)) return false;
  }
  return true;
}

/** Six bytes of `02:00:5e:10:00:01`, or undefined. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16));
}

/** Bytes of a MAC address that is known to be one. */
export function macBytes(mac: string): Uint8Array {
  const bytes = parseMac(mac);
  assert(bytes !== undefined, `${mac} is a MAC address`);
  return bytes;
}

export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Text of a MAC address kept as a 48-bit number. */
export function macText(mac: number): string {
  return (mac.toString(16).padStart(12, '0').match(/../g) as string[]).join(':');
}

export function macNumber(text: string): number {
  return Number.parseInt(text.replaceAll(':', ''), 16);
}

/** `host:port` with brackets around an IPv6 host (RFC 3986 section 3.2.2). */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
