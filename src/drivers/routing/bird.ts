/**
 * The route as BIRD's own of the address on `lo` (protocol direct, https://bird.network.cz/?get_doc&f=bird-6.html): BIRD has it while the
 * kernel has the address, so the kernel's lifetime of the address is that of the route. Two protocols in a file that bird.conf includes are
 * switched through the control socket: the user's configuration is read again only to have BIRD know them.
 */
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { familyOf, hostPrefix } from '../../base/address.ts';
import { halves } from '../../core/bgp/community.ts';
import { drained, LOCAL_PREFERENCE, type RouteAttributes } from '../../core/bgp/route.ts';
import type { Advertisement, Advertiser } from '../../ports/advertiser.ts';
import type { Clock } from '../../ports/clock.ts';
import { type BirdProtocol, type Birdc, openBirdc, readProtocols } from './birdc.ts';
import { readIfThere } from '../read-if-there.ts';
import { advertiseBy, type RoutingDaemon } from './daemon.ts';
import { digestOf } from './digest.ts';

export interface BirdOptions {
  /** One or two: at most one of each family; in the form of `formatIp`. */
  addresses: readonly string[];
  attributes: RouteAttributes;
  clock: Clock;
  /** The file that bird.conf includes. */
  file?: string;
  /** Where it is not that of the package. */
  controlSocket?: string;
}

/** Announces the addresses, which are on `lo`, through BIRD 2 or later. Throws HaleError `netlink_unavailable`. */
export function openBird(options: BirdOptions): Advertiser {
  const { addresses, attributes, clock, file = '/run/hale/bird.conf', controlSocket = '/run/bird/bird.ctl' } = options;
  const daemon = new Bird({ addresses, attributes, file, birdc: openBirdc(controlSocket), controlSocket });
  return advertiseBy({ daemon, addresses, clock });
}

/** bird.conf of the user asks for routes of protocols with these names. */
const PROTOCOLS = { announced: 'hale_announced', draining: 'hale_draining' } as const;
const NAMES = Object.values(PROTOCOLS);
const EMPTY = '# hale is not running.\n';

interface BirdSettings {
  addresses: readonly string[];
  attributes: RouteAttributes;
  file: string;
  birdc: Birdc;
  controlSocket: string;
}

class Bird implements RoutingDaemon {
  readonly name = 'BIRD';
  readonly #settings: BirdSettings;
  readonly #description: string;
  /** BIRD has read its configuration with our file in place, and need not be told again. */
  #read = false;

  constructor(settings: BirdSettings) {
    this.#settings = settings;
    this.#description = `hale ${digestOf(this.#text('withdrawn', ''))}`;
  }

  async bring(advertisement: Advertisement, deadline: AbortSignal): Promise<string | undefined> {
    const written = this.#write(this.#text(advertisement, this.#description));
    // What runs already is switched all the same, the more so when it is to be withdrawn.
    const switched = await this.#switch(advertisement, deadline);
    if (!switched.ok) return switched.reason;
    if (written !== undefined) return written;
    if (!this.#known(switched.protocols)) {
      if (this.#read) return this.#unknown();
      const configured = await this.#configure(deadline);
      if (configured !== undefined) return configured;
      const again = await this.#switch(advertisement, deadline);
      if (!again.ok) return again.reason;
      if (!this.#known(again.protocols)) return this.#unknown();
    }
    this.#read = true;
    return this.#compare(advertisement, deadline);
  }

  async leave(deadline: AbortSignal): Promise<string | undefined> {
    const { file } = this.#settings;
    const written = this.#write(EMPTY);
    const switched = await this.#switch('withdrawn', deadline);
    const configured = switched.ok && switched.protocols.size > 0 ? await this.#configure(deadline) : undefined;
    return [switched.ok ? undefined : switched.reason, configured, written, removed(file)].find((reason) => reason !== undefined);
  }

  #known(protocols: ReadonlyMap<string, BirdProtocol>): boolean {
    return NAMES.every((name) => protocols.get(name)?.description === this.#description);
  }

  #unknown(): string {
    const { file } = this.#settings;
    // BIRD starts without the file or its folder only where a pattern is to match them.
    const pattern = join(`${dirname(file)}*`, basename(file));
    return `BIRD: its configuration does not include ${file}: write \`include "${pattern}";\` into bird.conf, and run \`birdc configure\``;
  }

  /** Makes before it breaks: routers see the route change, not go. */
  async #switch(
    advertisement: Advertisement,
    deadline: AbortSignal,
  ): Promise<{ ok: true; protocols: Map<string, BirdProtocol> } | { ok: false; reason: string }> {
    const { birdc } = this.#settings;
    const shown = await this.#ask(['show', 'protocols', 'all', '"hale_*"'], deadline);
    if (!shown.ok) return shown;
    const protocols = readProtocols(shown.lines);
    const wanted = advertisement === 'withdrawn' ? undefined : PROTOCOLS[advertisement];
    const changes = [
      ...NAMES.filter((name) => name === wanted && protocols.get(name)?.up === false).map((name) => ['enable', name]),
      ...NAMES.filter((name) => name !== wanted && protocols.get(name)?.up === true).map((name) => ['disable', name]),
    ];
    for (const change of changes) {
      const changed = await birdc(change, deadline);
      if (!changed.ok) return { ok: false, reason: `BIRD refuses \`${change.join(' ')}\`: ${changed.reason}` };
    }
    return { ok: true, protocols };
  }

  async #configure(deadline: AbortSignal): Promise<string | undefined> {
    const configured = await this.#settings.birdc(['configure'], deadline);
    if (!configured.ok) return `BIRD refuses its configuration: ${configured.reason}: mend it, and see \`birdc configure check\``;
    this.#read = true;
    return undefined;
  }

  async #ask(command: readonly string[], deadline: AbortSignal) {
    const { birdc, controlSocket } = this.#settings;
    const answer = await birdc(command, deadline);
    if (answer.ok) return answer;
    // One that is started again reads the file by itself, but may have been given another configuration.
    this.#read = false;
    return { ok: false as const, reason: `BIRD cannot be asked by birdc -s ${controlSocket}: ${answer.reason}: see that BIRD 2 runs` };
  }

  /** Why neighbours are told something else than what is set. */
  async #compare(advertisement: Advertisement, deadline: AbortSignal): Promise<string | undefined> {
    const shown = await this.#ask(['show', 'protocols'], deadline);
    if (!shown.ok) return shown.reason;
    const peers = [...readProtocols(shown.lines)].filter(([name, { kind, up }]) => kind === 'BGP' && up && /^[\w.:-]+$/.test(name));
    for (const prefix of this.#settings.addresses.map(hostPrefix)) {
      const own = await this.#toldBy(advertisement === 'withdrawn' ? 'others' : 'hale', {
        prefix,
        peers: peers.map(([name]) => name),
        deadline,
      });
      if (advertisement === 'withdrawn' && own !== undefined)
        return `BIRD exports ${prefix} to ${own} by a protocol that is not hale's, which announces it always: accept only \`proto ~ "hale_*"\` for it`;
      if (advertisement === 'withdrawn' || own !== undefined) continue;
      return (await this.#isThere({ prefix, protocol: PROTOCOLS[advertisement], deadline }))
        ? `BIRD exports ${prefix} to no BGP neighbour: see \`birdc show protocols\` for sessions that are down, and that the export filters accept \`proto ~ "hale_*"\``
        : `BIRD has no route ${prefix} of ${PROTOCOLS[advertisement]}: see that the address is on lo, and that bird.conf has \`protocol device {}\``;
    }
    return undefined;
  }

  /** The first neighbour that is told this host's own route by a protocol of hale, or by another one. */
  async #toldBy(
    whom: 'hale' | 'others',
    { prefix, peers, deadline }: { prefix: string; peers: readonly string[]; deadline: AbortSignal },
  ): Promise<string | undefined> {
    for (const peer of peers) {
      // A channel that is down has no table: a refusal.
      const shown = await this.#settings.birdc(['show', 'route', prefix, 'export', `'${peer}'`], deadline);
      const texts = shown.ok ? shown.lines.map(({ text }) => text) : [];
      const byHale = texts.some((text) => text.includes('[hale_'));
      if (whom === 'hale' ? byHale : !byHale && texts.some((text) => /^\s+dev lo\b/.test(text))) return peer;
    }
    return undefined;
  }

  async #isThere({ prefix, protocol, deadline }: { prefix: string; protocol: string; deadline: AbortSignal }): Promise<boolean> {
    const shown = await this.#settings.birdc(['show', 'route', prefix, 'protocol', protocol], deadline);
    return shown.ok && shown.lines.some(({ text }) => text.includes(`[${protocol} `));
  }

  /** So that a restart of BIRD, and a `birdc configure` of somebody else, end where hale wants it. Why it cannot be written. */
  #write(text: string): string | undefined {
    const { file } = this.#settings;
    const temporary = join(dirname(file), `.${basename(file)}-${process.pid}`);
    try {
      if (readIfThere(file) === text) return undefined;
      mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
      // BIRD gives up root before it reads this, and there is no secret in it.
      writeFileSync(temporary, text);
      chmodSync(temporary, 0o644);
      renameSync(temporary, file);
      return undefined;
    } catch (error) {
      return removed(temporary) ?? `${file}: cannot be written: ${(error as Error).message}`;
    }
  }

  #text(advertisement: Advertisement, description: string): string {
    const { addresses, attributes } = this.#settings;
    const protocol = (state: keyof typeof PROTOCOLS, sent: RouteAttributes) =>
      [
        `protocol direct ${PROTOCOLS[state]} {`,
        `  description "${description}";`,
        `  disabled ${state === advertisement ? 'no' : 'yes'};`,
        '  interface "lo";',
        ...addresses.flatMap((address) => channel(address, sent)),
        '}',
      ].join('\n');
    return `# Written by hale, which keeps it up to date.\n${protocol('announced', attributes)}\n${protocol('draining', drained(attributes))}\n`;
  }
}

function channel(address: string, { communities, localPreference = LOCAL_PREFERENCE, med }: RouteAttributes): string[] {
  return [
    `  ${familyOf(address).toLowerCase()} {`,
    // Above that of another protocol direct.
    '    preference 250;',
    '    import filter {',
    `      if net != ${hostPrefix(address)} then reject;`,
    `      bgp_local_pref = ${localPreference};`,
    ...(med === undefined ? [] : [`      bgp_med = ${med};`]),
    ...communities.map((community) => `      bgp_community.add((${halves(community).join(',')}));`),
    '      accept;',
    '    };',
    '  };',
  ];
}

/** Why it is there still. */
function removed(file: string): string | undefined {
  try {
    rmSync(file, { force: true });
    return undefined;
  } catch (error) {
    return `${file}: cannot be removed: ${(error as Error).message}`;
  }
}
