import type { Facts } from '../facts.ts';
import type { Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';
import {
  apiBackends,
  apiFronts,
  bindsOf,
  type HaproxyBind,
  isLoopback,
  isWildcard,
  linesOf,
  modeOf,
  proxiesOf,
  serversOf,
  settingOf,
  targetsOf,
} from './haproxy-model.ts';
import { hostNameOf, isSameHost } from './same-host.ts';
import { hostAddresses, virtualAddresses } from './keepalived-model.ts';

/* Where HAProxy listens for the API, in which mode, and what it is to others on its host. */

const proxies = (bind: string, more = ''): string =>
  `frontend api\n  bind ${bind}\n  mode tcp\n  default_backend masters\nbackend masters\n  mode tcp\n  server cp1 10.0.0.11:6443 check\n  server cp2 10.0.0.12:6443 check\n  server cp3 10.0.0.13:6443 check\n${more}`;
const KEEPALIVED = 'vrrp_instance API {\n  unicast_src_ip 10.0.0.11\n  virtual_ipaddress {\n    10.0.0.100/32\n  }\n}\n';
const good = [{ 'haproxy.cfg': proxies('*:8443') }];

const apiBinds = (facts: Facts): (HaproxyBind & { at: Span })[] =>
  apiFronts(facts).flatMap((section) => bindsOf(section).map((bind) => ({ ...bind, at: bind.line.span })));
const isTransparent = ({ line }: HaproxyBind): boolean => line.words.includes('transparent');

/** Whether the kernel was told that programs may bind addresses that the host does not have. */
function allowsNonlocal({ sysctl, scripts }: Facts, host: string): boolean {
  const key = host.includes(':') ? 'net.ipv6.ip_nonlocal_bind' : 'net.ipv4.ip_nonlocal_bind';
  return (
    sysctl.some(({ settings }) => settings.some((setting) => setting.key === key && setting.value === '1')) ||
    scripts.some(({ file }) => file.text.includes(`${key}=1`) || file.text.includes(`${key} = 1`))
  );
}

export const haproxyBindingRules: readonly Rule[] = [
  {
    id: 'haproxy-bind-vip',
    severity: 'error',
    title: 'HAProxy listens on an address that only the holder has',
    why: 'On every other host HAProxy fails to start, so that nothing answers there when the address arrives.',
    fix: 'Write transparent behind the address, set net.ipv4.ip_nonlocal_bind = 1, or bind *:PORT.',
    sources: ['HAProxy configuration manual, transparent', 'kernel.org, ip-sysctl, ip_nonlocal_bind'],
    examples: {
      bad: [{ 'haproxy.cfg': proxies('10.0.0.100:8443'), 'keepalived.conf': KEEPALIVED }],
      good: [
        { 'haproxy.cfg': proxies('10.0.0.100:8443 transparent'), 'keepalived.conf': KEEPALIVED },
        { 'haproxy.cfg': proxies('10.0.0.100:8443'), 'keepalived.conf': KEEPALIVED, 'sysctl.conf': 'net.ipv4.ip_nonlocal_bind = 1\n' },
      ],
    },
    *check(facts) {
      const addresses = new Set(virtualAddresses(facts).map(({ address }) => address));
      for (const bind of facts.haproxy.flatMap(proxiesOf).flatMap(bindsOf)) {
        if (!addresses.has(bind.host) || isTransparent(bind) || allowsNonlocal(facts, bind.host)) continue;
        const span = bind.line.spans[1] as Span;
        yield {
          at: span,
          message: `${bind.host} is the virtual address, which hosts that do not hold it cannot bind`,
          edits: [{ span: { ...span, start: span.end }, text: ' transparent' }],
        };
      }
    },
  },
  {
    id: 'haproxy-bind-address',
    severity: 'info',
    title: 'HAProxy listens for the API on one particular address',
    why: 'If that is the virtual address, HAProxy starts only on the host that holds it, and the others have nothing to take over with.',
    fix: 'If it is, write transparent behind the address or bind *:PORT; if it is the host’s own, all is well.',
    sources: ['HAProxy configuration manual, bind and transparent'],
    examples: {
      bad: [{ 'haproxy.cfg': proxies('10.0.0.100:6443') }],
      good: [...good, { 'haproxy.cfg': proxies('10.0.0.100:6443 transparent') }],
    },
    *check(facts) {
      if (virtualAddresses(facts).length > 0) return;
      for (const bind of apiBinds(facts)) {
        const isAddress = /^[\d.]+$|^[\da-f:]*:[\da-f:]*$/i.test(bind.host) && bind.port !== '';
        if (isAddress && !isWildcard(bind.host) && !isLoopback(bind.host) && !isTransparent(bind) && !allowsNonlocal(facts, bind.host))
          yield { at: bind.at, message: `HAProxy listens on ${bind.host} only` };
      }
    },
  },
  {
    id: 'haproxy-port-taken',
    severity: 'error',
    title: 'HAProxy listens on the port of the API server of its own host',
    why: 'Only one of the two starts: the API server takes port 6443 on all addresses, and HAProxy wants it as well.',
    fix: 'Let HAProxy listen on another port such as 8443, and put that one into controlPlaneEndpoint.',
    sources: ['kubeadm, Options for Software Load Balancing'],
    examples: {
      bad: [
        { 'haproxy.cfg': proxies('*:6443'), 'keepalived.conf': KEEPALIVED },
        { 'haproxy.cfg': proxies('*:6443').replace('10.0.0.11', '127.0.0.1') },
        { 'cp1/etc/haproxy/haproxy.cfg': proxies('*:6443') },
      ],
      good: [...good, { 'lb1/etc/haproxy/haproxy.cfg': proxies('*:6443') }, { 'haproxy.cfg': proxies('127.0.0.1:6443') }],
    },
    *check(facts) {
      for (const front of apiFronts(facts)) {
        const names = new Set(targetsOf(front).map(({ name }) => name));
        const { file } = front.head.span;
        const servers = apiBackends(facts)
          .filter((section) => section.head.span.file === file && (section === front || names.has(section.name)))
          .flatMap(serversOf);
        const own = new Set(hostAddresses(facts.keepalived.filter((config) => isSameHost(config.file, file))));
        for (const bind of bindsOf(front)) {
          const clash = servers.find(
            ({ host, port, name }) =>
              port === bind.port &&
              (isLoopback(host)
                ? isWildcard(bind.host) || bind.host === host
                : (own.has(host) || name === hostNameOf(file)) && isWildcard(bind.host)),
          );
          if (clash !== undefined && bind.port !== '')
            yield {
              at: bind.line.span,
              message: `port ${bind.port} of this host belongs to its API server, ${clash.name} (${clash.host})`,
            };
        }
      }
    },
  },
  {
    id: 'haproxy-port-of-apiserver',
    severity: 'info',
    title: 'HAProxy listens on 6443, the port of API servers',
    why: 'That works only on hosts that run no API server: on a control-plane host, one of the two does not start.',
    fix: 'On control-plane hosts, take another port such as 8443 and put it into controlPlaneEndpoint; on balancers of their own, leave it.',
    sources: ['kubeadm, Options for Software Load Balancing'],
    examples: { bad: [{ 'haproxy.cfg': proxies('*:6443') }], good },
    *check(facts) {
      for (const bind of apiBinds(facts))
        if (bind.port === '6443' && !isLoopback(bind.host)) yield { at: bind.at, message: 'HAProxy listens on port 6443' };
    },
  },
  {
    id: 'haproxy-http-mode',
    severity: 'error',
    title: 'HAProxy reads the API’s TLS as HTTP',
    why: 'In mode http it takes the TLS greeting of clients for a broken request and answers 400: no connection to the API succeeds.',
    fix: 'Write mode tcp into the frontend and the backend of the API, whatever defaults says.',
    sources: ['HAProxy configuration manual, mode'],
    examples: {
      bad: [
        { 'haproxy.cfg': `defaults\n  mode http\n${proxies('*:8443').replaceAll('  mode tcp\n', '')}` },
        { 'haproxy.cfg': proxies('*:8443').replaceAll('mode tcp', 'mode http') },
      ],
      good: [...good, { 'haproxy.cfg': `defaults\n  mode http\n${proxies('*:8443')}` }],
    },
    *check(facts) {
      for (const section of new Set([...apiFronts(facts), ...apiBackends(facts)])) {
        if (modeOf(section) !== 'http' || bindsOf(section).some(({ line }) => line.words.includes('ssl'))) continue;
        // Behind a front that ends TLS on purpose, HTTP is what arrives.
        if (
          section.kind === 'backend' &&
          apiFronts(facts).some(
            (front) => front.head.span.file === section.head.span.file && bindsOf(front).some(({ line }) => line.words.includes('ssl')),
          )
        )
          continue;
        const own = linesOf(section, 'mode').at(-1);
        const end = { ...section.head.span, start: section.head.span.end };
        const edits = own === undefined ? [{ span: end, text: '\n    mode tcp' }] : [{ span: own.spans[1] as Span, text: 'tcp' }];
        yield {
          at: (own ?? section.head).span,
          message: `${section.name || section.kind} is in mode http, but API servers speak TLS`,
          edits,
        };
      }
    },
  },
  {
    id: 'haproxy-tls-ended',
    severity: 'error',
    title: 'HAProxy ends the TLS of the API',
    why: 'Client certificates stop at HAProxy: kubelets, controllers and admin.conf are anonymous to the API server, and are refused.',
    fix: 'Pass TLS through: mode tcp, and a bind line without ssl.',
    sources: ['kubernetes.io, Authenticating, X.509 client certificates'],
    examples: { bad: [{ 'haproxy.cfg': proxies('*:8443 ssl crt /etc/haproxy/api.pem') }], good },
    *check(facts) {
      for (const { line } of apiBinds(facts)) {
        const at = line.words.indexOf('ssl');
        if (at !== -1) yield { at: line.spans[at] as Span, message: 'TLS of API clients ends here, and their certificates with it' };
      }
    },
  },
  {
    id: 'haproxy-tls-twice',
    severity: 'error',
    title: 'HAProxy wraps the TLS of clients into TLS of its own',
    why: 'The API server finds another TLS greeting where it expects a request, and closes every connection.',
    fix: 'Remove ssl from the server lines; check-ssl is for checks alone.',
    sources: ['HAProxy configuration manual, ssl of server lines'],
    examples: { bad: [{ 'haproxy.cfg': proxies('*:8443').replace('6443 check', '6443 ssl verify none check') }], good },
    *check(facts) {
      const ends = apiBinds(facts)
        .filter(({ line }) => line.words.includes('ssl'))
        .map(({ line }) => line.span.file);
      for (const section of apiBackends(facts).filter(
        (candidate) => modeOf(candidate) === 'tcp' && !ends.includes(candidate.head.span.file),
      )) {
        for (const { line, name } of serversOf(section)) {
          const at = line.words.indexOf('ssl', 3);
          if (at !== -1) yield { at: line.spans[at] as Span, message: `${name} gets TLS inside of TLS` };
        }
      }
    },
  },
  {
    id: 'haproxy-few-servers',
    severity: 'warning',
    title: 'fewer than three API servers stand behind the balancer',
    why: 'With stacked etcd, two control-plane nodes survive no failure: when either stops, etcd has no quorum and the API stops with it.',
    fix: 'Add control-plane nodes until there are three, and a server line for each.',
    sources: ['kube-vip #748', 'kube-vip #941', 'talos #9276', 'k3s #10942'],
    examples: { bad: [{ 'haproxy.cfg': proxies('*:8443').replace(/ {2}server cp3.*\n/, '') }], good },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        const count = serversOf(section).length;
        if (count < 3 && linesOf(section, 'server-template').length === 0)
          yield {
            at: section.head.span,
            message: count === 1 ? `${section.name} has only one API server` : `${section.name} has only two API servers`,
          };
      }
    },
  },
  {
    id: 'haproxy-even-servers',
    severity: 'info',
    title: 'an even number of API servers stands behind the balancer',
    why: 'With stacked etcd, four control-plane nodes survive as many failures as three, and each write waits for one more of them.',
    fix: 'Have three or five control-plane nodes; a balancer’s own list is right as it is.',
    sources: ['etcd.io, FAQ, Why an odd number of cluster members'],
    examples: { bad: [{ 'haproxy.cfg': proxies('*:8443', '  server cp4 10.0.0.14:6443 check\n') }], good },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        const count = serversOf(section).filter(({ name }) => !/bootstrap/i.test(name)).length;
        if (count > 2 && count % 2 === 0) yield { at: section.head.span, message: `${section.name} has ${count} API servers` };
      }
    },
  },
  {
    id: 'haproxy-same-server',
    severity: 'error',
    title: 'one API server is listed twice',
    why: 'It gets twice the load, and one failure takes two of the servers that looked like three.',
    fix: 'Give each server line the address of another host.',
    sources: ['HAProxy configuration manual, server'],
    examples: { bad: [{ 'haproxy.cfg': proxies('*:8443').replace('10.0.0.13', '10.0.0.12') }], good },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        const seen = new Map<string, string>();
        for (const { name, host, port, line } of serversOf(section)) {
          // A place to fill in.
          if (/[<${]/.test(host)) continue;
          const first = seen.get(`${host}:${port}`);
          if (first !== undefined && !line.words.includes('backup'))
            yield { at: line.spans[2] as Span, message: `${name} and ${first} are the same server, ${host}:${port}` };
          seen.set(`${host}:${port}`, name);
        }
      }
    },
  },
  {
    id: 'haproxy-all-backup',
    severity: 'warning',
    title: 'all API servers are backups',
    why: 'HAProxy uses one of them at a time, and shows the backend as running on its reserve.',
    fix: 'Remove backup from the server lines.',
    sources: ['HAProxy configuration manual, backup and option allbackups'],
    examples: { bad: [{ 'haproxy.cfg': proxies('*:8443').replaceAll('6443 check', '6443 check backup') }], good },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        const servers = serversOf(section);
        if (servers.every(({ line }) => line.words.includes('backup')) && settingOf(section, 'option', 'allbackups') === undefined)
          yield { at: section.head.span, message: `every server of ${section.name} is a backup` };
      }
    },
  },
  {
    id: 'haproxy-names-fixed-at-start',
    severity: 'info',
    title: 'names of API servers are looked up once',
    why: 'HAProxy keeps the address that it found at start; a master that is rebuilt with another one is down to it until a reload, and a name that does not resolve keeps HAProxy from starting.',
    fix: 'Write addresses, or add a resolvers section and resolvers … init-addr last,libc,none to the servers.',
    sources: ['HAProxy configuration manual, section 5.3'],
    examples: { bad: [{ 'haproxy.cfg': proxies('*:8443').replaceAll(/10\.0\.0\.1(\d)/g, 'cp$1.example.org') }], good },
    *check(facts) {
      for (const section of apiBackends(facts)) {
        const server = serversOf(section).find(({ host, line }) => /^[a-z][\w-]*\./i.test(host) && !line.words.includes('resolvers'));
        if (server !== undefined && !linesOf(section, 'default-server').some(({ words }) => words.includes('resolvers')))
          yield { at: server.line.spans[2] as Span, message: `${server.host} is looked up only when HAProxy starts` };
      }
    },
  },
];
