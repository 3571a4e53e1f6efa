/** What haproxy.cfg says: the sections whose servers are API servers. */
import type { Facts } from '../../doctor/facts.ts';
import type { HaproxyConfig, HaproxyLine, HaproxySection } from '../../doctor/read/haproxy.ts';
import type { Span } from '../../doctor/text-file.ts';
import { type Claim, implies, says } from '../claim.ts';
import { addressOf, hostAndPort, isLocal } from '../values.ts';

export function* haproxyClaims({ haproxy, programs }: Facts): Generator<Claim> {
  const ports = new Set([
    '6443',
    ...programs.flatMap(({ flags }) => flags.filter(({ name }) => name === 'secure-port').map(({ value }) => value)),
  ]);
  for (const config of haproxy) {
    const backends = config.sections.filter((section) => isApi(section, ports));
    for (const backend of backends) yield* backendClaims(backend);
    const fronts = frontends(config, backends);
    yield* fronts.flatMap(({ binds }) => binds).flatMap(bindClaims);
    if (fronts.length > 0) yield* healthClaims(config);
    for (const { section, binds } of fronts) {
      const isOnNode = binds.length > 0 && binds.every(({ host }) => /^(127\.|::1$)/.test(host));
      yield { kind: 'carrier', carrier: isOnNode ? 'haproxy-node' : 'haproxy', at: section.head.span };
    }
  }
}

/** Registration of RKE2 nodes, ignition of OpenShift's: beside the API, at the same hosts. */
const OTHER_PORTS = new Set(['9345', '22623', '80', '443']);

function isApi(section: HaproxySection, ports: ReadonlySet<string | undefined>): boolean {
  const servers = serversOf(section).map(({ words }) => hostAndPort(words[2] ?? '')?.port?.toString());
  if (servers.length === 0) return false;
  if (servers.every((port) => ports.has(port))) return true;
  return /api|kube|k8s|k3s|rke2|master|control/i.test(section.name) && !servers.some((port) => port === undefined || OTHER_PORTS.has(port));
}

function serversOf({ kind, lines }: HaproxySection): HaproxyLine[] {
  return kind === 'backend' || kind === 'listen' ? lines.filter(({ words }) => words[0] === 'server') : [];
}

function* backendClaims(section: HaproxySection): Generator<Claim> {
  for (const { words, spans } of serversOf(section)) {
    const at = spans[2] as Span;
    const target = hostAndPort((words[2] as string).replace(/^ipv[46]@/, ''));
    if (target === undefined || isLocal(target.host)) continue;
    const addresses = addressOf(target.host) === undefined ? [] : [target.host];
    // What it calls its servers is a label.
    yield { kind: 'host', name: words[1]?.toLowerCase(), addresses, role: 'control-plane', weight: 'hints', at, nameAt: spans[1] };
    if (target.port !== undefined) yield implies('apiserver.port', target.port, at);
  }
}

interface Bind {
  host: string;
  port: number;
  at: Span;
}

function frontends({ sections }: HaproxyConfig, backends: readonly HaproxySection[]): { section: HaproxySection; binds: Bind[] }[] {
  const names = new Set(backends.map(({ name }) => name));
  return sections
    .filter((section) => (section.kind === 'listen' ? backends.includes(section) : section.kind === 'frontend' && leadsTo(section, names)))
    .map((section) => ({ section, binds: section.lines.flatMap(bindsOf) }));
}

function leadsTo(section: HaproxySection, names: ReadonlySet<string>): boolean {
  return [...section.lines, ...(section.defaults?.lines ?? [])].some(
    ({ words: [keyword, backend] }) => /^(default_backend|use_backend)$/.test(keyword ?? '') && names.has(backend ?? ''),
  );
}

/** Section 4.2, "bind": addresses with commas between them, each with its port; variables are not known here. */
function bindsOf({ words, spans }: HaproxyLine): Bind[] {
  if (words[0] !== 'bind') return [];
  return (words[1] ?? '').split(',').flatMap((text) => {
    const [, host, port] = /^(?:ipv[46]@)?(.*):(\d+)$/.exec(text) ?? [];
    return host === undefined ? [] : [{ host: addressOf(host) ?? host, port: Number(port), at: spans[1] as Span }];
  });
}

function bindClaims({ host, port, at }: Bind): Claim[] {
  const claims: Claim[] = [says('endpoint.port', port, at)];
  if (addressOf(host) !== undefined && !isLocal(host)) claims.push({ kind: 'endpoint', host, weight: 'implies', at, isBind: true });
  return claims;
}

/** Where HAProxy tells its own health, on this host alone. */
function* healthClaims({ sections }: HaproxyConfig): Generator<Claim> {
  for (const { lines } of sections.filter(({ kind }) => kind === 'frontend' || kind === 'listen')) {
    if (!lines.some(({ words }) => words[0] === 'monitor-uri')) continue;
    for (const { host, port, at } of lines.flatMap(bindsOf)) if (isLocal(host)) yield says('haproxyKeepalived.healthPort', port, at);
  }
}
