/** ExaBGP 4: https://github.com/Exa-Networks/exabgp/wiki. It tells a helper what it hears, as lines of JSON, and takes commands from it. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { TestHost } from '../netns.ts';
import { Daemon } from './daemon.ts';
import { notInstalled, type Router, type RouterKind, type RouterNeighbor, type RouterOptions, type RouterRoute } from './router.ts';

const EXABGP = '/usr/sbin/exabgp';
const problem = notInstalled(EXABGP);

export const exabgp: RouterKind = {
  problem,
  title: problem === undefined ? (execFileSync(EXABGP, ['--version'], { encoding: 'utf8' }).split('\n')[0] as string) : 'ExaBGP',
  async start(host, options) {
    const daemon = new Daemon(host, 'exabgp');
    const [heard, told] = [daemon.file('heard'), daemon.file('told')];
    daemon.write('told', '');
    // Both ends in one shell: what comes in is kept, what is appended to the file goes out.
    const helper = daemon.write('helper.sh', `tail --pid=$$ -n +1 -F ${told} & exec cat >> ${heard}\n`);
    daemon.start('env', ...environment(options), EXABGP, daemon.write('exabgp.conf', config(host, { options, helper })));
    await daemon.ready(async () => daemon.log.includes('loaded new configuration successfully') || existsSync(heard));
    const events = () =>
      (existsSync(heard) ? readFileSync(heard, 'utf8').split('\n').slice(0, -1) : []).map((line) => JSON.parse(line) as Event);
    const command = async (line: string) => appendFileSync(told, `${line}\n`);
    const router: Router = {
      daemon,
      async session(neighbor) {
        const own = events().filter((event) => event.neighbor?.address.peer === neighbor);
        const last = own.findLast(({ type }) => type === 'state')?.neighbor?.state;
        return { text: own.map((event) => JSON.stringify(event)).join('\n'), established: last === 'up' };
      },
      routes: async () => routesOf(events()),
      // It has no text for it, and connects again.
      shutDown: async (neighbor) => command(`neighbor ${neighbor} teardown 2`),
      refresh: async (neighbor) => {
        await command(`neighbor ${neighbor} announce route-refresh ipv4 unicast`);
        await command(`neighbor ${neighbor} announce route-refresh ipv6 unicast`);
      },
    };
    return router;
  },
};

function environment({ neighbors }: RouterOptions): string[] {
  const settings = {
    'daemon.user': 'root',
    'daemon.drop': 'false',
    'log.destination': 'stderr',
    'log.level': 'DEBUG',
    'api.cli': 'false',
    'api.ack': 'false',
    'tcp.bind': neighbors.some(({ address }) => address.includes(':')) ? '0.0.0.0 ::' : '0.0.0.0',
    'tcp.port': '179',
  };
  return Object.entries(settings).map(([name, value]) => `exabgp.${name}=${value}`);
}

function config(host: TestHost, { options, helper }: { options: RouterOptions; helper: string }): string {
  return `
process helper { run /bin/sh ${helper}; encoder json; }
${options.neighbors.map((neighbor) => neighborConfig(neighbor, { host, options })).join('\n')}
`;
}

function neighborConfig(neighbor: RouterNeighbor, { host, options }: { host: TestHost; options: RouterOptions }): string {
  const local = neighbor.address.includes(':') ? host.address6 : host.address4;
  const announced = (prefix: string) => `unicast ${prefix} next-hop ${prefix.includes(':') ? host.address6 : host.address4};`;
  const announces = options.announces ?? [];
  const family = (name: string, prefixes: string[]) => (prefixes.length === 0 ? '' : `${name} { ${prefixes.map(announced).join(' ')} }`);
  return `
neighbor ${neighbor.address} {
  local-address ${local};
  local-as ${neighbor.localAsn ?? options.asn};
  peer-as ${neighbor.asn};
  router-id ${host.address4};
  hold-time ${options.holdTimeS ?? 90};
  ${neighbor.passive === true ? 'passive true;' : ''}
  ${neighbor.password === undefined ? '' : `md5-password "${neighbor.password}";`}
  ${neighbor.ttlSecurity === true ? 'outgoing-ttl 255; incoming-ttl 255;' : ''}
  capability { asn4 enable; route-refresh enable; }
  family { ipv4 unicast; ipv6 unicast; }
  api { processes [ helper ]; neighbor-changes; receive { parsed; update; notification; open; refresh; } send { parsed; open; notification; } }
  announce {
    ${family(
      'ipv4',
      announces.filter((prefix) => !prefix.includes(':')),
    )}
    ${family(
      'ipv6',
      announces.filter((prefix) => prefix.includes(':')),
    )}
  }
  ${options.neighborLines ?? ''}
}`;
}

interface Event {
  type: string;
  neighbor?: {
    address: { peer: string };
    state?: string;
    message?: {
      update?: {
        attribute?: { 'as-path'?: number[]; 'local-preference'?: number; med?: number; community?: [number, number][] };
        announce?: Record<string, Record<string, { nlri: string }[]>>;
        withdraw?: Record<string, { nlri: string }[]>;
      };
    };
  };
}

/** What is announced, less what is withdrawn or lost with its session. */
function routesOf(events: readonly Event[]): RouterRoute[] {
  const routes = new Map<string, RouterRoute>();
  for (const { type, neighbor } of events) {
    const peer = neighbor?.address.peer ?? '';
    if (type === 'state' && neighbor?.state === 'down') for (const key of routes.keys()) if (key.startsWith(`${peer} `)) routes.delete(key);
    const update = neighbor?.message?.update;
    for (const withdrawn of Object.values(update?.withdraw ?? {}).flat()) routes.delete(`${peer} ${withdrawn.nlri}`);
    const attribute = update?.attribute;
    for (const hops of Object.values(update?.announce ?? {})) {
      for (const [nextHop, prefixes] of Object.entries(hops)) {
        for (const { nlri } of prefixes) {
          if (nlri === undefined) continue;
          const communities = (attribute?.community ?? []).map(([high, low]) => `${high}:${low}`);
          const asPath = (attribute?.['as-path'] ?? []).join(' ');
          const [localPreference, med] = [attribute?.['local-preference'], attribute?.med];
          routes.set(`${peer} ${nlri}`, { prefix: nlri, nextHop, localPreference, med, communities, asPath, stale: false });
        }
      }
    }
  }
  return [...routes.values()];
}
