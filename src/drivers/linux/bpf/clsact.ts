/**
 * Programs at the traffic-control hooks of an interface (include/uapi/linux/rtnetlink.h, pkt_sched.h, pkt_cls.h): the clsact qdisc with
 * one cls_bpf filter in each direction, as Linux has them since 4.5. At ingress they run before nftables' netdev hook, at egress after it.
 */
import { done, type Effect } from '../../../ports/effect.ts';
import * as libc from '../libc.ts';
import {
  attribute,
  attributes,
  cString,
  type Netlink,
  type NetlinkAnswer,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  nested,
  uint32,
  zeroTerminated,
} from '../netlink.ts';

const RTM_NEWQDISC = 36;
const RTM_DELQDISC = 37;
const RTM_GETQDISC = 38;
const RTM_NEWTFILTER = 44;
const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;
const TCMSG_BYTES = 20;
const TC_H_CLSACT = 0xffff_fff1;
const CLSACT_HANDLE = 0xffff_0000;
const PARENTS = { ingress: 0xffff_fff2, egress: 0xffff_fff3 } as const;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_BPF_FD = 6;
const TCA_BPF_NAME = 7;
const TCA_BPF_FLAGS = 8;
const TCA_BPF_FLAG_ACT_DIRECT = 1;
const ETH_P_ALL_NETWORK_ORDER = 0x0300;
/** Low numbers run first; 1 is what people write by hand, and two kinds of filters cannot share a number. */
const PRIORITY = 3;
/** `hale`, so that the filter is known again after a restart. */
const FILTER_HANDLE = 0x6861_6c65;
const INFO = ((PRIORITY << 16) | ETH_P_ALL_NETWORK_ORDER) >>> 0;
/** The filter's name says who made the qdisc, for the process that finds it after a crash. */
const IN_OUR_QDISC = 'hale-deadline+clsact';
const IN_FOREIGN_QDISC = 'hale-deadline';

type Direction = keyof typeof PARENTS;

export type Attached = { ok: true; detach(): Effect } | { ok: false; reason: string };

export interface AttachOptions {
  route: Netlink;
  linkIndex: number;
  programs: Record<Direction, number>;
}

/**
 * Attaches both programs, which the kernel keeps after this process. A filter that an earlier process left is replaced at one instant.
 * `detach` removes them, and the qdisc when hale made it and nobody else uses it by now.
 */
export function attachPrograms({ route, linkIndex, programs }: AttachOptions): Attached {
  const hooks = hooksOf(route, linkIndex);
  const made = hooks.makeQdisc();
  if (!made.ok) return made;
  for (const direction of ['ingress', 'egress'] as const) {
    const name = made.ours ? IN_OUR_QDISC : IN_FOREIGN_QDISC;
    const answer = hooks.replaceFilter(direction, { programFd: programs[direction], name });
    if (answer.ok) continue;
    hooks.clear(made.ours);
    return { ok: false, reason: `attach a program at ${direction}: ${answer.reason}` };
  }
  return { ok: true, detach: () => hooks.clear(made.ours) };
}

/** Whether both filters are there. */
export function areAttached(route: Netlink, linkIndex: number): boolean {
  return hooksOf(route, linkIndex).ourFilters() === 2;
}

/** Removes the filters that an earlier process left, and its qdisc; done when there are none. */
export function removeLeftover(route: Netlink, linkIndex: number): Effect {
  const hooks = hooksOf(route, linkIndex);
  const name = hooks.ourFilter();
  return name === undefined ? done : hooks.clear(name === IN_OUR_QDISC);
}

/** Whether our filter is in each direction. */
export function deadlineFilters(route: Netlink, linkIndex: number): Record<Direction, boolean> {
  const { filtersAt } = hooksOf(route, linkIndex);
  const hasOurs = (direction: Direction) => filtersAt(direction).some(({ ours }) => ours);
  return { ingress: hasOurs('ingress'), egress: hasOurs('egress') };
}

type QdiscMade = { ok: true; ours: boolean } | { ok: false; reason: string };

function hooksOf(route: Netlink, linkIndex: number) {
  const ask = (type: number, { flags, header, options = [] }: { flags: number; header: Header; options?: Buffer[] }): NetlinkAnswer => {
    const payload = Buffer.concat([tcMessage(linkIndex, header), ...options]);
    return route.request([{ type, flags: flags | (flags === NLM_F_DUMP ? 0 : NLM_F_ACK), payload }]);
  };
  const qdisc = { handle: CLSACT_HANDLE, parent: TC_H_CLSACT, info: 0 };
  const filter = (direction: Direction) => ({ handle: FILTER_HANDLE, parent: PARENTS[direction], info: INFO });

  /** Filters, ours or not, at both hooks. */
  const filtersAt = (direction: Direction) => {
    const header = { handle: 0, parent: PARENTS[direction], info: 0 };
    const answer = ask(RTM_GETTFILTER, { flags: NLM_F_DUMP, header });
    return answer.ok ? answer.messages.map(decodeFilter).filter((found) => found !== undefined) : [];
  };
  const filters = () => (['ingress', 'egress'] as const).flatMap(filtersAt);
  const ourFilter = (): string | undefined => filters().find(({ ours }) => ours)?.name;
  const ourFilters = (): number => filters().filter(({ ours }) => ours).length;
  const kindThere = (): string | undefined => {
    const answer = ask(RTM_GETQDISC, { flags: NLM_F_DUMP, header: { handle: 0, parent: 0, info: 0 } });
    const found = answer.ok ? answer.messages.map(({ payload }) => Buffer.from(payload)) : [];
    const ingress = found.find(
      (bytes) => bytes.length >= TCMSG_BYTES && bytes.readInt32LE(4) === linkIndex && bytes.readUInt32LE(12) === TC_H_CLSACT,
    );
    return ingress && cString(attributes(ingress.subarray(TCMSG_BYTES)).get(TCA_KIND) ?? Buffer.alloc(0));
  };

  return {
    filtersAt,
    ourFilter,
    ourFilters,
    makeQdisc(): QdiscMade {
      const kind = [attribute(TCA_KIND, zeroTerminated('clsact'))];
      const answer = ask(RTM_NEWQDISC, { flags: NLM_F_CREATE | NLM_F_EXCL, header: qdisc, options: kind });
      if (answer.ok) return { ok: true, ours: true };
      if (answer.errno !== libc.EEXIST) return { ok: false, reason: `make a clsact qdisc: ${answer.reason}` };
      // The older qdisc `ingress` has the same place and takes a filter for egress at its ingress.
      const there = kindThere();
      if (there !== 'clsact') return { ok: false, reason: `the place of the clsact qdisc is taken by qdisc ${there ?? 'unknown'}` };
      return { ok: true, ours: ourFilter() === IN_OUR_QDISC };
    },
    replaceFilter(direction: Direction, { programFd, name }: { programFd: number; name: string }): NetlinkAnswer {
      const options = nested(TCA_OPTIONS, [
        attribute(TCA_BPF_FD, uint32(programFd)),
        attribute(TCA_BPF_NAME, zeroTerminated(name)),
        attribute(TCA_BPF_FLAGS, uint32(TCA_BPF_FLAG_ACT_DIRECT)),
      ]);
      const kind = attribute(TCA_KIND, zeroTerminated('bpf'));
      return ask(RTM_NEWTFILTER, { flags: NLM_F_CREATE, header: filter(direction), options: [kind, options] });
    },
    clear(qdiscIsOurs: boolean): Effect {
      for (const direction of ['ingress', 'egress'] as const) {
        const kind = [attribute(TCA_KIND, zeroTerminated('bpf'))];
        const answer = ask(RTM_DELTFILTER, { flags: 0, header: filter(direction), options: kind });
        // EINVAL: no qdisc any more. ENODEV: no interface any more.
        const gone = answer.ok || [libc.ENOENT, libc.EINVAL, libc.ENODEV].includes(answer.errno);
        if (!gone) return { ok: false, reason: `remove the filter at ${direction}: ${answer.reason}` };
      }
      if (qdiscIsOurs && filters().length === 0) ask(RTM_DELQDISC, { flags: 0, header: qdisc });
      return done;
    },
  };
}

interface Header {
  handle: number;
  parent: number;
  info: number;
}

/** struct tcmsg. */
function tcMessage(linkIndex: number, { handle, parent, info }: Header): Buffer {
  return Buffer.concat([uint32(0), uint32(linkIndex), uint32(handle), uint32(parent), uint32(info)]);
}

/** Undefined for what a dump lists beside filters: one message without a handle for each priority; and for one that is cut short. */
export function decodeFilter({ payload }: { payload: Uint8Array }): { ours: boolean; name: string } | undefined {
  if (payload.length < TCMSG_BYTES) return undefined;
  const bytes = Buffer.from(payload);
  const handle = bytes.readUInt32LE(8);
  if (handle === 0) return undefined;
  const options = attributes(bytes.subarray(TCMSG_BYTES)).get(TCA_OPTIONS);
  const name = options && attributes(options).get(TCA_BPF_NAME);
  return { ours: handle === FILTER_HANDLE && bytes.readUInt32LE(16) === INFO, name: name === undefined ? '' : cString(name) };
}
