/** Reads what bgpd says about itself through vtysh. Lines that are not known are passed over. */
import { isMapping, type Mapping, mappingAt, mappingsAt } from '../../core/apiserver/json.ts';

/** Route-maps of hale; everything else in the configuration belongs to others. */
export const ROUTE_MAPS = { announced: 'hale-announced', draining: 'hale-draining' } as const;

export interface FrrConfig {
  /** Number of the BGP instance that is in no VRF, as it is written there. */
  asn: string | undefined;
  /** Prefix of each `network` statement of that instance, and its route-map or ''. */
  networks: ReadonlyMap<string, string>;
  /** Description of each route-map of hale. */
  routeMaps: ReadonlyMap<string, string>;
  /** The line about `bgp network import-check`, which is there where it is not the default. */
  importCheck: string;
}

/** The lines of `show running-config` that `readConfig` reads; no passwords are among them. */
export function configFilter(prefixes: readonly string[]): string {
  const networks = prefixes.map((prefix) => `^ +network ${prefix.replaceAll('.', '\\.')}( |$)`);
  return [...networks, '^router ', '^exit', 'network import-check', '^route-map hale-', '^ description hale '].join('|');
}

export function readConfig(text: string): FrrConfig {
  const networks = new Map<string, string>();
  const routeMaps = new Map<string, string>();
  let asn: string | undefined;
  let importCheck = '';
  /** The block that the line is in. */
  let block: string | undefined;
  for (const line of text.split('\n')) {
    const indented = line.startsWith(' ');
    if (!indented) block = undefined;
    const instance = /^router bgp (\S+)(?: as-notation \S+)?$/.exec(line)?.[1];
    const routeMap = /^route-map (hale-\S+) /.exec(line)?.[1];
    if (instance !== undefined) [block, asn] = ['bgp', instance];
    if (routeMap !== undefined) routeMaps.set((block = routeMap), '');
    if (!indented || block === undefined) continue;
    const network = /^ +network (\S+)(?:.* route-map (\S+))?/.exec(line);
    const description = /^ description (hale .*)$/.exec(line)?.[1];
    if (block === 'bgp' && network !== null) networks.set(network[1] as string, network[2] ?? '');
    else if (block === 'bgp' && line.endsWith('network import-check')) importCheck = line.trim();
    else if (description !== undefined && routeMaps.has(block)) routeMaps.set(block, description.trim());
  }
  return { asn, networks, routeMaps, importCheck };
}

/** Addresses in `show bgp import-check-table`: those whose route bgpd looks for, found or not. */
export function readImportChecks(text: string): Set<string> {
  const found = text.split('\n').map((line) => /^ (\S+?)(?:\/\d+)? (?:valid|invalid)\b/.exec(line)?.[1]);
  return new Set(found.filter((address) => address !== undefined));
}

/** This host's own route among the paths of `show bgp … PREFIX json`; undefined where there is none. */
export function readOwnPath(text: string): { valid: boolean; advertised: boolean } | undefined {
  const json = parseMapping(text);
  const own = mappingsAt(json, 'paths').find((path) => path['sourced'] === true);
  return own && { valid: own['valid'] === true, advertised: Object.keys(mappingAt(json, 'advertisedTo')).length > 0 };
}

function parseMapping(text: string): Mapping {
  try {
    const json: unknown = JSON.parse(text);
    return isMapping(json) ? json : {};
  } catch {
    return {};
  }
}
