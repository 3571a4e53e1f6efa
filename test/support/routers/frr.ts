/** FRRouting: zebra(8), bgpd(8), https://docs.frrouting.org/en/stable-8.4/bgp.html */
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import type { TestHost } from '../netns.ts';
import { singleUserProblem } from '../single-user.ts';
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

const [ZEBRA, BGPD] = ['/usr/lib/frr/zebra', '/usr/lib/frr/bgpd'];
const problem = singleUserProblem ?? notInstalled(ZEBRA, BGPD, '/usr/bin/vtysh');

export const frr: RouterKind = {
  problem,
  title: problem === undefined ? `FRR's ${execFileSync(BGPD, ['--version'], { encoding: 'utf8' }).split('\n')[0]}` : 'FRR',
  async start(host, options) {
    const daemon = new Daemon(host, 'frr');
    const { folder } = daemon;
    const common = ['-z', daemon.file('zserv.api'), '--vty_socket', folder, '-P', '0', '--log', 'stdout'];
    const zebraConfig = daemon.write('zebra.conf', '');
    const bgpdConfig = daemon.write('bgpd.conf', bgpConfig(host, options));
    // The daemons give up root for the user that they were built for.
    chmodSync(folder, 0o755);
    execFileSync('chown', ['-R', 'frr:frr', folder]);
    const vtysh = (...commands: string[]) =>
      daemon.ask('/usr/bin/vtysh', '--vty_socket', folder, ...commands.flatMap((command) => ['-c', command]));
    daemon.start(ZEBRA, '-f', zebraConfig, '-i', daemon.file('zebra.pid'), ...common);
    await daemon.ready(async () => (await vtysh('show interface brief')).includes('eth0'));
    daemon.start(BGPD, '-f', bgpdConfig, '-i', daemon.file('bgpd.pid'), ...common);
    await daemon.ready(async () => (await vtysh('show bgp summary json')).includes('ipv4Unicast'));
    const router: Router = {
      daemon,
      async session(neighbor) {
        const text = await vtysh(`show bgp neighbors ${neighbor} json`);
        return { text, established: text.includes('"bgpState":"Established"') };
      },
      routes: async () => [...(await routesOf(vtysh, 'ipv4')), ...(await routesOf(vtysh, 'ipv6'))],
      shutDown: async (neighbor, text) =>
        void (await vtysh('configure terminal', `router bgp ${options.asn}`, `neighbor ${neighbor} shutdown message ${text}`)),
      refresh: async (neighbor) => void (await vtysh(`clear bgp ${neighbor} in`)),
    };
    return router;
  },
};

function bgpConfig(host: TestHost, options: RouterOptions): string {
  const { neighbors } = options;
  const { four, six } = familiesOf(options.announces ?? []);
  const holdTimeS = options.holdTimeS ?? 90;
  const family = (name: string, prefixes: string[]) => `
 address-family ${name} unicast
${[...neighbors.map(({ address }) => `  neighbor ${address} activate`), ...prefixes.map((prefix) => `  network ${prefix}`)].join('\n')}
  maximum-paths 8
  maximum-paths ibgp 8
 exit-address-family`;
  return `
debug bgp neighbor-events
debug bgp updates in
router bgp ${options.asn}
 bgp router-id ${host.address4}
 bgp log-neighbor-changes
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 bgp bestpath as-path multipath-relax
 timers bgp ${Math.floor(holdTimeS / 3)} ${holdTimeS}
${neighbors.map((neighbor) => neighborLines(neighbor, options)).join('\n')}
${family('ipv4', four)}
${family('ipv6', six)}
`;
}

function neighborLines(neighbor: RouterNeighbor, { neighborLines: more }: RouterOptions): string {
  const lines = [
    `remote-as ${neighbor.asn}`,
    `timers connect ${neighbor.connectRetryS ?? 1}`,
    ...(neighbor.localAsn === undefined ? [] : [`local-as ${neighbor.localAsn} no-prepend replace-as`]),
    ...(neighbor.password === undefined ? [] : [`password ${neighbor.password}`]),
    ...(neighbor.ttlSecurity === true ? ['ttl-security hops 1'] : []),
    ...(neighbor.passive === true ? ['passive'] : []),
    ...(more === undefined ? [] : [more]),
  ];
  return lines.map((line) => ` neighbor ${neighbor.address} ${line}`).join('\n');
}

interface Path {
  stale?: boolean;
  locPrf?: number;
  localpref?: number;
  metric?: number;
  aspath?: { string: string };
  community?: { string: string };
  nexthops?: { ip: string; scope?: string }[];
}

/** The table of a family names the prefixes; the details are asked for one by one. */
async function routesOf(vtysh: (...commands: string[]) => Promise<string>, family: string): Promise<RouterRoute[]> {
  const table = JSON.parse(await vtysh(`show bgp ${family} unicast json`)) as {
    routes?: Record<string, { pathFrom?: string; weight: number }[]>;
  };
  const learned = Object.entries(table.routes ?? {}).filter(([, paths]) => paths.some(({ weight }) => weight === 0));
  const routes: RouterRoute[] = [];
  for (const [prefix] of learned) {
    const { paths = [] } = JSON.parse(await vtysh(`show bgp ${family} unicast ${prefix} json`)) as { paths?: Path[] };
    routes.push(...paths.map((path) => asRoute(prefix, path)));
  }
  return routes;
}

function asRoute(prefix: string, path: Path): RouterRoute {
  const named: Record<string, string> = { gracefulShutdown: '65535:0', 'graceful-shutdown': '65535:0' };
  return {
    prefix,
    nextHop: path.nexthops?.[0]?.ip ?? '',
    localPreference: path.locPrf ?? path.localpref,
    med: path.metric,
    communities: (path.community?.string ?? '')
      .split(' ')
      .filter((word) => word !== '')
      .map((word) => named[word] ?? word),
    asPath: (path.aspath?.string ?? '').replace('Local', ''),
    stale: path.stale === true,
  };
}
