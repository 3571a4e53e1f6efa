/** Changes the steering of ruleset.ts in place, by nfnetlink, each change at one instant. */
import { parseIp, parseMac } from '../../../base/address.ts';
import type { Masks } from '../../../core/balancer/steering.ts';
import { assignSlots, setKeyOf } from '../../../core/balancer/slots.ts';
import { done, type Effect } from '../../../ports/effect.ts';
import type { SteeringException, SteeringTable } from '../../../ports/steering.ts';
import type { Deadline } from '../deadline.ts';
import type { GateTable } from '../gate.ts';
import { type Netlink, type NetlinkMessage, NETLINK_NETFILTER, openNetlink } from '../netlink.ts';
import { addElements, deleteElement, type Element, flushSet, transaction } from '../nft-sets.ts';
import { TABLE } from '../ruleset.ts';
import { chainOf, steeringRuleset, type SteeringRulesetOptions } from './ruleset.ts';

/** What one transaction carries; a message of a set element is about 130 bytes, and a socket's buffer 200 KB. */
const EXCEPTIONS_AT_ONCE = 500;
/** IPv4 and IPv6 (include/uapi/linux/if_ether.h), as a frame carries them. */
const ETHER_TYPES = [Uint8Array.of(0x08, 0x00), Uint8Array.of(0x86, 0xdd)];

type Stations = readonly (string | undefined)[];

export type DsrOptions = Pick<SteeringRulesetOptions, 'interfaceName' | 'addresses' | 'port' | 'backends' | 'self' | 'stations'>;

export class DsrTable implements SteeringTable {
  readonly #options: DsrOptions;
  readonly #netfilter: Netlink = openNetlink(NETLINK_NETFILTER);
  #masks: Masks = { opening: 0, established: 0 };
  #stations: Stations;
  #exceptions = new Map<string, SteeringException>();
  #deadline: Deadline | undefined;

  constructor(options: DsrOptions) {
    this.#options = options;
    this.#stations = options.stations;
  }

  /** The gate in front of the steering, as what holds both in one table. */
  get gateTable(): GateTable {
    return {
      kind: 'steering',
      script: ({ outgoing, mac }) => steeringRuleset({ ...this.#options, outgoing, mac, masks: this.#masks, stations: this.#stations }),
      onMade: () => void this.#write([...this.#exceptions.values()].map((exception) => add(exception))),
    };
  }

  /** The lock that, too, must know whose packets to let pass. */
  guardWith(deadline: Deadline | undefined): void {
    this.#deadline = deadline;
    deadline?.setMembers(this.memberMacs());
  }

  memberMacs(): Uint8Array[] {
    const others = this.#stations.filter((mac, backend) => mac !== undefined && backend !== this.#options.self) as string[];
    return others.flatMap((mac) => parseMac(mac) ?? []);
  }

  steer(masks: Masks): Effect {
    const before = this.#masks;
    this.#masks = masks;
    const settled = masks.opening === masks.established;
    const changed = [
      ...this.#slotChanges('opening', before.opening, masks.opening),
      ...this.#slotChanges('established', before.established, masks.established),
    ];
    if (changed.length === 0) return done;
    const flags = [
      flushSet({ table: TABLE, set: 'learning' }),
      ...(settled
        ? []
        : [
            addElements(
              { table: TABLE, set: 'learning' },
              ETHER_TYPES.map((key) => ({ key })),
            ),
          ]),
    ];
    return this.#write([...changed, ...flags]);
  }

  #slotChanges(map: 'opening' | 'established', before: number, after: number): NetlinkMessage[] {
    const { backends } = this.#options;
    const old = assignSlots(backends, before);
    return assignSlots(backends, after).flatMap((backend, slot) => {
      const was = old[slot];
      if (backend === was) return [];
      const key = hostOrder32(slot);
      return [
        ...(was === undefined ? [] : [deleteElement({ table: TABLE, set: map, key })]),
        ...(backend === undefined ? [] : [addElements({ table: TABLE, set: map }, [{ key, data: { goto: chainOf(backend) } }])]),
      ];
    });
  }

  setStations(macs: Stations): Effect {
    const same = macs.every((mac, backend) => mac === this.#stations[backend]);
    if (same) return done;
    this.#stations = macs;
    this.#deadline?.setMembers(this.memberMacs());
    const members = new Set(this.memberMacs().map((bytes) => Buffer.from(bytes).toString('hex')));
    return this.#write([
      flushSet({ table: TABLE, set: 'members' }),
      ...(members.size === 0
        ? []
        : [
            addElements(
              { table: TABLE, set: 'members' },
              [...members].map((hex) => ({ key: Buffer.from(hex, 'hex') })),
            ),
          ]),
      ...macs.flatMap((mac, backend) => this.#stationMessages(backend, mac)),
    ]);
  }

  #stationMessages(backend: number, mac: string | undefined): NetlinkMessage[] {
    if (backend === this.#options.self) return [];
    const set = `station${backend}`;
    const data = mac === undefined ? undefined : parseMac(mac);
    return [
      flushSet({ table: TABLE, set }),
      ...(data === undefined
        ? []
        : [
            addElements(
              { table: TABLE, set },
              ETHER_TYPES.map((key) => ({ key, data })),
            ),
          ]),
    ];
  }

  except(wanted: ReadonlyMap<string, SteeringException>): Effect {
    const gone = [...this.#exceptions]
      .filter(([key, { backend }]) => wanted.get(key)?.backend !== backend)
      .map(([, exception]) => deleteElement(elementOf(exception)));
    const come = [...wanted]
      .filter(([key, { backend }]) => this.#exceptions.get(key)?.backend !== backend)
      .map(([, exception]) => add(exception));
    this.#exceptions = new Map(wanted);
    return this.#write([...gone, ...come]);
  }

  /** What is missing comes back with the gate's own table. */
  reconcile(): string[] {
    return [];
  }

  close(): void {
    this.#netfilter.close();
  }

  #write(messages: readonly NetlinkMessage[]): Effect {
    for (let at = 0; at < messages.length; at += EXCEPTIONS_AT_ONCE) {
      const answer = transaction(this.#netfilter, messages.slice(at, at + EXCEPTIONS_AT_ONCE));
      if (!answer.ok) return { ok: false, reason: `change the steering: ${answer.reason}` };
    }
    return done;
  }
}

function add(exception: SteeringException): NetlinkMessage {
  const { table, set, key, data } = elementOf(exception);
  return addElements({ table, set }, [{ key, data }]);
}

function elementOf({ flow, backend }: SteeringException): Element {
  const set = `exceptions${(parseIp(flow.address) as Uint8Array).length === 4 ? 4 : 6}`;
  return { table: TABLE, set, key: setKeyOf(flow), data: { goto: chainOf(backend) } };
}

/** As a register of nftables holds the slot; hosts are little-endian (netlink.ts). */
function hostOrder32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
