import type { HaproxySection } from '../read/haproxy.ts';
import type { Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';
import {
  apiBackends,
  checkMethodOf,
  detectionMs,
  durationMs,
  isChecked,
  linesOf,
  optionOf,
  optionsOf,
  secondsText,
  serversOf,
} from './haproxy-model.ts';

/* Health checks of API servers: what HAProxy asks them, and how soon it notices. */

const backend = (servers: string, checks = 'option httpchk GET /readyz\n  http-check expect status 200\n  '): string =>
  `backend kube-apiservers\n  mode tcp\n  ${checks}${servers}\n`;
const CHECKED = 'server cp1 10.0.0.11:6443 check check-ssl verify none on-marked-down shutdown-sessions';
const good = [{ 'haproxy.cfg': backend(CHECKED) }];

const hasHttpCheck = (section: HaproxySection): boolean => checkMethodOf(section)?.words[1] === 'httpchk';
/** `tcp-check send`, `tcp-check expect` and `external-check` ask more than a connection. */
const hasOwnCheck = (section: HaproxySection): boolean =>
  [section, section.defaults].some((from) =>
    (from?.lines ?? []).some(
      ({ words: [first = '', second = ''] }) =>
        (first === 'tcp-check' && /^(?:send|expect)/.test(second)) || (first === 'option' && second === 'external-check'),
    ),
  );
/** Servers that another port answers for are checked by other rules. */
const ownPort = (section: HaproxySection) => serversOf(section).filter((server) => optionOf(server, 'port') === undefined);
const overTls = (section: HaproxySection): boolean =>
  [section, section.defaults].some(
    (from) => from !== undefined && linesOf(from, 'http-check', 'connect').some(({ words }) => words.includes('ssl')),
  );

interface HttpCheck {
  section: HaproxySection;
  path: string;
  at: Span;
}

/** What `option httpchk` and `http-check send` ask for; `OPTIONS /` when they say nothing. */
function httpChecks(section: HaproxySection): HttpCheck[] {
  const option = checkMethodOf(section);
  if (option?.words[1] !== 'httpchk') return [];
  for (const line of [section, section.defaults].flatMap((from) => (from === undefined ? [] : linesOf(from, 'http-check', 'send')))) {
    const at = line.words.indexOf('uri');
    if (at !== -1 && line.words[at + 1] !== undefined)
      return [{ section, path: line.words[at + 1] as string, at: line.spans[at + 1] as Span }];
  }
  const at = option.words[3] !== undefined ? 3 : option.words[2]?.startsWith('/') === true ? 2 : undefined;
  return [
    at === undefined
      ? { section, path: '/', at: option.span }
      : { section, path: option.words[at] as string, at: option.spans[at] as Span },
  ];
}

export const haproxyCheckRules: readonly Rule[] = [
  {
    id: 'haproxy-check-missing',
    severity: 'error',
    title: 'an API server is not checked at all',
    why: 'HAProxy goes on sending connections to it when it is dead: of three masters with one down, every third kubectl call fails or hangs.',
    fix: 'Add check to the server line, or to default-server.',
    sources: ['HAProxy configuration manual, check', 'kubespray #2150', 'kubespray #6756'],
    examples: { bad: [{ 'haproxy.cfg': backend('server cp1 10.0.0.11:6443') }], good },
    *check(facts) {
      for (const server of apiBackends(facts)
        .flatMap(serversOf)
        .filter((candidate) => !isChecked(candidate) && !optionsOf(candidate).includes('disabled'))) {
        const end = { ...server.line.span, start: server.line.span.end };
        yield { at: server.line.span, message: `the server ${server.name} is not checked`, edits: [{ span: end, text: ' check' }] };
      }
    },
  },
  {
    id: 'haproxy-check-tcp-only',
    severity: 'warning',
    title: 'API servers are checked by a connection only',
    why: 'An API server that has lost etcd, is not ready yet or is shutting down still accepts connections, so HAProxy keeps it and its clients get errors.',
    fix: 'Ask for readiness: option httpchk GET /readyz, http-check expect status 200, and check-ssl with a ca-file (or verify none) on the servers.',
    sources: ['HAProxy configuration manual, option tcp-check and option httpchk', 'talos #8112'],
    examples: {
      bad: [
        { 'haproxy.cfg': backend('server cp1 10.0.0.11:6443 check', 'option tcp-check\n  ') },
        { 'haproxy.cfg': backend('server cp1 10.0.0.11:6443 check', '') },
      ],
      good: [...good, { 'haproxy.cfg': 'backend web\n  server web1 10.0.0.21:80 check\n' }],
    },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        const option = checkMethodOf(section);
        const isPlain = (option === undefined || option.words[1] === 'tcp-check') && !hasOwnCheck(section);
        if (!isPlain || !serversOf(section).some(isChecked)) continue;
        yield {
          at: (option ?? section.head).span,
          message: `${section.name} takes an API server for healthy as soon as it accepts a connection`,
        };
      }
    },
  },
  {
    id: 'haproxy-check-plain-http',
    severity: 'error',
    title: 'the health check speaks plain HTTP to the TLS port of API servers',
    why: 'They answer it with 400, so HAProxy marks every one of them down and the API is unreachable.',
    fix: 'Add check-ssl verify none (better: check-ssl ca-file …) to the server lines, or use http-check connect ssl.',
    sources: ['HAProxy configuration manual, check-ssl'],
    examples: {
      bad: [{ 'haproxy.cfg': backend('server cp1 10.0.0.11:6443 check') }],
      // Of several methods the last one counts.
      good: [
        ...good,
        { 'haproxy.cfg': backend('server cp1 10.0.0.11:6443 check', 'option httpchk GET /healthz\n  option ssl-hello-chk\n  ') },
      ],
    },
    *check(facts) {
      for (const section of apiBackends(facts).filter((candidate) => hasHttpCheck(candidate) && !overTls(candidate))) {
        for (const server of ownPort(section).filter(isChecked)) {
          const words = optionsOf(server);
          if (server.port !== '6443' || words.includes('check-ssl') || words.includes('ssl')) continue;
          yield { at: server.line.span, message: `the server ${server.name} is asked in plain HTTP, but port 6443 speaks TLS` };
        }
      }
    },
  },
  {
    id: 'haproxy-check-no-ca',
    severity: 'error',
    title: 'a check over TLS says neither whom to trust nor not to verify',
    why: 'HAProxy refuses to start: verification is on by default, and it has no CA file.',
    fix: 'Give ca-file with the cluster’s CA (/etc/kubernetes/pki/ca.crt), or verify none.',
    sources: ['HAProxy configuration manual, verify'],
    examples: {
      bad: [
        { 'haproxy.cfg': backend('server cp1 10.0.0.11:6443 check check-ssl') },
        {
          'haproxy.cfg': backend(
            'server cp1 10.0.0.11:6443 check',
            'option httpchk\n  http-check connect ssl\n  http-check send meth GET uri /readyz\n  ',
          ),
        },
      ],
      good,
    },
    *check(facts) {
      for (const { sections } of facts.haproxy) {
        const isOff = sections.some(
          ({ kind, lines }) => kind === 'global' && lines.some(({ words }) => words.join(' ') === 'ssl-server-verify none'),
        );
        for (const server of isOff ? [] : sections.filter(({ kind }) => kind === 'backend' || kind === 'listen').flatMap(serversOf)) {
          const words = optionsOf(server);
          const isTls = words.includes('check-ssl') || words.includes('ssl') || (overTls(server.section) && isChecked(server));
          if (!isTls || words.includes('ca-file') || optionOf(server, 'verify') === 'none' || words.includes('crt')) continue;
          yield { at: server.line.span, message: `the server ${server.name} is reached over TLS, with neither ca-file nor verify none` };
        }
      }
    },
  },
  {
    id: 'haproxy-check-path',
    severity: 'error',
    title: 'the health check asks for something that anonymous clients may not read',
    why: 'API servers answer 401 or 403 to it, HAProxy marks them all down, and the API is unreachable.',
    fix: 'Ask for /readyz, which everybody may read.',
    sources: ['kubernetes.io, API server health endpoints', 'system:public-info-viewer'],
    examples: {
      bad: [
        { 'haproxy.cfg': backend(CHECKED, 'option httpchk GET /\n  ') },
        { 'haproxy.cfg': backend(CHECKED, 'option httpchk\n  ') },
        { 'haproxy.cfg': backend(CHECKED, 'option httpchk\n  http-check send meth GET uri /api/v1/nodes\n  ') },
      ],
      good,
    },
    *check(facts) {
      for (const { section, path, at } of apiBackends(facts).flatMap(httpChecks)) {
        const isOpen = /^\/(?:healthz|livez|readyz|version)(?:[/?]|$)/.test(path) || /[$%]/.test(path);
        if (isOpen || linesOf(section, 'http-check', 'expect').length > 0 || ownPort(section).length === 0) continue;
        yield { at, message: `the check asks for ${path}, which API servers refuse to anonymous clients` };
      }
    },
  },
  {
    id: 'haproxy-check-not-readyz',
    severity: 'info',
    title: 'the health check asks whether API servers live, not whether they are ready',
    why: 'An API server that shuts down says so at /readyz first, and goes on answering /livez and the outdated /healthz: each restart of one breaks connections that could have gone to another.',
    fix: 'Ask for /readyz.',
    sources: ['kubernetes.io, API server health endpoints (/healthz deprecated since 1.16)'],
    examples: { bad: [{ 'haproxy.cfg': backend(CHECKED, 'option httpchk GET /healthz\n  ') }], good },
    *check(facts) {
      for (const { path, at } of apiBackends(facts).flatMap(httpChecks)) {
        if (!/^\/(?:healthz|livez)$/.test(path)) continue;
        const isWord = at.file.text.slice(at.start, at.end) === path;
        yield { at, message: `the check asks for ${path}`, ...(isWord && { edits: [{ span: at, text: '/readyz' }] }) };
      }
    },
  },
  {
    id: 'haproxy-check-takes-refusal',
    severity: 'error',
    title: 'the health check takes a refusal for health',
    why: '401 and 403 come from an API server that did not look at its own state: one that has lost etcd gives them too, and stays in use.',
    fix: 'Expect status 200 from /readyz; where anonymous requests are off, allow them for the health paths with an AuthenticationConfiguration.',
    sources: ['HAProxy configuration manual, http-check expect', 'kubernetes.io, AuthenticationConfiguration, anonymous'],
    examples: { bad: [{ 'haproxy.cfg': backend(CHECKED, 'option httpchk GET /\n  http-check expect status 403\n  ') }], good },
    *check(facts) {
      for (const line of apiBackends(facts).flatMap((section) => linesOf(section, 'http-check', 'expect'))) {
        const at = line.words.findIndex((word) => word === 'status' || word === 'rstatus');
        const value = line.words[at + 1];
        if (at === -1 || line.words.includes('!') || value === undefined || !/40[13]|4\[|4\.\./.test(value)) continue;
        yield { at: line.spans[at + 1] as Span, message: `the check takes status ${value} for health` };
      }
    },
  },
  {
    id: 'haproxy-check-unverified',
    severity: 'info',
    title: 'the health check trusts any certificate',
    why: 'Whatever answers at that address passes for an API server, such as another cluster’s that was given the address by mistake.',
    fix: 'Use ca-file with the cluster’s CA instead of verify none, with verifyhost kubernetes.default.svc.',
    sources: ['HAProxy configuration manual, verify and verifyhost'],
    examples: { bad: good, good: [{ 'haproxy.cfg': backend(CHECKED.replace('verify none', 'ca-file /etc/haproxy/ca.crt')) }] },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        const server = serversOf(section).find((candidate) => optionOf(candidate, 'verify') === 'none');
        if (server !== undefined) yield { at: server.line.span, message: `the check of ${section.name} does not verify certificates` };
      }
    },
  },
  {
    id: 'haproxy-check-slow',
    severity: 'info',
    title: 'HAProxy takes more than 10 s to see that an API server is dead',
    why: 'For that long it goes on sending new connections there: a share of all kubectl calls, of kubelet heartbeats and of leases times out.',
    fix: 'Use inter 3s fall 3, with fastinter 1s.',
    sources: ['HAProxy configuration manual, inter, fastinter and fall', 'metallb #298'],
    examples: {
      bad: [
        { 'haproxy.cfg': backend(`default-server inter 10s fall 2\n  ${CHECKED}`) },
        { 'haproxy.cfg': backend(`${CHECKED} inter 5000 fall 5`) },
      ],
      good: [...good, { 'haproxy.cfg': backend(`${CHECKED} inter 8s fastinter 1s fall 3`) }],
    },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        const slowest = serversOf(section)
          .filter(isChecked)
          .map((server) => ({ server, ms: detectionMs(server) ?? 0 }))
          .reduce((a, b) => (b.ms > a.ms ? b : a), { server: undefined as ReturnType<typeof serversOf>[0] | undefined, ms: 10_000 });
        if (slowest.server !== undefined)
          yield {
            at: slowest.server.line.span,
            message: `a dead ${slowest.server.name} is noticed after up to ${secondsText(slowest.ms)}`,
          };
      }
    },
  },
  {
    id: 'haproxy-check-eager',
    severity: 'warning',
    title: 'one failed check takes an API server out',
    why: 'A single slow answer, as during a garbage collection or an etcd election, moves all its clients to the others, which may then be slow too.',
    fix: 'Use fall 3; a short inter and fastinter keep it quick.',
    sources: ['openshift/machine-config-operator PRs 3339, 1893, 3357', 'HAProxy configuration manual, fall'],
    examples: { bad: [{ 'haproxy.cfg': backend(`${CHECKED} fall 1`) }], good },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        for (const line of [...linesOf(section, 'server'), ...linesOf(section, 'default-server')]) {
          const at = line.words.indexOf('fall');
          if (at === -1 || line.words[at + 1] !== '1') continue;
          const span = line.spans[at + 1] as Span;
          yield { at: span, message: 'fall 1: the first failed check counts', edits: [{ span, text: '3' }] };
        }
      }
    },
  },
  {
    id: 'haproxy-check-flood',
    severity: 'error',
    title: 'a time without a unit is milliseconds',
    why: 'A check every few milliseconds is load on the API servers that looks like an attack; a time-out of a few milliseconds fails every connection.',
    fix: 'Write the unit: inter 3s.',
    sources: ['HAProxy configuration manual, section 2.5, time format'],
    examples: {
      bad: [{ 'haproxy.cfg': backend(`${CHECKED} inter 3`) }, { 'haproxy.cfg': 'defaults\n  timeout client 50\n' }],
      good: [...good, { 'haproxy.cfg': 'defaults\n  timeout client 50s\n  timeout server 50000\n' }],
    },
    *check({ haproxy }) {
      for (const { words, spans } of haproxy.flatMap(({ sections }) => sections.flatMap(({ lines }) => lines))) {
        const times =
          words[0] === 'timeout'
            ? [2]
            : /^(?:default-)?server/.test(words[0] ?? '')
              ? words.flatMap((word, i) => (word.endsWith('inter') ? [i + 1] : []))
              : [];
        for (const at of times) {
          const [word, ms] = [words[at] ?? '', durationMs(words[at])];
          if (/^\d+$/.test(word) && ms !== undefined && ms > 0 && ms < 100)
            yield { at: spans[at] as Span, message: `${words.slice(Math.max(0, at - 2), at).join(' ')} ${word} is ${word} ms` };
        }
      }
    },
  },
  {
    id: 'haproxy-check-other-port',
    severity: 'warning',
    title: 'the health check connects to another port than clients do',
    why: 'That something else listens says nothing about the API server: when it is dead and the other is not, HAProxy keeps sending connections to it.',
    fix: 'Check the port that clients use; leave out port.',
    sources: ['HAProxy configuration manual, port'],
    examples: {
      bad: [{ 'haproxy.cfg': backend('server cp1 10.0.0.11:6443 check port 22', '') }],
      good: [...good, { 'haproxy.cfg': backend('server cp1 10.0.0.11:6443 check port 6443', '') }],
    },
    *check(facts) {
      for (const section of apiBackends(facts).filter((candidate) => !hasHttpCheck(candidate) && !hasOwnCheck(candidate))) {
        for (const server of serversOf(section)) {
          const port = optionOf(server, 'port');
          if (port !== undefined && server.port !== '' && port !== server.port)
            yield { at: server.line.span, message: `clients of ${server.name} use port ${server.port}, but port ${port} is checked` };
        }
      }
    },
  },
  {
    id: 'haproxy-check-ssl-hello',
    severity: 'warning',
    title: 'API servers are checked by an SSLv3 greeting',
    why: 'Any TLS program answers it, if only with a refusal: an API server that has lost etcd or is shutting down passes, and each check is an error in its log.',
    fix: 'Replace option ssl-hello-chk by option httpchk GET /readyz with http-check expect status 200, and add check-ssl to the servers.',
    sources: ['HAProxy configuration manual, option ssl-hello-chk'],
    examples: {
      bad: [
        { 'haproxy.cfg': backend('server cp1 10.0.0.11:6443 check', 'option ssl-hello-chk\n  ') },
        { 'haproxy.cfg': backend('server cp1 10.0.0.11:6443 check', 'option httpchk GET /healthz\n  option ssl-hello-chk\n  ') },
      ],
      good,
    },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        const option = checkMethodOf(section);
        if (option?.words[1] === 'ssl-hello-chk')
          yield { at: option.span, message: `${section.name} is checked with option ssl-hello-chk` };
      }
    },
  },
  {
    id: 'haproxy-check-header-hack',
    severity: 'info',
    title: 'headers of the health check stand in its version field',
    why: 'It works by accident and is deprecated since HAProxy 2.2.',
    fix: 'Use http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host ….',
    sources: ['HAProxy configuration manual, option httpchk'],
    examples: { bad: [{ 'haproxy.cfg': backend(CHECKED, 'option httpchk GET /readyz HTTP/1.1\\r\\nHost:\\ kubernetes\n  ') }], good },
    *check({ haproxy }) {
      for (const section of haproxy.flatMap(({ sections }) => sections)) {
        for (const { words, span } of linesOf(section, 'option', 'httpchk'))
          if (words.slice(2).some((word) => word.includes('\r\n')))
            yield { at: span, message: 'this check carries headers behind its version' };
      }
    },
  },
];
