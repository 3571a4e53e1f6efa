import type { HaproxyLine } from '../read/haproxy.ts';
import type { Rule } from '../rule.ts';
import { lineSpan, type Span } from '../text-file.ts';
import { nearest } from '../../cluster/nearest.ts';
import { isMarkdown, markdownEdits } from './markdown.ts';

/* Keywords that HAProxy does not know, or does not know any more. */

/** First words of lines in proxies (configuration manual, section 4.1), and of those that 3.x added. */
const PROXY_KEYWORDS = (
  'acl backlog balance bind capture clitcpka-cnt clitcpka-idle clitcpka-intvl compression cookie declare default-server default_backend description ' +
  'disabled dispatch email-alert enabled error-log-format errorfile errorfiles errorloc errorloc302 errorloc303 external-check filter force-persist ' +
  'force-be-switch fullconn guid hash-balance-factor hash-key hash-preserve-affinity hash-type http-after-response http-check http-error http-request ' +
  'http-response http-reuse http-send-name-header id ignore-persist load-server-state-from-file log log-format log-format-sd log-steps log-tag ' +
  'max-keep-alive-queue max-session-srv-conns maxconn mode monitor monitor-uri no option persist quic-initial rate-limit redirect retries retry-on server ' +
  'server-state-file-name server-template source srvtcpka-cnt srvtcpka-idle srvtcpka-intvl stats stick stick-table tcp-check tcp-request tcp-response ' +
  'timeout transparent unique-id-format unique-id-header use-fcgi-app use-server use-small-buffers use_backend'
).split(' ');

/** What refuses the start, since when, and what to write instead; HAProxy 2.6's own messages say so. */
const REMOVED = byKeyword([
  ['reqrep reqirep rsprep rspirep', '2.1', 'http-request replace-path or replace-header'],
  ['reqadd rspadd reqdel reqidel rspdel rspidel', '2.1', 'http-request or http-response add-header or del-header'],
  ['reqallow reqiallow reqdeny reqideny reqpass reqipass reqtarpit reqitarpit rspdeny rspideny block', '2.1', 'http-request deny or allow'],
  ['clitimeout', '2.1', 'timeout client'],
  ['srvtimeout', '2.1', 'timeout server'],
  ['contimeout', '2.1', 'timeout connect'],
  ['redispatch', '2.1', 'option redispatch'],
  ['monitor-net', '2.1', 'http-request return status 200 if { src NETWORK }'],
  ['appsession', '1.6', 'cookie'],
  ['nbproc', '2.5', 'nothing: threads are used by themselves'],
  ['option_forceclose', '2.0', 'nothing, or option httpclose'],
  ['option_http-tunnel', '2.1', 'nothing'],
  ['mode_health', '2.1', 'http-request return status 200'],
]);

const DEPRECATED = byKeyword([
  ['dispatch', '3.3', 'a server line'],
  ['option_transparent transparent', '3.3', 'server NAME 0.0.0.0'],
  ['bind-process', '2.5', 'nothing: it has no effect'],
  ['master-worker', '3.3', 'nothing, and start HAProxy with -W or -Ws'],
]);

const API =
  'frontend api\n  bind :8443\n  default_backend masters\nbackend masters\n  balance leastconn\n  server cp1 10.0.0.11:6443 check\n';
const good = [{ 'haproxy.cfg': API }];

/** Keywords of two words are joined by an underscore. */
function byKeyword(rows: readonly (readonly [keywords: string, version: string, instead: string])[]) {
  const entries = rows.flatMap(([keywords, version, instead]) =>
    keywords.split(' ').map((keyword) => [keyword.replace('_', ' '), { name: keyword.replace('_', ' '), version, instead }] as const),
  );
  return new Map(entries);
}

const listed = ({ words: [first = '', second = ''] }: HaproxyLine, list: typeof REMOVED) =>
  list.get(first) ?? list.get(`${first} ${second}`);

const inProxies = ({ haproxy }: Parameters<Rule['check']>[0]): HaproxyLine[] =>
  haproxy.flatMap(({ sections }) =>
    sections.filter(({ kind }) => /^(?:defaults|frontend|backend|listen)$/.test(kind)).flatMap(({ lines }) => lines),
  );
const anywhere = ({ haproxy }: Parameters<Rule['check']>[0]): HaproxyLine[] =>
  haproxy.flatMap(({ sections }) => sections.flatMap(({ lines }) => lines));

export const haproxyKeywordRules: readonly Rule[] = [
  {
    id: 'haproxy-keyword-typo',
    severity: 'error',
    title: 'a keyword is misspelt',
    why: 'HAProxy refuses to start.',
    fix: 'Correct the word.',
    sources: ['HAProxy configuration manual, section 4.1'],
    examples: { bad: [{ 'haproxy.cfg': API.replace('balance', 'balence') }], good },
    *check(facts) {
      for (const line of inProxies(facts)) {
        const near = unknown(line);
        if (near !== undefined && near !== '')
          yield { at: line.spans[0] as Span, message: `HAProxy has no keyword ${line.words[0]}; did you mean ${near}?` };
      }
    },
  },
  {
    id: 'haproxy-keyword-unknown',
    severity: 'info',
    title: 'hale does not know a keyword, and did not check it',
    why: 'It may be one of a newer HAProxy; an older one refuses to start with it.',
    fix: 'Ask HAProxy itself: haproxy -c -f haproxy.cfg.',
    sources: ['HAProxy configuration manual, section 4.1'],
    examples: { bad: [{ 'haproxy.cfg': `${API}  frobnicate-all on\n` }], good },
    *check(facts) {
      for (const line of inProxies(facts))
        if (unknown(line) === '') yield { at: line.spans[0] as Span, message: `hale does not know the keyword ${line.words[0]}` };
    },
  },
  {
    id: 'haproxy-keyword-removed',
    severity: 'error',
    title: 'a keyword was removed from HAProxy',
    why: 'HAProxy refuses to start since that version: the upgrade takes the balancer down.',
    fix: 'Write what replaces it, or remove the line.',
    sources: ['HAProxy 2.6, messages of haproxy -c'],
    examples: { bad: [{ 'haproxy.cfg': `global\n  nbproc 1\n${API}` }, { 'haproxy.cfg': `${API}  option forceclose\n` }], good },
    *check(facts) {
      for (const line of anywhere(facts)) {
        const found = listed(line, REMOVED);
        if (found === undefined) continue;
        const edits = found.instead.startsWith('nothing') ? [{ span: lineSpan(line.span), text: '' }] : [];
        yield { at: line.span, message: `${found.name} is gone since HAProxy ${found.version}; write ${found.instead}`, edits };
      }
    },
  },
  {
    id: 'haproxy-keyword-deprecated',
    severity: 'info',
    title: 'a keyword is on its way out of HAProxy',
    why: 'HAProxy warns of it at each start, and a later version will not start with it.',
    fix: 'Write what replaces it.',
    sources: ['HAProxy 3.3 release notes'],
    examples: { bad: [{ 'haproxy.cfg': `global\n  master-worker\n${API}` }], good },
    *check(facts) {
      for (const line of anywhere(facts)) {
        const found = listed(line, DEPRECATED);
        if (found !== undefined)
          yield { at: line.span, message: `${found.name} is deprecated since HAProxy ${found.version}; write ${found.instead}` };
      }
    },
  },
  {
    id: 'haproxy-markdown',
    severity: 'error',
    title: 'asterisks of a web page are left in the file',
    why: 'They marked bold text where this was copied from; HAProxy refuses to start with them.',
    fix: 'Remove the asterisks.',
    sources: ['HAProxy configuration manual, section 2.1'],
    examples: {
      bad: [
        { 'haproxy.cfg': API.replace('bind :8443', '**bind :8443**') },
        { 'haproxy.cfg': 'global\n  *stats socket /run/haproxy/admin.sock\n' },
      ],
      good,
    },
    *check(facts) {
      for (const { words, spans, span } of anywhere(facts)) {
        if (isMarkdown(words)) yield { at: span, message: 'the asterisks here are left over from a web page', edits: markdownEdits(spans) };
      }
    },
  },
];

/** The keyword that was meant, empty where nothing is near; undefined for one that is known. */
function unknown({ words: [first = ''] }: HaproxyLine): string | undefined {
  const isKnown = PROXY_KEYWORDS.includes(first) || REMOVED.has(first) || DEPRECATED.has(first);
  if (isKnown || /[*$"%]/.test(first) || first === '') return undefined;
  return nearest(first, PROXY_KEYWORDS) ?? '';
}
