import type { HaproxySection } from '../read/haproxy.ts';
import type { Rule } from '../rule.ts';
import type { Span, TextFile } from '../text-file.ts';
import { apiBackends, apiFronts, durationMs, linesOf, optionOf, optionsOf, secondsText, serversOf, settingOf } from './haproxy-model.ts';

/* How long connections to the API last, wait and hang. */

const DEFAULTS = 'defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 10m\n  timeout server 10m\n  timeout tunnel 4h\n';
const PROXIES =
  'frontend api\n  bind :8443\n  default_backend masters\nbackend masters\n  balance leastconn\n  server cp1 10.0.0.11:6443 check on-marked-down shutdown-sessions\n';
const good = [{ 'haproxy.cfg': DEFAULTS + PROXIES }];
const without = (line: RegExp, text = DEFAULTS + PROXIES) => [{ 'haproxy.cfg': text.replace(line, '') }];

/** Long enough for a watch that nothing happens to, and for a shell somebody thinks at. */
const IDLE_MS_MIN = 600_000;
/** kubectl gives up its TLS handshake after 10 s. */
const CONNECT_MS_MAX = 10_000;

const timeoutOf = (section: HaproxySection, name: string) => settingOf(section, 'timeout', name);

export const haproxyTimeoutRules: readonly Rule[] = [
  {
    id: 'haproxy-timeouts-missing',
    severity: 'warning',
    title: 'a proxy before the API has no time-outs',
    why: 'Connections of clients that are gone never end, until HAProxy has no more to give; without timeout connect, a master that is cut off holds each new one.',
    fix: 'Set timeout connect 5s, timeout client 10m and timeout server 10m in defaults, and timeout tunnel 4h.',
    sources: ['HAProxy configuration manual, timeout client, connect and server'],
    examples: { bad: [...without(/ {2}timeout (?:connect|client|server).*\n/g), ...without(/ {2}timeout client.*\n/)], good },
    *check(facts) {
      const wanted = (section: HaproxySection) =>
        section.kind === 'listen' ? ['connect', 'client', 'server'] : section.kind === 'frontend' ? ['client'] : ['connect', 'server'];
      for (const section of new Set([...apiFronts(facts), ...apiBackends(facts)])) {
        if (section.head.span.file.inside?.isPart === true) continue;
        const missing = wanted(section).filter((name) => timeoutOf(section, name) === undefined);
        if (missing.length > 0) yield { at: section.head.span, message: `${section.name} has no timeout ${missing.join(', ')}` };
      }
    },
  },
  {
    id: 'haproxy-tunnel-timeout',
    severity: 'warning',
    title: 'idle connections to the API are cut after a short time',
    why: 'kubectl exec, port-forward and logs -f end in the middle, and watches of clients that send no pings start over again and again.',
    fix: 'Set timeout tunnel 4h: in TCP mode it replaces timeout client and timeout server once a connection stands.',
    sources: ['HAProxy configuration manual, timeout tunnel'],
    examples: {
      bad: [
        { 'haproxy.cfg': DEFAULTS.replace(/ {2}timeout tunnel.*\n/, '').replaceAll('10m', '50s') + PROXIES },
        { 'haproxy.cfg': DEFAULTS.replace('4h', '1m') + PROXIES },
      ],
      good: [
        ...good,
        { 'haproxy.cfg': DEFAULTS.replaceAll('10m', '50s') + PROXIES },
        {
          'haproxy.cfg': (DEFAULTS.replace(/ {2}timeout tunnel.*\n/, '').replaceAll('10m', '50s') + PROXIES).replace(
            /(frontend api\n)([^]*backend masters\n)/,
            '$1  timeout client 4h\n$2  timeout server 4h\n',
          ),
        },
      ],
    },
    *check(facts) {
      const seen = new Set<TextFile>();
      for (const section of new Set([...apiFronts(facts), ...apiBackends(facts)])) {
        // The tunnel's time-out belongs to the side of the servers.
        const server = section.kind === 'frontend' ? backendOf(facts, section) : section;
        const tunnel = timeoutOf(server ?? section, 'tunnel') ?? timeoutOf(section, 'tunnel');
        const sides = { frontend: ['client'], backend: ['server'] }[section.kind] ?? ['client', 'server'];
        const lines = tunnel !== undefined ? [tunnel] : sides.flatMap((name) => timeoutOf(section, name) ?? []);
        const short = lines
          .map((line) => ({ line, ms: durationMs(line.words[2]) }))
          .find(({ ms }) => ms !== undefined && ms > 0 && ms < IDLE_MS_MIN);
        // Both sides of one connection are told of once.
        if (short === undefined || seen.has(section.head.span.file)) continue;
        seen.add(section.head.span.file);
        yield {
          at: short.line.span,
          message: `connections to the API on which nothing happens are cut after ${secondsText(short.ms as number)}`,
        };
      }
    },
  },
  {
    id: 'haproxy-connect-timeout',
    severity: 'info',
    title: 'HAProxy waits long for an API server to accept a connection',
    why: 'Clients give up their TLS handshake after 10 s: while a master is cut off but not yet marked down, the connections that are sent there all fail.',
    fix: 'Set timeout connect 5s or less, with option redispatch.',
    sources: ['HAProxy configuration manual, timeout connect', 'client-go, TLSHandshakeTimeout'],
    examples: { bad: [{ 'haproxy.cfg': (DEFAULTS + PROXIES).replace('connect 5s', 'connect 30s') }], good },
    *check(facts) {
      const lines = new Set(apiBackends(facts).flatMap((section) => timeoutOf(section, 'connect') ?? []));
      for (const { words, span } of lines) {
        const ms = durationMs(words[2]) ?? 0;
        if (ms > CONNECT_MS_MAX) yield { at: span, message: `a connection attempt takes up to ${secondsText(ms)}` };
      }
    },
  },
  {
    id: 'haproxy-sessions-kept',
    severity: 'info',
    title: 'connections to a dead API server are kept',
    why: 'Clients stay wedged on a master that was cut off or hangs, until their own time-outs: kubelets of a whole cluster were NotReady for many minutes by that.',
    fix: 'Add on-marked-down shutdown-sessions to default-server: their clients connect anew, to another master.',
    sources: ['HAProxy configuration manual, on-marked-down', 'kubernetes #48638', 'kubernetes #44557'],
    examples: { bad: without(/ on-marked-down shutdown-sessions/), good },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        const server = serversOf(section).find((candidate) => optionOf(candidate, 'on-marked-down') !== 'shutdown-sessions');
        if (server !== undefined) yield { at: server.line.span, message: `connections to ${server.name} are kept when it is marked down` };
      }
    },
  },
  {
    id: 'haproxy-redispatch-missing',
    severity: 'info',
    title: 'a connection that one API server does not accept is not given to another',
    why: 'Until its checks have failed, a dead master gets its share of new connections, and each of those fails.',
    fix: 'Add option redispatch.',
    sources: ['HAProxy configuration manual, option redispatch'],
    examples: { bad: good, good: [{ 'haproxy.cfg': `${DEFAULTS}  option redispatch\n${PROXIES}` }] },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        if (settingOf(section, 'option', 'redispatch') === undefined && section.head.span.file.inside?.isPart !== true)
          yield { at: section.head.span, message: `${section.name} has no option redispatch` };
      }
    },
  },
  {
    id: 'haproxy-balance-source',
    severity: 'warning',
    title: 'API servers are chosen by the address of the client',
    why: 'All clients behind one address (a NAT, another balancer, a host’s pods) burden one master, and after a failure they do not spread again.',
    fix: 'Use balance leastconn: connections to the API last for hours.',
    sources: ['HAProxy configuration manual, balance', 'kubernetes #48610'],
    examples: {
      bad: [
        { 'haproxy.cfg': (DEFAULTS + PROXIES).replace('leastconn', 'source') },
        { 'haproxy.cfg': `${DEFAULTS}${PROXIES}  stick-table type ip size 200k expire 30m\n  stick on src\n` },
      ],
      good,
    },
    *check(facts) {
      for (const line of apiBackends(facts).flatMap((section) => linesOf(section, 'stick', 'on', 'src')))
        yield { at: line.span, message: 'stick on src ties each client’s address to one API server' };
      for (const line of new Set(apiBackends(facts).flatMap((section) => settingOf(section, 'balance') ?? []))) {
        if (line.words[1] !== 'source') continue;
        const span = line.spans[1] as Span;
        yield { at: span, message: 'balance source ties each client’s address to one API server', edits: [{ span, text: 'leastconn' }] };
      }
    },
  },
  {
    id: 'haproxy-server-maxconn',
    severity: 'info',
    title: 'few connections are let through to each API server',
    why: 'Every kubelet, kube-proxy, CNI agent and controller holds some for good: when the limit is reached, new ones wait in the queue and time out.',
    fix: 'Raise maxconn of the servers to some thousands, or leave it out.',
    sources: ['HAProxy configuration manual, maxconn of a server'],
    examples: { bad: [{ 'haproxy.cfg': `${DEFAULTS}  default-server maxconn 250\n${PROXIES}` }], good },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        const server = serversOf(section).find((candidate) => Number(optionOf(candidate, 'maxconn') ?? Infinity) < 1000);
        if (server !== undefined)
          yield { at: server.line.span, message: `${server.name} gets at most ${optionOf(server, 'maxconn')} connections at a time` };
      }
    },
  },
  {
    id: 'haproxy-maxconn-missing',
    severity: 'info',
    title: 'the number of connections follows from the limit of open files',
    why: 'In a container that limit may be a billion, and HAProxy takes memory for all of it and is killed; under systemd it may be 500 connections.',
    fix: 'Set maxconn in global, for example to 20000.',
    sources: ['HAProxy configuration manual, maxconn of global'],
    examples: { bad: good, good: [{ 'haproxy.cfg': `global\n  maxconn 20000\n${DEFAULTS}${PROXIES}` }] },
    *check(facts) {
      const files = new Map(apiBackends(facts).map((section) => [section.head.span.file, section]));
      for (const { file, sections } of facts.haproxy) {
        const section = files.get(file);
        const isSet = sections.some((candidate) => candidate.kind === 'global' && linesOf(candidate, 'maxconn').length > 0);
        if (section !== undefined && !isSet && file.inside?.isPart !== true)
          yield { at: (sections.find(({ kind }) => kind === 'global') ?? section).head.span, message: 'global sets no maxconn' };
      }
    },
  },
  {
    id: 'haproxy-send-proxy',
    severity: 'error',
    title: 'API servers are sent the PROXY protocol, which they do not understand',
    why: 'They take its header for a broken TLS greeting and close: no connection succeeds.',
    fix: 'Remove send-proxy from the server lines.',
    sources: ['HAProxy configuration manual, send-proxy'],
    examples: { bad: [{ 'haproxy.cfg': (DEFAULTS + PROXIES).replace('6443 check', '6443 send-proxy check') }], good },
    *check(facts) {
      for (const server of apiBackends(facts).flatMap(serversOf)) {
        const word = optionsOf(server).find((candidate) => candidate.startsWith('send-proxy'));
        if (word === undefined || server.port !== '6443') continue;
        const at = server.line.words.indexOf(word, 3);
        if (at === -1) yield { at: server.line.span, message: `default-server gives ${word} to ${server.name}` };
        else {
          const span = server.line.spans[at] as Span;
          const before = server.line.spans[at - 1] as Span;
          yield {
            at: span,
            message: `${server.name} is sent the PROXY protocol`,
            edits: [{ span: { ...span, start: before.end }, text: '' }],
          };
        }
      }
    },
  },
];

function backendOf(facts: Parameters<typeof apiBackends>[0], front: HaproxySection): HaproxySection | undefined {
  const name = front.lines.find(({ words }) => words[0] === 'default_backend')?.words[1];
  return apiBackends(facts).find((section) => section.name === name && section.head.span.file === front.head.span.file);
}
