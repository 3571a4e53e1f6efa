/**
 * The route as a `network` statement of FRR's bgpd (https://docs.frrouting.org/en/latest/bgp.html). bgpd announces it while zebra has the
 * prefix from the kernel (`bgp network import-check`), so the kernel's lifetime of the address is that of the route. Nothing is written to a file.
 */
import { familyOf, hostPrefix } from '../../base/address.ts';
import { printable } from '../../base/printable.ts';
import { halves } from '../../core/bgp/community.ts';
import { drained, LOCAL_PREFERENCE, type RouteAttributes } from '../../core/bgp/route.ts';
import type { Advertisement, Advertiser } from '../../ports/advertiser.ts';
import type { Clock } from '../../ports/clock.ts';
import { done, type Effect } from '../../ports/effect.ts';
import { advertiseBy, type RoutingDaemon } from './daemon.ts';
import { configFilter, type FrrConfig, readConfig, readImportChecks, readOwnPath, ROUTE_MAPS } from './frr-look.ts';
import { digestOf } from './digest.ts';
import { bgpdByVtysh, type Vtysh } from './vtysh.ts';

export interface FrrOptions {
  /** One or two: at most one of each family; in the form of `formatIp`. */
  addresses: readonly string[];
  attributes: RouteAttributes;
  clock: Clock;
  /** Folder of the daemons' sockets, where it is not that of the package. */
  socketFolder?: string;
}

/** Announces the addresses, which are on `lo`, through bgpd. Throws HaleError `netlink_unavailable`. */
export function openFrr({ addresses, attributes, clock, socketFolder }: FrrOptions): Advertiser {
  const daemon = new Frr({ addresses, attributes, vtysh: bgpdByVtysh(socketFolder) });
  return advertiseBy({ daemon, addresses, clock });
}

interface Look extends FrrConfig {
  importChecked: ReadonlySet<string>;
  /** In the order of the addresses. */
  paths: readonly ReturnType<typeof readOwnPath>[];
}

type Looked = { ok: true; look: Look } | { ok: false; reason: string };

const UNCHECKED =
  'bgp network import-check is off, so bgpd would announce the route even when hale is dead; nothing is announced: ' +
  'write `bgp network import-check` below `router bgp`';

class Frr implements RoutingDaemon {
  readonly name = 'FRR';
  readonly #addresses: readonly string[];
  readonly #vtysh: Vtysh;
  /** The lines of each route-map of hale. */
  readonly #routeMaps: ReadonlyMap<string, readonly string[]>;
  readonly #description: string;
  /** What the configuration said of import checks when they were found to be off: no second try before that changes. */
  #uncheckedBy: string | undefined;

  constructor({ addresses, attributes, vtysh }: { addresses: readonly string[]; attributes: RouteAttributes; vtysh: Vtysh }) {
    this.#addresses = addresses;
    this.#vtysh = vtysh;
    this.#routeMaps = new Map([
      [ROUTE_MAPS.announced, settings(attributes)],
      [ROUTE_MAPS.draining, settings(drained(attributes))],
    ]);
    this.#description = `hale ${digestOf(JSON.stringify([...this.#routeMaps]))}`;
  }

  async bring(advertisement: Advertisement, deadline: AbortSignal): Promise<string | undefined> {
    const looked = await this.#look(deadline);
    if (!looked.ok) return looked.reason;
    const { look } = looked;
    const foreign = this.#foreign(look);
    if (advertisement === 'withdrawn') return (await this.#withdraw(look, deadline)) ?? foreign;
    if (foreign !== undefined) return foreign;
    if (look.asn === undefined)
      return 'FRR: bgpd has no `router bgp` outside of VRFs: configure it, with the neighbours that are to be told; hale adds only the route';
    if (look.importCheck === this.#uncheckedBy) return this.#refuse(look, deadline);
    return this.#announce({ look, routeMap: ROUTE_MAPS[advertisement], deadline });
  }

  leave(deadline: AbortSignal): Promise<string | undefined> {
    return this.bring('withdrawn', deadline);
  }

  async #announce({
    look: before,
    routeMap,
    deadline,
  }: {
    look: Look;
    routeMap: string;
    deadline: AbortSignal;
  }): Promise<string | undefined> {
    let look = before;
    if (!this.#isSet(look, routeMap)) {
      const set = await this.#configure(
        [...this.#makeRouteMaps(look), ...this.#statements(look, (prefix) => `network ${prefix} route-map ${routeMap}`)],
        deadline,
      );
      if (!set.ok) return set.reason;
      const looked = await this.#look(deadline);
      if (!looked.ok) return looked.reason;
      look = looked.look;
      if (!this.#isSet(look, routeMap)) return 'FRR: bgpd has taken the route, but its configuration does not show it';
    }
    if (this.#addresses.every((address) => look.importChecked.has(address))) return this.#silence(look);
    this.#uncheckedBy = look.importCheck;
    return this.#refuse(look, deadline);
  }

  async #refuse(look: Look, deadline: AbortSignal): Promise<string> {
    const reason = await this.#withdraw(look, deadline);
    return `FRR: router bgp ${printable(look.asn ?? '')}: ${UNCHECKED}${reason === undefined ? '' : `; and ${reason}`}`;
  }

  async #withdraw(look: Look, deadline: AbortSignal): Promise<string | undefined> {
    const statements = this.#statements(look, (prefix) => (isOurs(look.networks.get(prefix)) ? `no network ${prefix}` : undefined));
    const commands = [...statements, ...[...look.routeMaps.keys()].filter(isOurs).map((name) => `no route-map ${name}`)];
    if (commands.length === 0) return undefined;
    const set = await this.#configure(commands, deadline);
    return set.ok ? undefined : set.reason;
  }

  async #look(deadline: AbortSignal): Promise<Looked> {
    const prefixes = this.#addresses.map(hostPrefix);
    const config = `show running-config bgpd no-header | include ${configFilter(prefixes)}`;
    const paths = this.#addresses.map((address) => `show bgp ${family(address)} unicast ${hostPrefix(address)} json`);
    const asked = await this.#vtysh([config, 'show bgp import-check-table', ...paths], deadline);
    const [configured, checks = '', ...texts] = asked.texts;
    const read = readConfig(configured ?? '');
    // Without an instance the questions about its routes are refused.
    if (asked.ok || (configured !== undefined && read.asn === undefined))
      return { ok: true, look: { ...read, importChecked: readImportChecks(checks), paths: texts.map(readOwnPath) } };
    // A daemon that was restarted may have another configuration.
    this.#uncheckedBy = undefined;
    return { ok: false, reason: `FRR: bgpd cannot be asked: ${asked.reason}: see that FRR runs, with bgpd=yes in /etc/frr/daemons` };
  }

  /** A statement that is not hale's announces the address no matter what hale wants, and is not hale's to change. */
  #foreign(look: Look): string | undefined {
    const prefix = this.#addresses.map(hostPrefix).find((one) => look.networks.has(one) && !isOurs(look.networks.get(one)));
    return (
      prefix &&
      `FRR: router bgp ${printable(look.asn ?? '')} has a statement \`network ${prefix}\` of its own, which announces it always: remove it`
    );
  }

  #isSet(look: Look, routeMap: string): boolean {
    const described = [...this.#routeMaps.keys()].every((name) => look.routeMaps.get(name) === this.#description);
    return described && this.#addresses.every((address) => look.networks.get(hostPrefix(address)) === routeMap);
  }

  #makeRouteMaps(look: Look): string[] {
    return [...this.#routeMaps].flatMap(([name, lines]) => {
      if (look.routeMaps.get(name) === this.#description) return [];
      const gone = look.routeMaps.has(name) ? [`no route-map ${name}`] : [];
      return [...gone, `route-map ${name} permit 10`, `description ${this.#description}`, ...lines, 'exit'];
    });
  }

  #statements(look: Look, statement: (prefix: string) => string | undefined): string[] {
    const lines = this.#addresses.flatMap((address) => {
      const line = statement(hostPrefix(address));
      return line === undefined ? [] : [`address-family ${family(address)} unicast`, line, 'exit-address-family'];
    });
    return lines.length === 0 ? [] : [`router bgp ${look.asn}`, ...lines, 'exit'];
  }

  async #configure(lines: readonly string[], deadline: AbortSignal): Promise<Effect> {
    const answer = await this.#vtysh(['configure terminal', ...lines, 'end'], deadline);
    return answer.ok ? done : { ok: false, reason: `FRR: bgpd refuses: ${answer.reason}` };
  }

  /** Why nobody hears of a route that is set. */
  #silence({ asn, paths }: Look): string | undefined {
    const invalid = this.#addresses.find((_, i) => paths[i]?.valid !== true);
    if (invalid !== undefined)
      return `FRR: bgpd does not find ${invalid} in zebra, and announces nothing: see that it is on lo, and that zebra runs`;
    const unheard = this.#addresses.find((_, i) => paths[i]?.advertised !== true);
    if (unheard === undefined) return undefined;
    return (
      `FRR: router bgp ${printable(asn ?? '')} announces ${unheard} to no neighbour: see \`show bgp ${family(unheard)} unicast summary\` for sessions ` +
      'that are down or of the other family, and for (Policy), which an outgoing route-map or `no bgp ebgp-requires-policy` mends'
    );
  }
}

function isOurs(routeMap: string | undefined): boolean {
  return Object.values<string | undefined>(ROUTE_MAPS).includes(routeMap);
}

function family(address: string): string {
  return familyOf(address).toLowerCase();
}

function settings({ communities, localPreference = LOCAL_PREFERENCE, med }: RouteAttributes): string[] {
  const set = communities.map((community) => halves(community).join(':')).join(' ');
  return [
    ...(set === '' ? [] : [`set community ${set}`]),
    `set local-preference ${localPreference}`,
    ...(med === undefined ? [] : [`set metric ${med}`]),
  ];
}
