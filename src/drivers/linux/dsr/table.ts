/** Changes the steering of ruleset.ts in place, by nfnetlink, each change at one instant. */
import { parseMac } from '../../../base/address.ts';
import type { Masks } from '../../../core/balancer/steering.ts';
import { assignSlots, setKeyOf } from '../../../core/balancer/slots.ts';
import { done, type Effect } from '../../../ports/effect.ts';
import type { SteeringException, SteeringTable } from '../../../ports/steering.ts';
import type { Deadline } from '../deadline.ts';
import type { GateTable } from '../gate.ts';
import { type Netlink, type NetlinkMessage, NETLINK_NETFILTER, openNetlink } from '../netlink.ts';
import { addElements, deleteElement, deleteElements, flushSet, transaction } from '../nft-sets.ts';
import { TABLE } from '../ruleset.ts';
import { chainOf, steeringRuleset, type SteeringRulesetOptions } from './ruleset.ts';

/** An attribute of netlink takes 64 KB, and an element about 80 bytes. */
const ELEMENTS_AT_ONCE = 500;
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
  /** Whether the kernel has just these exceptions. */
  #inStep = true;
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
      onMade: () => void this.#putExceptions(),
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
    // What was learned goes by the masks of its time; once they are one, all of it is known otherwise.
    const sets = settled ? ['learning', 'opened4', 'opened6'] : ['learning'];
    const flags = [
      ...sets.map((set) => flushSet({ table: TABLE, set })),
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
    const before = this.#exceptions;
    this.#exceptions = new Map(wanted);
    if (!this.#inStep) return this.#putExceptions();
    const differs = (one: ReadonlyMap<string, SteeringException>, other: ReadonlyMap<string, SteeringException>) =>
      [...one].filter(([key, { backend }]) => other.get(key)?.backend !== backend).map(([, exception]) => exception);
    const changed = this.#write([...batches('delete', differs(before, wanted)), ...batches('add', differs(wanted, before))]);
    this.#inStep = changed.ok;
    return changed;
  }

  /** All of them anew, when what the kernel has is not known. */
  #putExceptions(): Effect {
    const flush = [4, 6].map((family) => flushSet({ table: TABLE, set: `exceptions${family}` }));
    const put = this.#write([...flush, ...batches('add', [...this.#exceptions.values()])]);
    this.#inStep = put.ok;
    return put;
  }

  /** The gate brings back its own table, and all that is in it; here comes what the kernel refused. */
  reconcile(): string[] {
    if (this.#inStep) return [];
    return this.#putExceptions().ok ? ['exceptions of the steering that the kernel had refused: put anew'] : [];
  }

  close(): void {
    this.#netfilter.close();
  }

  #write(messages: readonly NetlinkMessage[]): Effect {
    if (messages.length === 0) return done;
    const answer = transaction(this.#netfilter, messages);
    return answer.ok ? done : { ok: false, reason: `change the steering: ${answer.reason}` };
  }
}

/** Messages with some hundred elements each: the kernel answers each of them, and a socket holds some hundred answers. */
function batches(what: 'add' | 'delete', exceptions: readonly SteeringException[]): NetlinkMessage[] {
  return [4, 6].flatMap((family) => {
    const set = { table: TABLE, set: `exceptions${family}` };
    const elements = exceptions
      .map(({ flow, backend }) => ({ key: setKeyOf(flow), data: { goto: chainOf(backend) } }))
      .filter(({ key }) => key.length === (family === 4 ? 8 : 20));
    const messages: NetlinkMessage[] = [];
    for (let at = 0; at < elements.length; at += ELEMENTS_AT_ONCE) {
      const some = elements.slice(at, at + ELEMENTS_AT_ONCE);
      messages.push(
        what === 'add'
          ? addElements(set, some)
          : deleteElements(
              set,
              some.map(({ key }) => key),
            ),
      );
    }
    return messages;
  });
}

/** As a register of nftables holds the slot; hosts are little-endian (netlink.ts). */
function hostOrder32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
