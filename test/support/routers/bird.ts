/** BIRD 2: bird(8), https://bird.network.cz/?get_doc&f=bird.html */
import { spawnSync } from 'node:child_process';
import type { TestHost } from '../netns.ts';
import { Daemon } from './daemon.ts';
import {
  familiesOf,
  notInstalled,
  type Router,
  type RouterKind,
  type RouterNeighbor,
  type RouterOptions,
  type RouterRoute,
} from './router.ts';

const BIRD = '/usr/sbin/bird';
const problem = notInstalled(BIRD, '/usr/sbin/birdc');

export const bird: RouterKind = {
  problem,
  // It says its version on standard error.
  title: problem === undefined ? spawnSync(BIRD, ['--version'], { encoding: 'utf8' }).stderr.trim() : 'BIRD',
  async start(host, options) {
    const daemon = new Daemon(host, 'bird');
    const socket = daemon.file('ctl');
    daemon.start(BIRD, '-f', '-c', daemon.write('bird.conf', birdConfig(host, options)), '-s', socket, '-P', daemon.file('pid'));
    const ask = (...words: string[]) => daemon.ask('/usr/sbin/birdc', '-s', socket, ...words);
    await daemon.ready(async () => (await ask('show', 'status')).includes('Daemon is up and running'));
    const name = (address: string) => `n${options.neighbors.findIndex((neighbor) => neighbor.address === address)}`;
    const router: Router = {
      daemon,
      async session(neighbor) {
        const text = await ask('show', 'protocols', 'all', name(neighbor));
        return { text, established: /BGP state: +Established/.test(text) };
      },
      async routes() {
        // It tells of the neighbour, not of the routes, that they are kept for its return.
        const stale = (await ask('show', 'protocols', 'all')).includes('Neighbor graceful restart active');
        return readRoutes(await ask('show', 'route', 'all', 'where', 'source', '=', 'RTS_BGP')).map((route) => ({ ...route, stale }));
      },
      shutDown: async (neighbor, text) => void (await ask('disable', name(neighbor), `"${text}"`)),
      refresh: async (neighbor) => void (await ask('reload', 'in', name(neighbor))),
    };
    return router;
  },
};

function birdConfig(host: TestHost, options: RouterOptions): string {
  const { four, six } = familiesOf(options.announces ?? []);
  const blackholes = (prefixes: string[]) => prefixes.map((prefix) => `route ${prefix} blackhole;`).join('\n');
  const toKernel = 'import none; export where source = RTS_BGP;';
  return `
log stderr all;
# RFC 8326 section 4.1.2: what a router does about GRACEFUL_SHUTDOWN. FRR does it by itself.
filter drain { if (65535, 0) ~ bgp_community then bgp_local_pref = 0; accept; }
router id ${host.address4};
protocol device { scan time 1; }
protocol direct { ipv4; ipv6; }
protocol kernel kernel4 { merge paths on; ipv4 { ${toKernel} }; }
protocol kernel kernel6 { merge paths on; ipv6 { ${toKernel} }; }
protocol static static4 { ipv4; ${blackholes(four)} }
protocol static static6 { ipv6; ${blackholes(six)} }
${options.neighbors.map((neighbor, i) => neighborConfig(neighbor, { i, options })).join('\n')}
`;
}

function neighborConfig(neighbor: RouterNeighbor, { i, options }: { i: number; options: RouterOptions }): string {
  return `
protocol bgp n${i} {
  local as ${neighbor.localAsn ?? options.asn};
  neighbor ${neighbor.address} as ${neighbor.asn};
  direct;
  hold time ${options.holdTimeS ?? 90};
  connect delay time 1;
  connect retry time ${neighbor.connectRetryS ?? 1};
  error wait time 1, 2;
  ${neighbor.password === undefined ? '' : `password "${neighbor.password}";`}
  ${neighbor.ttlSecurity === true ? 'ttl security on;' : ''}
  ${neighbor.passive === true ? 'passive on;' : ''}
  ${options.neighborLines ?? ''}
  ipv4 { import filter drain; export where source = RTS_STATIC; };
  ipv6 { import filter drain; export where source = RTS_STATIC; };
}`;
}

/** Of `show route all`: a prefix stands once for all its routes, and attributes are indented below each. */
function readRoutes(text: string): RouterRoute[] {
  const routes: RouterRoute[] = [];
  let prefix = '';
  for (const line of text.split('\n')) {
    const head = /^(\S*)\s+\S.* \[n\d+ .*?\] .*\(\d+/.exec(line);
    if (head !== null) {
      prefix = (head[1] as string) || prefix;
      routes.push({ prefix, nextHop: '', localPreference: undefined, med: undefined, communities: [], asPath: '', stale: false });
      continue;
    }
    const [, attribute, value = ''] = /^\tBGP\.(\w+): ?(.*)$/.exec(line) ?? [];
    const route = routes.at(-1);
    if (attribute !== undefined && route !== undefined) addAttribute(route, { attribute, value });
  }
  return routes;
}

function addAttribute(route: RouterRoute, { attribute, value }: { attribute: string; value: string }): void {
  if (attribute === 'next_hop') route.nextHop = value.trim();
  if (attribute === 'as_path') route.asPath = value.trim();
  if (attribute === 'local_pref') route.localPreference = Number(value);
  if (attribute === 'med') route.med = Number(value);
  if (attribute === 'community') route.communities = [...value.matchAll(/\((\d+),(\d+)\)/g)].map(([, high, low]) => `${high}:${low}`);
}
