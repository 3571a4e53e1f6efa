/** VRRP in place of the quorum lease, as cluster.yaml describes it for this host. */
import { familyOf, type Family } from '../base/address.ts';
import { HaleError } from '../base/error.ts';
import { virtualRouterId } from '../core/cluster/router-id.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { goodPriority, poorPriority, UNFIT_BELOW } from '../core/vrrp/priority.ts';
import { activeDownIntervalMs } from '../core/vrrp/timing.ts';
import { warningText } from '../core/vrrp/warning-text.ts';
import { encodeAdvertisement, PASSWORD_BYTES } from '../core/vrrp/wire.ts';
import { linkByName, listAddresses } from '../drivers/linux/links.ts';
import { openVrrpLink } from '../drivers/linux/vrrp.ts';
import { readPasswordFile } from '../drivers/password-file.ts';
import { VrrpEngine, type VrrpEvent } from '../engine/vrrp.ts';
import type { VrrpStatus } from '../ports/control.ts';
import type { VrrpLink } from '../ports/vrrp.ts';
import type { Claim, ClaimFacts } from './claim.ts';
import type { Resignation } from './guardian/will.ts';
import type { ClaimOptions } from './open-claim.ts';

/** Longest wait for another router to take over; with long intervals its skew time may be longer. */
const STOP_MS_MAX = 10_000;
/** Between two looks whether another router has taken over. */
const WITHDRAWN_LOOK_MS = 2;
/** As long as others may still need to hear of it. */
const WARNING_SHOWN_MS = 300_000;

/** Throws HaleError `password_file_unusable`, `vrrp_address_missing`, `vrrp_link_refused`. */
export function openVrrpClaim(options: ClaimOptions): Claim {
  return new VrrpClaim(options);
}

class VrrpClaim implements Claim {
  readonly #options: ClaimOptions;
  readonly #links: readonly VrrpLink[];
  readonly #password: string | undefined;
  readonly #engine: VrrpEngine;
  #facts: ClaimFacts = { fitness: 'unable', draining: false };
  #since: number;
  #warnings: { kind: string; text: string; at: number }[] = [];

  constructor(options: ClaimOptions) {
    const { cluster, clock, host } = options;
    const { vrrp, endpoint } = cluster;
    this.#options = options;
    this.#since = clock.now();
    const families = [...new Set(endpoint.addresses.map(familyOf))];
    const { passwordFile } = vrrp;
    this.#password = passwordFile && readPasswordFile(passwordFile, { key: 'vrrp.passwordFile', most: PASSWORD_BYTES });
    if (this.#password !== undefined)
      options.log.warn({}, 'the password of VRRP version 2 goes over the wire in clear, so it keeps nobody out');
    this.#links = openLinks(options, families);
    this.#engine = new VrrpEngine({
      config: {
        version: vrrp.version,
        virtualRouterId: virtualRouterId({ name: cluster.name, chosen: vrrp.virtualRouterId }),
        advertiseIntervalMs: vrrp.advertisementIntervalMs,
        preempt: vrrp.preempt,
        preemptDelayMs: vrrp.preemptDelaySeconds * 1000,
        startupDelayMs: 0,
        unfitBelow: UNFIT_BELOW,
        checksumForm: 'with-pseudo-header',
      },
      ...(this.#password === undefined ? {} : { password: this.#password }),
      links: this.#links.map((link, i) => ({ link, addresses: endpoint.addresses.filter((address) => familyOf(address) === families[i]) })),
      clock,
      endpoint: host.endpoint,
      onEvent: (event) => this.#onEvent(event),
    });
  }

  get isHolding(): boolean {
    return this.#engine.holds;
  }

  holder(): number | undefined {
    if (this.isHolding) return this.#options.self.index;
    const active = this.#active();
    return active === undefined ? undefined : this.#memberAt(active.from);
  }

  whyNot(): string | undefined {
    if (this.isHolding) return undefined;
    if (this.#facts.draining) return 'this host is drained; see: hale agent resume';
    const active = this.#active();
    if (active === undefined) return 'nobody is heard as active yet, and this host waits for that as long as VRRP demands';
    return `${this.#nameOf(active.from)} is active`;
  }

  update(facts: ClaimFacts): void {
    this.#facts = facts;
    this.#engine.setPriority(this.#priority(facts));
  }

  async stop(): Promise<void> {
    const { clock } = this.#options;
    this.#engine.shutdown();
    const until = clock.now() + STOP_MS_MAX;
    while (this.isHolding && clock.now() < until)
      await new Promise((resolve) => clock.at(clock.now() + WITHDRAWN_LOOK_MS, () => resolve(undefined)));
    this.#engine.stop();
  }

  #priority({ fitness, draining }: ClaimFacts): number {
    const { cluster, self } = this.#options;
    if (draining || fitness === 'unable') return 0;
    const hosts = cluster.controlPlane.hosts.length;
    return fitness === 'good' ? goodPriority({ first: cluster.vrrp.priority, index: self.index, hosts }) : poorPriority(self);
  }

  /** Who was heard last on any link, while that is not long ago. */
  #active(): { from: string; at: number; priority: number } | undefined {
    const { state } = this.#engine;
    const recentMs = this.#downIntervalMs();
    const heard = state.heard.filter((one) => one !== undefined).toSorted((a, b) => b.at - a.at);
    const last = heard[0];
    return last === undefined || this.#options.clock.now() - last.at > recentMs ? undefined : last;
  }

  #downIntervalMs(): number {
    const { config, priority, activeAdverIntervalMs } = this.#engine.state;
    return activeDownIntervalMs({ version: config.version, priority: Math.max(1, priority), activeAdverIntervalMs });
  }

  #memberAt(address: string): number | undefined {
    const { cluster, members, lease } = this.#options;
    const { hosts } = cluster.controlPlane;
    const index = hosts.findIndex(
      (host, i) => host.addresses.some((own) => own.address === address) || members.linkLocalOf(i, lease()) === address,
    );
    return index < 0 ? undefined : index;
  }

  #nameOf(address: string): string {
    const member = this.#memberAt(address);
    return member === undefined ? address : (this.#options.members.names[member] as string);
  }

  #onEvent(event: VrrpEvent): void {
    const { clock, log, metrics, tenure, arm } = this.#options;
    switch (event.kind) {
      case 'became-active':
        this.#since = clock.now();
        arm(this.#resignations());
        return tenure.begin({ facts: { reason: event.reason }, handedOver: false });
      case 'became-backup':
        this.#since = clock.now();
        return log.debug({}, 'VRRP backup');
      case 'lost': {
        this.#since = clock.now();
        // Said by a backup it would have another one take over from the active.
        arm([]);
        const by = event.by === undefined ? {} : { by: this.#nameOf(event.by.from), priority: event.by.priority };
        return tenure.end({ facts: by, reason: event.reason, handedOver: false });
      }
      case 'warned': {
        const { warning } = event;
        const text = warningText(warning);
        this.#warnings = [...this.#warnings.filter(({ kind }) => kind !== warning.kind), { kind: warning.kind, text, at: clock.now() }];
        return log.warn({ ...warning }, text);
      }
      default:
        metrics.effectFailures.inc({ effect: event.kind });
        return log.error(
          { reason: event.reason },
          event.kind === 'hold-failed' ? 'cannot hold the address' : 'cannot withdraw the address',
        );
    }
  }

  /** Advertisements with priority 0, as this host would send them. */
  #resignations(): Resignation[] {
    const { config } = this.#engine.state;
    return this.#links.flatMap(({ source, destinations }, i) =>
      destinations.map((to) => {
        const addresses = config.links[i]?.addresses ?? [];
        const message = { ...config, priority: 0, maxAdvertiseIntervalMs: config.advertiseIntervalMs, addresses };
        const bytes = encodeAdvertisement(message, { from: source, to, password: this.#password, checksumForm: config.checksumForm });
        const family = familyOf(source);
        return { interfaceName: this.#options.host.link.name, family, from: source, to, message: Buffer.from(bytes).toString('base64') };
      }),
    );
  }

  get vrrp(): VrrpStatus {
    const { state, counters, lastError } = this.#engine;
    const now = this.#options.clock.now();
    const active = this.isHolding ? undefined : this.#active();
    const ago = (at: number) => Math.round(now - at);
    const member = active && this.#memberAt(active.from);
    return {
      version: state.config.version,
      virtualRouterId: state.config.virtualRouterId,
      state: state.phase,
      sinceMs: ago(this.#since),
      priority: state.priority,
      advertisementIntervalMs: state.config.advertiseIntervalMs,
      activeDownIntervalMs: state.phase === 'backup' ? this.#downIntervalMs() : null,
      active:
        active === undefined
          ? null
          : {
              address: active.from,
              host: member === undefined ? null : (this.#options.members.names[member] as string),
              priority: active.priority,
              heardMsAgo: ago(active.at),
            },
      links: this.#links.map(({ source, destinations }) => ({ family: familyOf(source), source, destinations })),
      warnings: this.#warnings.filter(({ at }) => now - at < WARNING_SHOWN_MS).map(({ text, at }) => ({ text, agoMs: ago(at) })),
      lastError: lastError ?? null,
      counters: { ...counters },
    };
  }
}

function openLinks(options: ClaimOptions, families: readonly Family[]): VrrpLink[] {
  const opened: VrrpLink[] = [];
  try {
    for (const family of families) opened.push(openLink(options, family));
    return opened;
  } catch (error) {
    for (const link of opened) link.close();
    throw error;
  }
}

function openLink({ cluster, self, host }: ClaimOptions, family: Family): VrrpLink {
  const { vrrp, controlPlane } = cluster;
  const link = linkByName(host.link.name);
  const own = self.host.addresses.find(({ address }) => familyOf(address) === family)?.address as string;
  if (!vrrp.unicast) return openVrrpLink({ link, family, source: family === 'IPv4' ? own : linkLocal(cluster, self.interfaceName) });
  const others = controlPlane.hosts.flatMap(({ addresses }, i) => (i === self.index ? [] : addresses.map(({ address }) => address)));
  return openVrrpLink({ link, family, source: own, peers: [...others, ...vrrp.peers].filter((address) => familyOf(address) === family) });
}

/** RFC 9568 section 5.1.2.1: messages over IPv6 come from there. */
function linkLocal({ endpoint }: Cluster, interfaceName: string): string {
  const found = listAddresses(linkByName(interfaceName).index).find(({ address }) => address.startsWith('fe80:'));
  if (found !== undefined) return found.address;
  throw new HaleError({
    code: 'vrrp_address_missing',
    kind: 'world',
    message: `interface ${interfaceName} has no link-local IPv6 address, which VRRP for ${endpoint.addresses.join(' and ')} is sent from`,
    remedy: 'Bring IPv6 up on the interface (sysctl net.ipv6.conf.INTERFACE.disable_ipv6=0), or set vrrp.unicast to true.',
  });
}
