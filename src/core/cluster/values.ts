import * as z from 'zod';
import { formatIp, hostPort, parseIp, parsePrefix, subnetBounds } from '../../base/address.ts';
import { parseCommunity } from '../bgp/community.ts';

/*
 * The kinds of values in cluster.yaml. Every error text given to zod here is the phrase that completes
 * "Write …" in a problem's remedy (problems.ts), so a kind says once what it takes.
 */

/** Text that `parse` turns into a value; undefined from `parse` refuses it. `jsonSchema` is what editors can check. */
function parsed<T>(options: { expects: string; parse: (text: string) => T | undefined; jsonSchema: Record<string, unknown> }) {
  const { expects, parse, jsonSchema } = options;
  return z
    .string(expects)
    .meta(jsonSchema)
    .transform((text, context): T => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.issues.push({ code: 'custom', message: expects, input: text });
      return z.NEVER;
    });
}

function matching(pattern: RegExp, expects: string) {
  return z.string(expects).regex(pattern, expects);
}

export const ipAddress = parsed({
  expects: 'an IPv4 or IPv6 address such as 10.0.0.100',
  parse: canonicalIp,
  jsonSchema: { anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] },
});

export const prefixedAddress = parsed({
  expects: 'an address with its prefix length such as 10.0.0.11/24',
  parse: parsePrefix,
  jsonSchema: { pattern: '^[0-9A-Fa-f:.]+/[0-9]{1,3}$' },
});

/** A subnet in CIDR notation, with no bit set beyond its prefix length. */
export const subnet = parsed({
  expects: 'a subnet such as 10.96.0.0/16',
  parse: (text) => {
    const prefix = parsePrefix(text);
    return prefix === undefined || subnetBounds(prefix).first !== prefix.address ? undefined : prefix;
  },
  jsonSchema: { pattern: '^[0-9A-Fa-f:.]+/[0-9]{1,3}$' },
});

/** Two numbers of 16 bits, or a well-known name, as one number of 32 bits (RFC 1997). */
export const community = parsed({
  expects: 'a community such as 65000:100 or no-export',
  parse: parseCommunity,
  jsonSchema: { pattern: '^([0-9]{1,5}:[0-9]{1,5}|[a-z-]+)$' },
});

/** A Kubernetes release, as its binaries print it. */
export const kubernetesVersion = matching(/^v1\.\d{1,3}\.\d{1,3}$/, 'a Kubernetes release such as v1.36.4');

export function wholeNumber(options: { from: number; to: number; of: string }) {
  const expects = `a whole number of ${options.of} from ${options.from} to ${options.to}`;
  return z.int(expects).min(options.from, expects).max(options.to, expects);
}

const NUMBER_OR_PERCENT = 'a whole number from 1 to 10000, or a percentage from 1% to 100%';

/** As `maxUnavailable` of Kubernetes (apimachinery, pkg/util/intstr). */
export const numberOrPercent = z.union(
  [z.int().min(1, NUMBER_OR_PERCENT).max(10_000, NUMBER_OR_PERCENT), z.string().regex(/^([1-9]\d?|100)%$/, NUMBER_OR_PERCENT)],
  NUMBER_OR_PERCENT,
);

/** One value, or a list of one or two. Read it with `listOf`. */
export function oneOrTwo<T extends z.ZodType>(value: T, expects: string) {
  return z.union([value, z.array(value).min(1, expects).max(2, expects)], expects);
}

export function listOf<T>(oneOrMore: T | T[]): T[] {
  return Array.isArray(oneOrMore) ? oneOrMore : [oneOrMore];
}

const PORT_EXPECTS = 'a whole number from 1 to 65535';
export const port = z.int(PORT_EXPECTS).min(1, PORT_EXPECTS).max(65535, PORT_EXPECTS);

/** A DNS label (RFC 1123 section 2.1), in lower case as Kubernetes wants it. */
export const dnsLabel = matching(
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
  'a name of at most 63 lower-case letters, digits and inner hyphens, such as prod',
);

/** Labels joined by dots, up to 253 characters; never something that reads as an IPv4 address. */
const DNS_NAME = /^(?=.{1,253}$)(?!\d+(\.\d+){3}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

export function dnsName(example: string) {
  return matching(DNS_NAME, `a DNS name in lower case such as ${example}`);
}

/** What a Kubernetes label can hold, because the zone becomes `topology.kubernetes.io/zone`. */
export const zoneName = matching(
  /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
  'a name of at most 63 letters, digits and inner hyphens, dots and underscores, such as eu-1a',
);

/** IFNAMSIZ in linux/if.h leaves 15 bytes; dev_valid_name() refuses slashes, colons, spaces and the two dot names. */
export const interfaceName = matching(
  /^(?!\.{1,2}$)[!-.0-9;-~]{1,15}$/,
  'the name of a network interface, at most 15 characters, such as eth0',
);

/** Paths stand in unit files, where a line ends at its first line break, loses blanks at its end, and goes on in the next after a backslash (systemd.syntax(7)). */
const FILE_PATH = /^\/[ -~\u00a0-\uffff]*(?!\s)[!-[\]-~\u00a0-\uffff]$/;

export function filePath(example: string) {
  return matching(FILE_PATH, `an absolute path in one line such as ${example}`);
}

/** A reference to a container image with its tag or digest (github.com/distribution/reference). */
export function image(example: string) {
  return matching(
    /^[a-z0-9][a-z0-9._:/-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$/,
    `an image with its tag such as ${example}`,
  );
}

export const listenAddress = parsed({
  expects: 'an address and a port such as 127.0.0.1:7701 or [::1]:7701',
  parse: (text) => {
    const split = parseHostPort(text);
    return split === undefined ? undefined : hostPort(split.host, split.port);
  },
  jsonSchema: { pattern: '^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$' },
});

export const etcdUrl = parsed({
  expects: 'an https URL with its port such as https://10.0.0.21:2379',
  parse: (text) => {
    const authority = /^https:\/\/([^/]+)\/?$/.exec(text)?.[1];
    if (authority === undefined) return undefined;
    const [, name, digits] = /^([^[\]:]+):(\d{1,5})$/.exec(authority) ?? [];
    if (name !== undefined && DNS_NAME.test(name) && isPort(Number(digits))) return `https://${name}:${Number(digits)}`;
    const split = parseHostPort(authority);
    return split === undefined ? undefined : `https://${hostPort(split.host, split.port)}`;
  },
  jsonSchema: { pattern: '^https://[^/]+:[0-9]{1,5}/?$' },
});

/** `127.0.0.1:7701` or `[::1]:7701` as canonical address and port (RFC 3986 section 3.2), or undefined. */
export function parseHostPort(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]*:[^\]]*)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = canonicalIp(match?.[1] ?? match?.[2] ?? '');
  const number = Number(match?.[3]);
  return host === undefined || !isPort(number) ? undefined : { host, port: number };
}

function isPort(value: number): boolean {
  return value >= 1 && value <= 65535;
}

function canonicalIp(text: string): string | undefined {
  const bytes = parseIp(text);
  return bytes === undefined ? undefined : formatIp(bytes);
}
