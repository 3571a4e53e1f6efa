import { formatIp, macText, parseMac } from '../base/address.ts';
import type { Target } from '../core/balancer/plan.ts';
import { apiserverTargets } from '../core/cluster/names.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import type { LeaseState } from '../core/lease/state.ts';
import type { Self } from './self.ts';
import type { Host } from './world.ts';

/** The control-plane hosts in the order of cluster.yaml, by which members are numbered everywhere. */
export class Members {
  readonly names: readonly string[];
  readonly addresses: readonly string[];
  /** Their API servers. */
  readonly targets: readonly Target[];
  readonly #self: Self;
  readonly #host: Host;

  constructor({ cluster, self, host }: { cluster: Cluster; self: Self; host: Host }) {
    this.targets = apiserverTargets(cluster);
    this.names = this.targets.map(({ name }) => name);
    this.addresses = this.targets.map(({ address }) => address);
    this.#self = self;
    this.#host = host;
  }

  /** Hardware address, as its own agent says; before that, as this machine knew it. */
  macOf(member: number, lease: LeaseState | undefined): string | undefined {
    if (member === this.#self.index) return this.#host.mac;
    const told = lease?.peers[member]?.heartbeat?.mac ?? 0;
    return told === 0 ? this.#host.stations[member] : macText(told);
  }

  /** The link-local IPv6 address that follows from its hardware address (RFC 4291 appendix A); undefined while that is unknown. */
  linkLocalOf(member: number, lease: LeaseState | undefined): string | undefined {
    const bytes = parseMac(this.macOf(member, lease) ?? '');
    if (bytes === undefined) return undefined;
    const [first = 0, ...rest] = bytes;
    const identifier = [first ^ 0x02, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)];
    return formatIp(Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...identifier));
  }

  /** All hardware addresses that are those of members for certain. */
  *macs(lease: LeaseState): Iterable<string> {
    yield this.#host.mac;
    for (const { heartbeat } of lease.peers) if (heartbeat !== undefined) yield macText(heartbeat.mac);
  }
}
