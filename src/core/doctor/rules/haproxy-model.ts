/** What rules ask haproxy.cfg: proxies with their settings, and which of them lead to the Kubernetes API. */
import type { Facts } from '../facts.ts';
import type { HaproxyConfig, HaproxyLine, HaproxySection } from '../read/haproxy.ts';
import type { Span } from '../text-file.ts';

export interface HaproxyServer {
  line: HaproxyLine;
  name: string;
  /** `10.0.0.11`, `cp1`, without brackets; as it is written. */
  host: string;
  /** Empty where it has none. */
  port: string;
  section: HaproxySection;
}

export interface HaproxyBind {
  line: HaproxyLine;
  /** Empty, `*`, `0.0.0.0` and `::` are all addresses. */
  host: string;
  port: string;
}

const PROXIES = new Set(['frontend', 'backend', 'listen']);
/** What API servers listen on: kubeadm's and k3s' 6443, and the ports of those that gave 443 or 8443 to them. */
const API_PORT = '6443';
const API_NAME = /kube[-_]?(?:api|master|control)|(?:^|[-_.])(?:k8s|kubernetes|k3s)(?:[-_.]|$)|api[-_]?server|control[-_]?plane/i;

export const linesOf = (section: HaproxySection, ...keyword: readonly string[]): readonly HaproxyLine[] =>
  section.lines.filter(({ words }) => keyword.every((word, i) => words[i] === word));

/** The line that decides: the section's own last, or else that of its defaults. `no option x` takes one back. */
export function settingOf(section: HaproxySection, ...keyword: readonly string[]): HaproxyLine | undefined {
  const own = section.lines.findLast(({ words }) => {
    const at = words[0] === 'no' ? 1 : 0;
    return keyword.every((word, i) => words[at + i] === word);
  });
  if (own !== undefined) return own.words[0] === 'no' ? undefined : own;
  return section.defaults === undefined ? undefined : settingOf(section.defaults, ...keyword);
}

const CHECK_METHODS = /^(?:httpchk|tcp-check|ssl-hello-chk|external-check|(?:ldap|mysql|pgsql|redis|smtp|spop)-check|smtpchk)$/;

/** The `option` that says how servers are checked: the last one counts, of the section or else of its defaults. */
export function checkMethodOf(section: HaproxySection): HaproxyLine | undefined {
  const own = section.lines.findLast(({ words }) => words[0] === 'option' && CHECK_METHODS.test(words[1] ?? ''));
  return own ?? (section.defaults === undefined ? undefined : checkMethodOf(section.defaults));
}

export const modeOf = (section: HaproxySection): string => settingOf(section, 'mode')?.words[1] ?? 'tcp';

export const proxiesOf = ({ sections }: HaproxyConfig): readonly HaproxySection[] => sections.filter(({ kind }) => PROXIES.has(kind));

export function serversOf(section: HaproxySection): HaproxyServer[] {
  return linesOf(section, 'server').flatMap((line) => {
    const [, name, address] = line.words;
    if (name === undefined || address === undefined) return [];
    return [{ line, name, section, ...hostAndPort(address) }];
  });
}

export function bindsOf(section: HaproxySection): HaproxyBind[] {
  return linesOf(section, 'bind').flatMap((line) => (line.words[1] ?? '').split(',').map((address) => ({ line, ...hostAndPort(address) })));
}

/** `[::1]:6443`, `:::6443`, `*:6443`, `ipv4@10.0.0.1:6443`; a path or a variable has no port. */
export function hostAndPort(address: string): { host: string; port: string } {
  const plain = address.replace(/^(?:tcp|ipv[46])[46]?@/, '');
  const found = /^(.*):(\d+)$/.exec(plain);
  return { host: (found?.[1] ?? plain).replace(/^\[|\]$/g, ''), port: found?.[2] ?? '' };
}

export const isWildcard = (host: string): boolean => ['', '*', '0.0.0.0', '::'].includes(host);
export const isLoopback = (host: string): boolean => /^(?:127\.|::1$|localhost$)/.test(host);

/** Backends and `listen` sections whose servers are API servers. */
function isApi(section: HaproxySection): boolean {
  const servers = serversOf(section);
  if (servers.length === 0) return false;
  if (servers.some(({ port }) => port === API_PORT)) return true;
  // Templated ports and unusual ones: then the name has to say it.
  return (
    API_NAME.test(section.name) &&
    !/ingress|http|etcd|dashboard/i.test(section.name) &&
    modeOf(section) === 'tcp' &&
    !servers.some(({ port }) => port === '80')
  );
}

/** Many a rule asks, and some once for each frontend. */
const apiBackendsOf = new WeakMap<Facts, HaproxySection[]>();

export function apiBackends(facts: Facts): HaproxySection[] {
  const known = apiBackendsOf.get(facts);
  if (known !== undefined) return known;
  const sections = facts.haproxy.flatMap((config) => proxiesOf(config).filter(isApi));
  apiBackendsOf.set(facts, sections);
  return sections;
}

/** Names of backends that a frontend or a `listen` leads to. */
export const targetsOf = (section: HaproxySection): { name: string; span: Span }[] =>
  section.lines.flatMap(({ words: [first, name], spans }) =>
    (first === 'default_backend' || first === 'use_backend') && name !== undefined ? [{ name, span: spans[1] as Span }] : [],
  );

/** Frontends that lead to API servers, and `listen` sections that have them. */
export function apiFronts({ haproxy }: Facts): HaproxySection[] {
  return haproxy.flatMap((config) => {
    const names = new Set(
      proxiesOf(config)
        .filter(isApi)
        .map(({ name }) => name),
    );
    return proxiesOf(config).filter(
      (section) =>
        (section.kind === 'listen' && isApi(section)) ||
        (section.kind === 'frontend' && [...targetsOf(section), ...defaultTargets(section)].some(({ name }) => names.has(name))),
    );
  });
}

const defaultTargets = ({ defaults }: HaproxySection): { name: string }[] => (defaults === undefined ? [] : targetsOf(defaults));

/** All words that hold for a server: those of `default-server`, then its own. */
export function optionsOf({ section, line }: HaproxyServer): readonly string[] {
  const shared = [section.defaults, section].flatMap((from) => (from === undefined ? [] : linesOf(from, 'default-server')));
  return [...shared.flatMap(({ words }) => words.slice(1)), ...line.words.slice(3)];
}

/** The value that counts: the last one. */
export function optionOf(server: HaproxyServer, keyword: string): string | undefined {
  const words = optionsOf(server);
  const at = words.lastIndexOf(keyword);
  return at === -1 ? undefined : words[at + 1];
}

export const isChecked = (server: HaproxyServer): boolean => {
  const words = optionsOf(server);
  return words.lastIndexOf('check') > words.lastIndexOf('no-check') || words.includes('track');
};

/** HAProxy's times are milliseconds unless they say otherwise; undefined for a variable. */
export function durationMs(text: string | undefined): number | undefined {
  const found = /^(\d+)(us|ms|s|m|h|d)?$/.exec(text ?? '');
  if (found === null) return undefined;
  const unit = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[found[2] ?? 'ms'] as number;
  return Number(found[1]) * unit;
}

/** How long HAProxy takes to see that a server is dead. */
export function detectionMs(server: HaproxyServer): number | undefined {
  const inter = durationMs(optionOf(server, 'inter') ?? '2s');
  const fall = Number(optionOf(server, 'fall') ?? '3');
  const fastinter = durationMs(optionOf(server, 'fastinter')) ?? inter;
  if (inter === undefined || fastinter === undefined || !Number.isInteger(fall)) return undefined;
  return inter + (fall - 1) * fastinter;
}

/** `1 minute` reads better than 60000. */
export function secondsText(ms: number): string {
  return ms < 1000 ? `${ms} ms` : ms < 120_000 ? `${Number((ms / 1000).toFixed(1))} s` : `${Number((ms / 60_000).toFixed(1))} min`;
}
