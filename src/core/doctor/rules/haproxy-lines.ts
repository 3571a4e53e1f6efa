import type { Rule } from '../rule.ts';
import { lineSpan, type Span } from '../text-file.ts';
import { bindsOf, isWildcard, linesOf, proxiesOf, serversOf, settingOf } from './haproxy-model.ts';

/* Single lines of haproxy.cfg: names and addresses that were copied and not made one's own. */

const API =
  'frontend api\n  bind :8443\n  default_backend masters\nbackend masters\n  server cp1 10.0.0.11:6443 check\n  server cp2 10.0.0.12:6443 check\n';
const good = [{ 'haproxy.cfg': API }];

export const haproxyLineRules: readonly Rule[] = [
  {
    id: 'haproxy-server-name-twice',
    severity: 'error',
    title: 'two servers of a backend have the same name',
    why: 'HAProxy refuses to start, or takes the second for the first in its statistics and commands.',
    fix: 'Give each server line its own name.',
    sources: ['HAProxy configuration manual, server'],
    examples: { bad: [{ 'haproxy.cfg': API.replace('cp2 ', 'cp1 ') }], good },
    *check({ haproxy }) {
      for (const section of haproxy.flatMap(proxiesOf)) {
        const seen = new Set<string>();
        for (const { name, line } of serversOf(section)) {
          if (seen.has(name)) yield { at: line.spans[1] as Span, message: `the name ${name} is given to two servers` };
          seen.add(name);
        }
      }
    },
  },
  {
    id: 'haproxy-placeholder',
    severity: 'error',
    title: 'an address was not filled in',
    why: 'HAProxy refuses to start, or looks for a host of that name.',
    fix: 'Write the address.',
    sources: ['HAProxy configuration manual, bind and server'],
    examples: {
      bad: ['<MASTER1_IP>', '[IP_OF_MASTER_1]', 'xxx.xxx.xxx.11'].map((place) => ({ 'haproxy.cfg': API.replace('10.0.0.11', place) })),
      good,
    },
    *check({ haproxy }) {
      for (const section of haproxy.flatMap(proxiesOf)) {
        for (const { words, spans } of [...linesOf(section, 'server'), ...linesOf(section, 'bind')]) {
          const at = words.findIndex((word) => /^<[a-z]|<[\w-]+>|^\[[a-z]+(?:[-_]\w+)+\]|\bx{2,3}\.x{2,3}\b/i.test(word));
          if (at !== -1) yield { at: spans[at] as Span, message: `${words[at]} is a place to fill in` };
        }
      }
    },
  },
  {
    id: 'haproxy-bind-twice',
    severity: 'info',
    title: 'a proxy listens on one port twice',
    why: 'All addresses are among them already; where another program takes the port for one of them, nobody notices.',
    fix: 'Keep the line for all addresses.',
    sources: ['HAProxy configuration manual, bind'],
    examples: { bad: [{ 'haproxy.cfg': API.replace('  bind :8443\n', '  bind 0.0.0.0:8443\n  bind 127.0.0.1:8443\n') }], good },
    *check({ haproxy }) {
      for (const section of haproxy.flatMap(proxiesOf)) {
        const binds = bindsOf(section);
        for (const bind of binds.filter(({ host, port }) => !isWildcard(host) && !host.includes(':') && port !== '')) {
          const all = binds.find((other) => isWildcard(other.host) && other.host !== '::' && other.port === bind.port);
          if (all !== undefined && all.line !== bind.line)
            yield {
              at: bind.line.span,
              message: `port ${bind.port} is bound on all addresses already`,
              edits: [{ span: lineSpan(bind.line.span), text: '' }],
            };
        }
      }
    },
  },
  {
    id: 'haproxy-log-nowhere',
    severity: 'info',
    title: 'proxies log to what global names, and it names nothing',
    why: 'Not a line is logged: neither that an API server went down nor who connected.',
    fix: 'Write log /dev/log local0 into the section global.',
    sources: ['HAProxy configuration manual, log global', 'HAProxy 2.6, messages of haproxy -c'],
    examples: {
      bad: [{ 'haproxy.cfg': `global\n  maxconn 8000\ndefaults\n  log global\n${API}` }],
      good: [{ 'haproxy.cfg': `global\n  log /dev/log local0\ndefaults\n  log global\n${API}` }],
    },
    *check({ haproxy }) {
      for (const config of haproxy) {
        if (config.sections.some((section) => section.kind === 'global' && linesOf(section, 'log').length > 0)) continue;
        const used = proxiesOf(config).flatMap((section) => settingOf(section, 'log', 'global') ?? []);
        if (used[0] !== undefined) yield { at: used[0].span, message: 'the section global has no line log' };
      }
    },
  },
];
