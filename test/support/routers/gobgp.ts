/** GoBGP: https://github.com/osrg/gobgp/blob/master/docs/sources/configuration.md */
import { execFileSync } from 'node:child_process';
import type { TestHost } from '../netns.ts';
import { Daemon } from './daemon.ts';
import { notInstalled, type Router, type RouterKind, type RouterNeighbor, type RouterOptions, type RouterRoute } from './router.ts';

const [GOBGPD, GOBGP] = ['/usr/bin/gobgpd', '/usr/bin/gobgp'];
const problem = notInstalled(GOBGPD, GOBGP);
const ESTABLISHED = 6;

export const gobgp: RouterKind = {
  problem,
  title: problem === undefined ? execFileSync(GOBGPD, ['--version'], { encoding: 'utf8' }).trim() : 'GoBGP',
  async start(host, options) {
    const daemon = new Daemon(host, 'gobgp');
    const api = `unix://${daemon.file('api')}`;
    daemon.start(GOBGPD, '-f', daemon.write('gobgp.toml', config(host, options)), '-t', 'toml', '--api-hosts', api, '--pprof-disable');
    const ask = (...words: string[]) => daemon.ask(GOBGP, '--target', api, ...words);
    await daemon.ready(async () => (await ask('-j', 'neighbor')).length > 0);
    for (const prefix of options.announces ?? []) {
      const [family, nextHop] = prefix.includes(':') ? ['ipv6', host.address6] : ['ipv4', host.address4];
      await ask('global', 'rib', '-a', family, 'add', prefix, 'nexthop', nextHop);
    }
    const router: Router = {
      daemon,
      async session(neighbor) {
        const text = await ask('-j', 'neighbor', neighbor);
        return { text, established: (JSON.parse(text) as { state: { session_state: number } }).state.session_state === ESTABLISHED };
      },
      async routes() {
        const tables = await Promise.all(['ipv4', 'ipv6'].map((family) => ask('-j', 'global', 'rib', '-a', family)));
        return tables
          .flatMap((table) => readRoutes(JSON.parse(table) as Table))
          .filter(({ nextHop }) => nextHop !== host.address4 && nextHop !== host.address6);
      },
      shutDown: async (neighbor, text) => void (await ask('neighbor', neighbor, 'shutdown', '--reason', text)),
      refresh: async (neighbor) => void (await ask('neighbor', neighbor, 'softresetin')),
    };
    return router;
  },
};

function config(host: TestHost, options: RouterOptions): string {
  return `
[global.config]
  as = ${options.asn}
  router-id = "${host.address4}"
${options.neighbors.map((neighbor) => neighborConfig(neighbor, options)).join('\n')}
`;
}

function neighborConfig(neighbor: RouterNeighbor, { holdTimeS = 90, neighborLines = '' }: RouterOptions): string {
  const family = (name: string) => `
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "${name}-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true`;
  return `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${neighbor.address}"
    peer-as = ${neighbor.asn}
    ${neighbor.localAsn === undefined ? '' : `local-as = ${neighbor.localAsn}`}
    ${neighbor.password === undefined ? '' : `auth-password = "${neighbor.password}"`}
  [neighbors.timers.config]
    connect-retry = ${neighbor.connectRetryS ?? 1}
    hold-time = ${holdTimeS}
    keepalive-interval = ${holdTimeS / 3}
    idle-hold-time-after-reset = 1
  [neighbors.transport.config]
    passive-mode = ${neighbor.passive === true}
  ${neighbor.ttlSecurity === true ? '[neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 255' : ''}
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 20
    helper-only = true
${neighborLines}
${family('ipv4')}
${family('ipv6')}`;
}

interface Attribute {
  type: number;
  value?: number;
  nexthop?: string;
  metric?: number;
  communities?: number[];
  as_paths?: { asns: number[] }[];
  nexthops?: string[];
}
type Table = Record<
  string,
  { nlri: { prefix: string }; attrs: Attribute[]; stale?: boolean; 'source-id'?: string; 'neighbor-ip'?: string }[]
>;

/** Path attributes are told apart by their type code (RFC 4271 section 5, RFC 4760). */
function readRoutes(table: Table): RouterRoute[] {
  return Object.entries(table).flatMap(([prefix, paths]) =>
    paths.map((path) => {
      const of = (type: number) => path.attrs.find((attribute) => attribute.type === type);
      const hop = of(3)?.nexthop ?? of(14)?.nexthop ?? of(14)?.nexthops?.[0] ?? '';
      return {
        prefix,
        nextHop: hop,
        localPreference: of(5)?.value,
        med: of(4)?.metric,
        communities: (of(8)?.communities ?? []).map((community) => `${Math.floor(community / 65_536)}:${community % 65_536}`),
        asPath: (of(2)?.as_paths ?? []).flatMap(({ asns }) => asns).join(' '),
        stale: path.stale === true,
      };
    }),
  );
}
