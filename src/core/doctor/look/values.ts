import { formatIp, parseIp, parsePrefix, type Prefix, prefixContains } from '../../../base/address.ts';

/* What values mean: durations, versions, addresses with ports. */

const UNIT_MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration of Go, such as 1h30m; undefined when it is none. */
export function durationMs(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(?:[\d.]+(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  return [...text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit as string] as number),
    0,
  );
}

export function secondsText(ms: number): string {
  return `${Number((ms / 1000).toFixed(3))} s`;
}

/** `v1.36.4`, `3.6.11-0` as numbers; undefined when it does not begin so. */
export function versionOf(text: string): { major: number; minor: number; patch: number } | undefined {
  const match = /^v?(\d+)\.(\d+)(?:\.(\d+))?(?![\w.])/.exec(text.replace(/[-+].*$/, ''));
  if (match === null) return undefined;
  return { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3] ?? 0) };
}

/** Minor release of Kubernetes 1.x. */
export function kubernetesMinor(text: string): number | undefined {
  const version = versionOf(text);
  return version?.major === 1 ? version.minor : undefined;
}

/** Whether a version is before 3.6, and so on; false for one that is not known. */
export function isBefore(version: { major: number; minor: number } | undefined, major: number, minor: number): boolean {
  return version !== undefined && (version.major < major || (version.major === major && version.minor < minor));
}

export function isAtLeast(version: { major: number; minor: number } | undefined, major: number, minor: number): boolean {
  return version !== undefined && !isBefore(version, major, minor);
}

/** An address in its one textual form (RFC 5952); anything else as it is, in lower case. */
export function canonical(host: string): string {
  const bytes = parseIp(host);
  return bytes === undefined ? host.toLowerCase() : formatIp(bytes);
}

export function isAddress(host: string): boolean {
  return parseIp(host) !== undefined;
}

/** `10.0.0.100:8443`, `[fd00::1]:6443`, `api`, also behind `https://` and before a path. */
export function hostAndPort(text: string): { host: string; port: number | undefined } | undefined {
  const bare = text
    .trim()
    .replace(/^[a-z]+:\/\//i, '')
    .replace(/\/.*$/, '');
  if (isAddress(bare)) return { host: canonical(bare), port: undefined };
  const match = /^(?:\[([^\]]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/.exec(bare);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined) return undefined;
  return { host: canonical(host), port: match?.[3] === undefined ? undefined : Number(match[3]) };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** Subnets of a value such as `10.244.0.0/16,fd00:244::/56`; those that are none are left out. */
export function prefixesOf(text: string | undefined): Prefix[] {
  return (text ?? '').split(',').flatMap((part) => parsePrefix(part.trim()) ?? []);
}

export function overlap(a: Prefix, b: Prefix): boolean {
  return prefixContains(a, b.address) || prefixContains(b, a.address);
}

export const list = (items: readonly string[]): string => items.join(', ');
