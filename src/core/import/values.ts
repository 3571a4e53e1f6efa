import { formatIp, parseIp, parsePrefix } from '../../base/address.ts';
import type { Value } from './claim.ts';

/* Values of foreign files as cluster.yaml writes them; undefined for what it cannot take. */

/** Canonical text of an address, without brackets; undefined for anything else. */
export function addressOf(text: string): string | undefined {
  const bytes = parseIp(text.replace(/^\[(.*)\]$/, '$1'));
  return bytes === undefined ? undefined : formatIp(bytes);
}

/** `10.0.0.11/24`, or an address alone. */
export function addressAndLength(text: string): { address: string; length?: number } | undefined {
  const prefix = parsePrefix(text);
  if (prefix !== undefined) return prefix;
  const address = addressOf(text);
  return address === undefined ? undefined : { address };
}

/** `host:port`, `[::1]:6443`, `https://host:port/path`, or a host alone; user names and passwords are left out. */
export function hostAndPort(text: string): { host: string; port?: number } | undefined {
  const authority = text.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').replace(/[/?#].*$/, '');
  const [, host, digits] = /^(?:[^@]*@)?(\[[^\]]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(authority) ?? [];
  if (host === undefined) {
    const address = addressOf(authority);
    return address === undefined ? undefined : { host: address };
  }
  const plain = addressOf(host) ?? host.toLowerCase();
  return digits === undefined ? { host: plain } : { host: plain, port: Number(digits) };
}

/** `10.96.0.0/16,fd00::/112` as one value, or as a list of two. */
export function oneOrList(text: string): Value {
  const parts = text.split(',').map((part) => part.trim());
  return parts.length === 1 ? (parts[0] as string) : parts;
}

/** `a,b` without what is empty. */
export function listed(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** `v1.36.4+k3s1` and `1.36.4` as `v1.36.4`. */
export function release(text: string): string | undefined {
  const found = /^v?(\d+\.\d+\.\d+)(?:[+-].*)?$/.exec(text.trim())?.[1];
  return found === undefined ? undefined : `v${found}`;
}

/** Tag of an image, without a digest. */
export function tagOf(image: string): string | undefined {
  return /:([\w][\w.-]*)(?:@sha256:[0-9a-f]+)?$/.exec(image)?.[1];
}

/** A whole number in digits. */
export function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text.trim()) ? Number(text) : undefined;
}

const SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 0.001 };

/** `15s` or `1m30s`, as Go writes it, or seconds in digits. */
export function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (numberOf(text) !== undefined) return Number(text);
  if (!/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)) sum += Number(count) * (SECONDS[unit as string] as number);
  return sum;
}

/** Addresses that mean this machine, or any. */
export function isLocal(host: string): boolean {
  return /^(127\.|0\.0\.0\.0$|localhost$|::1?$|\*$)/.test(host) || host === '';
}
