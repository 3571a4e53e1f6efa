import type { BlockEntry } from '../read/blocks.ts';
import type { Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';

/* nginx as a balancer before the API (kubespray, kubeasz): only its stream module passes TLS through. */

const UPSTREAM =
  '  upstream api {\n    least_conn;\n    server 10.0.0.11:6443;\n    server 10.0.0.12:6443;\n    server 10.0.0.13:6443;\n  }\n';
const stream = (server = '    proxy_connect_timeout 1s;\n', upstream = UPSTREAM) => ({
  'nginx.conf': `stream {\n${upstream}  server {\n    listen 127.0.0.1:6443;\n    proxy_pass api;\n${server}  }\n}\n`,
});
const good = [stream()];

type Facts = Parameters<Rule['check']>[0];
const named = (entries: readonly BlockEntry[] | undefined, name: string): BlockEntry[] =>
  (entries ?? []).filter(({ words }) => words[0] === name);
const last = (entries: readonly BlockEntry[] | undefined, name: string): BlockEntry | undefined => named(entries, name).at(-1);

interface Api {
  /** `stream` or `http`. */
  around: BlockEntry;
  upstream: BlockEntry;
  servers: readonly BlockEntry[];
  /** `server` blocks that lead to it. */
  fronts: readonly BlockEntry[];
}

/** Upstreams with a server on port 6443, or that are reached by it. */
const apisOf = ({ nginx }: Facts): Api[] =>
  nginx.flatMap(({ entries }) =>
    [...named(entries, 'stream'), ...named(entries, 'http')].flatMap((around) =>
      named(around.block, 'upstream').flatMap((upstream) => {
        const servers = named(upstream.block, 'server');
        const fronts = named(around.block, 'server').filter((front) => passes(front, upstream.words[1] ?? ''));
        const listens = fronts.flatMap(({ block }) => named(block, 'listen'));
        if (![...servers, ...listens].some(({ words }) => /(?:^|:)6443$/.test(words[1] ?? ''))) return [];
        return [{ around, upstream, servers, fronts }];
      }),
    ),
  );
const passes = (entry: BlockEntry, name: string): boolean =>
  (entry.block ?? []).some(
    (child) =>
      (child.words[0] === 'proxy_pass' && (child.words[1] ?? '').replace(/^https?:\/\//, '').replace(/\/.*$/, '') === name) ||
      passes(child, name),
  );
const inStream = (facts: Facts): Api[] => apisOf(facts).filter(({ around }) => around.words[0] === 'stream');

/** nginx' times are seconds unless they say otherwise. */
function seconds(text: string | undefined): number | undefined {
  const parts = [...(text ?? '').matchAll(/(\d+)(ms|[smhd])?/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) return undefined;
  return parts.reduce(
    (sum, [, count, unit = 's']) => sum + Number(count) * ({ ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 }[unit] as number),
    0,
  );
}

/** A directive of each front, or of the block around it. */
function* settings(facts: Facts, name: string): Generator<{ front: BlockEntry; entry: BlockEntry | undefined; value: number | undefined }> {
  for (const { around, fronts } of inStream(facts)) {
    for (const front of fronts) {
      const entry = last(front.block, name) ?? last(around.block, name);
      yield { front, entry, value: seconds(entry?.words[1]) };
    }
  }
}

export const nginxRules: readonly Rule[] = [
  {
    id: 'nginx-http-before-api',
    severity: 'error',
    title: 'nginx ends the TLS of the API',
    why: 'Client certificates stop at nginx: kubelets, controllers and admin.conf are anonymous to the API server, and are refused; watches and exec are cut besides.',
    fix: 'Move the upstream into a stream block, with proxy_pass NAME and without certificates.',
    sources: ['nginx.org, ngx_stream_proxy_module', 'kubernetes.io, Authenticating, X.509 client certificates'],
    examples: {
      bad: [
        {
          'nginx.conf': `http {\n${UPSTREAM}  server {\n    listen 8443 ssl;\n    location / {\n      proxy_pass https://api;\n    }\n  }\n}\n`,
        },
      ],
      good,
    },
    *check(facts) {
      for (const { around, upstream } of apisOf(facts))
        if (around.words[0] === 'http')
          yield { at: upstream.span, message: `${upstream.words[1] ?? 'an upstream'} of API servers is in an http block` };
    },
  },
  {
    id: 'nginx-connect-timeout',
    severity: 'warning',
    title: 'nginx waits long for an API server to accept a connection',
    why: 'While a master is cut off, each connection that falls to it waits for that time, and clients give up after 10 s: a share of all calls fails.',
    fix: 'Add proxy_connect_timeout 1s.',
    sources: ['nginx.org, ngx_stream_proxy_module, proxy_connect_timeout (60s by default)'],
    examples: { bad: [stream('')], good },
    *check(facts) {
      for (const { front, entry, value } of settings(facts, 'proxy_connect_timeout'))
        if (entry === undefined || (value !== undefined && value > 5))
          yield {
            at: (entry ?? front).span,
            message:
              entry === undefined ? 'proxy_connect_timeout is not set, and 60 s by default' : `proxy_connect_timeout is ${entry.words[1]}`,
          };
    },
  },
  {
    id: 'nginx-proxy-timeout',
    severity: 'warning',
    title: 'idle connections to the API are cut after a short time',
    why: 'kubectl exec, port-forward and logs -f end in the middle, and watches of clients that send no pings start over again and again.',
    fix: 'Set proxy_timeout to hours, or leave it out: it is 10m by default.',
    sources: ['nginx.org, ngx_stream_proxy_module, proxy_timeout'],
    examples: {
      bad: [stream('    proxy_connect_timeout 1s;\n    proxy_timeout 30s;\n')],
      good: [...good, stream('    proxy_connect_timeout 1s;\n    proxy_timeout 24h;\n')],
    },
    *check(facts) {
      for (const { entry, value } of settings(facts, 'proxy_timeout'))
        if (entry !== undefined && value !== undefined && value < 600)
          yield { at: entry.span, message: `connections to the API on which nothing happens are cut after ${entry.words[1]}` };
    },
  },
  {
    id: 'nginx-few-servers',
    severity: 'warning',
    title: 'fewer than three API servers stand behind the balancer',
    why: 'With stacked etcd, two control-plane nodes survive no failure: when either stops, etcd has no quorum and the API stops with it.',
    fix: 'Add control-plane nodes until there are three, and a server line for each.',
    sources: ['kube-vip #748', 'k3s #10942'],
    examples: {
      bad: [
        stream(undefined, UPSTREAM.replace(/ {4}server 10\.0\.0\.13.*\n/, '')),
        stream(undefined, '  upstream api {\n    server 10.0.0.11:5443;\n  }\n'),
      ],
      good,
    },
    *check(facts) {
      for (const { upstream, servers } of apisOf(facts))
        if (servers.length < 3)
          yield {
            at: upstream.span,
            message:
              servers.length === 1 ? `${upstream.words[1]} has only one API server` : `${upstream.words[1]} has only two API servers`,
          };
    },
  },
  {
    id: 'nginx-never-failed',
    severity: 'warning',
    title: 'nginx never takes an API server for failed',
    why: 'A dead master gets its share of all new connections for ever, and each of them waits for proxy_connect_timeout first.',
    fix: 'Leave out max_fails=0.',
    sources: ['nginx.org, ngx_stream_upstream_module, max_fails'],
    examples: { bad: [stream(undefined, UPSTREAM.replace('10.0.0.11:6443', '10.0.0.11:6443 max_fails=0'))], good },
    *check(facts) {
      for (const { words, spans } of inStream(facts).flatMap(({ servers }) => servers)) {
        const at = words.indexOf('max_fails=0');
        if (at === -1) continue;
        const span = spans[at] as Span;
        yield {
          at: span,
          message: `failures of ${words[1]} do not count`,
          edits: [{ span: { ...span, start: (spans[at - 1] as Span).end }, text: '' }],
        };
      }
    },
  },
  {
    id: 'nginx-passive-checks',
    severity: 'info',
    title: 'nginx asks API servers nothing',
    why: 'It notices only that a connection is refused: an API server that has lost etcd, is not ready or is shutting down keeps its share.',
    fix: 'Use HAProxy with option httpchk GET /readyz where that matters; nginx checks only in its commercial version.',
    sources: ['nginx.org, ngx_stream_upstream_hc_module', 'kubespray #2150'],
    examples: {
      bad: good,
      good: [stream(undefined, UPSTREAM.replace('least_conn;', 'check interval=3000 rise=2 fall=3 type=ssl_hello;'))],
    },
    *check(facts) {
      for (const { upstream, fronts } of inStream(facts)) {
        const isActive =
          last(upstream.block, 'check') !== undefined || fronts.some(({ block }) => last(block, 'health_check') !== undefined);
        if (!isActive) yield { at: upstream.span, message: `${upstream.words[1] ?? 'the upstream'} notices only refused connections` };
      }
    },
  },
  {
    id: 'nginx-client-hash',
    severity: 'warning',
    title: 'API servers are chosen by the address of the client',
    why: 'All clients behind one address burden one master, and on a node’s own balancer that is all of them.',
    fix: 'Write least_conn.',
    sources: ['nginx.org, ngx_stream_upstream_module, hash', 'kubernetes #48610'],
    examples: { bad: [stream(undefined, UPSTREAM.replace('least_conn;', 'hash $remote_addr consistent;'))], good },
    *check(facts) {
      for (const { upstream } of inStream(facts)) {
        const hash = last(upstream.block, 'hash');
        if (hash?.words[1]?.includes('remote_addr') === true)
          yield { at: hash.span, message: hash.words.join(' '), edits: [{ span: hash.span, text: 'least_conn' }] };
      }
    },
  },
];
