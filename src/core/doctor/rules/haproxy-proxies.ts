import type { HaproxyConfig, HaproxyLine, HaproxySection } from '../read/haproxy.ts';
import type { Rule } from '../rule.ts';
import { lineSpan, type Span } from '../text-file.ts';
import { nearest } from '../../cluster/nearest.ts';
import { apiBackends, apiFronts, bindsOf, isLoopback, linesOf, modeOf, proxiesOf, settingOf, targetsOf } from './haproxy-model.ts';

/* What holds for every haproxy.cfg: names, what is left open to all, and what newer versions refuse. */

const API = 'frontend api\n  bind :8443\n  default_backend masters\nbackend masters\n  server cp1 10.0.0.11:6443 check\n';
const good = [{ 'haproxy.cfg': API }];

const named = (config: HaproxyConfig, kinds: readonly string[]) => proxiesOf(config).filter(({ kind }) => kinds.includes(kind));
const all = (configs: readonly HaproxyConfig[]): HaproxyLine[] => configs.flatMap(({ sections }) => sections.flatMap(({ lines }) => lines));
/** Names that are made at run time. */
const isDynamic = (name: string): boolean => /[%$]/.test(name);

/** Passwords that stand in guides, and that whoever looks for open pages tries first. */
const GUESSED = /^(?:admin|administrator|haproxy|password|passwd|pass|root|stats|test|changeme|123456|1234|12345678|admin123|secret)$/i;
const isGuessed = (section: HaproxySection): boolean =>
  linesOf(section, 'stats', 'auth').some(({ words }) => GUESSED.test((words[2] ?? '').replace(/^[^:]*:/, '')));

/** Whether a page or command is for some clients only. */
const isGuarded = (section: HaproxySection): boolean =>
  (settingOf(section, 'stats', 'auth') !== undefined && !isGuessed(section)) ||
  settingOf(section, 'stats', 'http-request') !== undefined ||
  section.lines.some(
    ({ words }) =>
      /^(?:http-request|tcp-request)$/.test(words[0] ?? '') && words.some((word) => /^(?:deny|reject|auth|tarpit)$/.test(word)),
  ) ||
  (section.head.words[2] === undefined && bindsOf(section).every(({ host, port }) => isLoopback(host) || port === ''));

export const haproxyProxyRules: readonly Rule[] = [
  {
    id: 'haproxy-no-such-backend',
    severity: 'error',
    title: 'a frontend leads to a backend that does not exist',
    why: 'HAProxy refuses to start.',
    fix: 'Correct the name, or add the backend.',
    sources: ['HAProxy configuration manual, default_backend and use_backend'],
    examples: { bad: [{ 'haproxy.cfg': API.replace('default_backend masters', 'default_backend master') }], good },
    *check({ haproxy }) {
      for (const config of haproxy) {
        const names = named(config, ['backend', 'listen']).map(({ name }) => name);
        for (const { name, span } of config.sections.flatMap(targetsOf)) {
          if (names.includes(name) || isDynamic(name)) continue;
          const near = nearest(name, names);
          yield { at: span, message: `there is no backend ${name}${near === undefined ? '' : `; did you mean ${near}?`}` };
        }
      }
    },
  },
  {
    id: 'haproxy-backend-unused',
    severity: 'info',
    title: 'nothing leads to a backend',
    why: 'Its servers are checked for nothing, or a frontend that was to use it uses another.',
    fix: 'Name it in default_backend or use_backend, or remove it.',
    sources: ['HAProxy configuration manual, default_backend and use_backend'],
    examples: { bad: [{ 'haproxy.cfg': `${API}backend old\n  server cp1 10.0.0.11:6443 check\n` }], good },
    *check({ haproxy }) {
      for (const config of haproxy) {
        const lines = config.sections.flatMap((section) => section.lines);
        // Expressions such as nbsrv(NAME) use one too.
        const words = lines.flatMap((line) => line.words.slice(1)).join(' ');
        const isOpen = lines.some((line) => line.words[0] === 'use_backend' && isDynamic(line.words[1] ?? ''));
        for (const { name, head } of isOpen ? [] : named(config, ['backend']))
          if (name !== '' && !words.split(/[^\w.:-]+/).includes(name))
            yield { at: head.span, message: `nothing leads to the backend ${name}` };
      }
    },
  },
  {
    id: 'haproxy-name-twice',
    severity: 'error',
    title: 'two proxies of one kind have the same name',
    why: 'HAProxy refuses to start, or uses one of them only.',
    fix: 'Rename one of them.',
    sources: ['HAProxy configuration manual, section 4'],
    examples: { bad: [{ 'haproxy.cfg': `${API}backend masters\n  server cp2 10.0.0.12:6443 check\n` }], good },
    *check({ haproxy }) {
      for (const config of haproxy) {
        for (const kinds of [
          ['frontend', 'listen'],
          ['backend', 'listen'],
        ]) {
          const seen = new Set<string>();
          for (const { kind, name, head } of named(config, kinds)) {
            if (name !== '' && seen.has(name) && !(kind === 'listen' && kinds[0] === 'backend'))
              yield { at: head.span, message: `the name ${name} is given twice` };
            seen.add(name);
          }
        }
      }
    },
  },
  {
    id: 'haproxy-name-shared',
    severity: 'warning',
    title: 'a frontend and a backend have the same name',
    why: 'HAProxy 3.2 warns of it and 3.3 does not start with it: the next upgrade takes the balancer down.',
    fix: 'Rename one of them, for example the frontend to NAME-in.',
    sources: ['HAProxy 3.3 release notes'],
    examples: { bad: [{ 'haproxy.cfg': API.replace('frontend api', 'frontend masters') }], good },
    *check({ haproxy }) {
      for (const config of haproxy) {
        const names = new Set(named(config, ['frontend']).map(({ name }) => name));
        for (const { name, head } of named(config, ['backend']))
          if (names.has(name)) yield { at: head.span, message: `the frontend and the backend are both called ${name}` };
      }
    },
  },
  {
    id: 'haproxy-mode-mismatch',
    severity: 'error',
    title: 'a frontend in mode http has a backend in mode tcp',
    why: 'HAProxy refuses to start: a frontend in mode http cannot use a backend in mode tcp.',
    fix: 'Write the same mode into both.',
    sources: ['HAProxy configuration manual, mode'],
    examples: {
      bad: [
        {
          'haproxy.cfg':
            'frontend web\n  mode http\n  bind :80\n  default_backend pages\nbackend pages\n  mode tcp\n  server a 10.0.0.21:80\n',
        },
      ],
      good,
    },
    *check(facts) {
      const api = new Set([...apiBackends(facts), ...apiFronts(facts)]);
      for (const config of facts.haproxy) {
        const backends = new Map(named(config, ['backend']).map((section) => [section.name, section]));
        for (const front of named(config, ['frontend'])) {
          for (const { name, span } of targetsOf(front)) {
            const backend = backends.get(name);
            // Of the API's, haproxy-http-mode says which one is wrong.
            if (backend === undefined || modeOf(front) !== 'http' || modeOf(backend) !== 'tcp' || api.has(backend)) continue;
            yield { at: span, message: `${front.name} is in mode http, but its backend ${name} in mode tcp` };
          }
        }
      }
    },
  },
  {
    id: 'haproxy-listen-address',
    severity: 'error',
    title: 'a proxy has its address on its first line',
    why: 'HAProxy refuses to start: it does not take addresses there any more.',
    fix: 'Write bind ADDRESS on a line of its own.',
    sources: ['HAProxy 2.6 (please use the ’bind’ keyword for listening addresses)'],
    examples: { bad: [{ 'haproxy.cfg': 'listen api 0.0.0.0:8443\n  server cp1 10.0.0.11:6443 check\n' }], good },
    *check({ haproxy }) {
      for (const section of haproxy.flatMap((config) => named(config, ['listen', 'frontend']))) {
        const address = section.head.words[2];
        if (address === undefined || address === 'from' || !/:\d+/.test(address)) continue;
        const [, name, span] = section.head.spans as [Span, Span, Span];
        yield {
          at: span,
          message: `the address ${address} needs a bind line`,
          edits: [{ span: { ...span, start: name.end }, text: `\n    bind ${address}` }],
        };
      }
    },
  },
  {
    id: 'haproxy-last-line',
    severity: 'error',
    title: 'the last line does not end',
    why: 'HAProxy takes the file for truncated and refuses to start.',
    fix: 'End it with a line break.',
    sources: ['HAProxy 2.6 (Missing LF on last line)'],
    examples: { bad: [{ 'haproxy.cfg': API.trimEnd() }], good },
    *check({ haproxy }) {
      for (const { file } of haproxy) {
        const end = { file, start: file.text.length, end: file.text.length };
        if (file.inside === undefined && !file.text.endsWith('\n'))
          yield { at: end, message: 'the last line has no line break', edits: [{ span: end, text: '\n' }] };
      }
    },
  },
  {
    id: 'haproxy-log-twice',
    severity: 'info',
    title: 'one log gets messages twice',
    why: 'Every message of the second line’s levels is written twice.',
    fix: 'Keep the first line only; in a container, log stdout format raw local0.',
    sources: ['HAProxy configuration manual, log'],
    examples: {
      bad: [{ 'haproxy.cfg': `global\n  log /dev/log local0\n  log /dev/log local1 notice\n${API}` }],
      good: [{ 'haproxy.cfg': `global\n  log /dev/log local0\n${API}` }],
    },
    *check({ haproxy }) {
      for (const section of haproxy.flatMap(({ sections }) => sections.filter(({ kind }) => kind === 'global'))) {
        const seen = new Set<string>();
        for (const { words, span } of linesOf(section, 'log')) {
          const target = words[1] ?? '';
          if (seen.has(target))
            yield {
              at: span,
              message: `${target} gets the messages of an earlier line once more`,
              edits: [{ span: lineSpan(span), text: '' }],
            };
          seen.add(target);
        }
      }
    },
  },
  {
    id: 'haproxy-stats-socket-open',
    severity: 'warning',
    title: 'everybody on the host may command HAProxy',
    why: 'Whoever reaches the socket at level admin can take API servers out or point connections elsewhere.',
    fix: 'Use mode 660 with a group, and no TCP port but on 127.0.0.1.',
    sources: ['HAProxy management guide, section 9.3', 'HAProxy configuration manual, stats socket'],
    examples: {
      bad: [
        { 'haproxy.cfg': `global\n  stats socket /run/haproxy/admin.sock mode 666 level admin\n${API}` },
        { 'haproxy.cfg': `global\n  stats socket ipv4@*:9999 level admin\n${API}` },
      ],
      good: [
        {
          'haproxy.cfg': `global\n  stats socket /run/haproxy/admin.sock mode 660 level admin\n  stats socket ipv4@127.0.0.1:9999 level admin\n${API}`,
        },
      ],
    },
    *check({ haproxy }) {
      for (const { words, span } of all(haproxy).filter((line) => line.words[0] === 'stats' && line.words[1] === 'socket')) {
        const mode = words[words.indexOf('mode') + 1] ?? '';
        const host = /^(?:ipv[46]@)?(.*):\d+$/.exec(words[2] ?? '')?.[1];
        const isOpen = host === undefined ? words.includes('mode') && /^\d*[2367]$/.test(mode) : !isLoopback(host.replace(/^\[|\]$/g, ''));
        if (isOpen && words.includes('admin'))
          yield {
            at: span,
            message: host === undefined ? `the socket is open to all users (mode ${mode})` : `the socket listens on ${words[2]}`,
          };
      }
    },
  },
  {
    id: 'haproxy-stats-admin-open',
    severity: 'warning',
    title: 'everybody who reaches the statistics page may take servers out',
    why: 'A click on it disables API servers, and nobody has to give a password for that.',
    fix: 'Add stats auth USER:PASSWORD, or bind the page to 127.0.0.1, or drop stats admin.',
    sources: ['HAProxy configuration manual, stats admin'],
    examples: {
      bad: [
        { 'haproxy.cfg': `listen stats\n  bind *:9000\n  mode http\n  stats enable\n  stats admin if TRUE\n` },
        { 'haproxy.cfg': `listen stats\n  bind *:9000\n  mode http\n  stats auth admin:admin\n  stats admin if TRUE\n` },
      ],
      good: [{ 'haproxy.cfg': `listen stats\n  bind *:9000\n  mode http\n  stats enable\n  stats admin if LOCALHOST\n` }],
    },
    *check({ haproxy }) {
      for (const section of haproxy.flatMap(proxiesOf)) {
        const line = linesOf(section, 'stats', 'admin').find(({ words }) => words.slice(2).join(' ') === 'if TRUE');
        if (line !== undefined && !isGuarded(section))
          yield {
            at: line.span,
            message: `the statistics page takes commands from everybody${isGuessed(section) ? ' who tries the usual passwords' : ''}`,
          };
      }
    },
  },
  {
    id: 'haproxy-stats-open',
    severity: 'info',
    title: 'the statistics page is open to everybody',
    why: 'It tells whoever asks which servers there are and which are down.',
    fix: 'Add stats auth USER:PASSWORD, or bind the page to 127.0.0.1.',
    sources: ['HAProxy configuration manual, stats auth'],
    examples: {
      bad: [
        { 'haproxy.cfg': 'listen stats\n  bind *:9000\n  mode http\n  stats enable\n  stats uri /stats\n' },
        { 'haproxy.cfg': 'listen stats\n  bind *:9000\n  mode http\n  stats auth admin:123456\n' },
      ],
      good: [{ 'haproxy.cfg': 'listen stats\n  bind 127.0.0.1:9000\n  mode http\n  stats enable\n  stats uri /stats\n' }],
    },
    *check({ haproxy }) {
      for (const section of haproxy.flatMap(proxiesOf)) {
        const auth = linesOf(section, 'stats', 'auth')[0];
        const line = auth ?? linesOf(section, 'stats', 'enable')[0] ?? linesOf(section, 'stats', 'uri')[0];
        if (line !== undefined && (bindsOf(section).length > 0 || section.head.words[2] !== undefined) && !isGuarded(section))
          yield {
            at: line.span,
            message:
              auth === undefined
                ? 'the statistics page asks for no password'
                : 'the password of the statistics page is one that everybody tries',
          };
      }
    },
  },
];
