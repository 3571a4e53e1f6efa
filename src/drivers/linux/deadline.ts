/**
 * A lock before the gate: drops what belongs to an address from a moment of boot time on. Being a moment, not a duration, it counts
 * suspended time, and a write that was held up cannot open it late. The kernel keeps it, closed once the deadline is past, when this
 * process dies.
 */
import { readFileSync } from 'node:fs';
import { done, type Effect } from '../../ports/effect.ts';
import { createCell, loadClassifier } from './bpf/calls.ts';
import { areAttached, attachPrograms, removeLeftover } from './bpf/clsact.ts';
import { CELL_WORDS, incomingProgram, macWord, NO_MEMBER, outgoingProgram } from './bpf/deadline-program.ts';
import * as libc from './libc.ts';
import { NETLINK_ROUTE, openNetlink } from './netlink.ts';

const NS_PER_MS = 1e6;

export interface Deadline {
  /** Open until that moment of CLOCK_BOOTTIME in ms; 0 closes. A store to memory that the kernel's program reads: no system call. */
  set(untilMs: number): void;
  /** Whose packets to the address pass in any case, where members serve it: those that the holder may have steered here. */
  setMembers(macs: readonly Uint8Array[]): void;
  /** Attaches the lock again when somebody took it off the interface; says so in words. */
  reconcile(): string[];
  /** Takes the lock away, so that the address is guarded no more. */
  close(): Effect;
  /** The lock stays as it is, for good. */
  leave(): void;
}

export type DeadlineOpened = { ok: true; deadline: Deadline } | { ok: false; reason: string };

export interface DeadlineOptions {
  linkIndex: number;
  addresses: readonly string[];
  /** With direct server return: whose packets pass from the first moment on. */
  members?: readonly Uint8Array[];
}

/** Attaches the lock, closed; one that an earlier process left is replaced at one instant. Needs Linux 5.8, CAP_BPF and CAP_NET_ADMIN, outside user namespaces. */
export function openDeadline(options: DeadlineOptions): DeadlineOpened {
  const route = openNetlink(NETLINK_ROUTE);
  const cell = openCell();
  if (!cell.ok) return refused(cell.reason);
  const words = new BigUint64Array(cell.memory);
  const setMembers = (macs: readonly Uint8Array[]): void => {
    for (let i = 1; i < CELL_WORDS; i++) {
      const mac = macs[i - 1];
      Atomics.store(words, i, mac === undefined ? NO_MEMBER : macWord(mac));
    }
  };
  setMembers(options.members ?? []);
  const loaded = loadPrograms({ ...options, mapFd: cell.mapFd });
  // The programs keep the map, and the filters the programs.
  libc.close(cell.mapFd);
  if (!loaded.ok) return refused(loaded.reason, cell);
  const attach = () => attachPrograms({ route, linkIndex: options.linkIndex, programs: loaded.programs });
  let attached = attach();
  if (!attached.ok) {
    closePrograms(loaded.programs);
    return refused(attached.reason, cell);
  }
  let open = true;
  const release = (): void => {
    open = false;
    cell.unmap();
    closePrograms(loaded.programs);
  };
  return {
    ok: true,
    deadline: {
      set(untilMs) {
        if (open) Atomics.store(words, 0, BigInt(Math.max(0, Math.floor(untilMs * NS_PER_MS))));
      },
      setMembers(macs) {
        if (open) setMembers(macs);
      },
      reconcile() {
        if (!open || areAttached(route, options.linkIndex)) return [];
        const again = attach();
        if (!again.ok) return [`the deadline was taken off the interface and cannot be attached again: ${again.reason}`];
        attached = again;
        return ['the deadline was taken off the interface: attached again'];
      },
      close() {
        if (!open) return done;
        release();
        const detached = attached.ok ? attached.detach() : done;
        route.close();
        return detached;
      },
      leave() {
        if (!open) return;
        release();
        route.close();
      },
    },
  };

  function refused(reason: string, opened?: { unmap(): void }): DeadlineOpened {
    opened?.unmap();
    // A lock of an earlier process that nobody can open any more would keep the address dead.
    removeLeftover(route, options.linkIndex);
    route.close();
    return { ok: false, reason };
  }
}

type Programs = Record<'ingress' | 'egress', number>;

function loadPrograms({ addresses, members, mapFd }: DeadlineOptions & { mapFd: number }): { ok: true; programs: Programs } | Refused {
  const program = { addresses, mapFd, steering: members !== undefined };
  const ingress = loadClassifier('hale_incoming', incomingProgram(program));
  if (!ingress.ok) return ingress;
  const egress = loadClassifier('hale_outgoing', outgoingProgram(program));
  if (egress.ok) return { ok: true, programs: { ingress: ingress.fd, egress: egress.fd } };
  libc.close(ingress.fd);
  return egress;
}

function closePrograms({ ingress, egress }: Programs): void {
  libc.close(ingress);
  libc.close(egress);
}

type Refused = { ok: false; reason: string };

function openCell(): { ok: true; mapFd: number; memory: ArrayBuffer; unmap(): void } | Refused {
  if (hasClockOfItsOwn()) return { ok: false, reason: 'this process runs in a time namespace, with a boot-time clock of its own' };
  const map = createCell('hale_deadline', CELL_WORDS);
  if (!map.ok) return map;
  const mapped = libc.mapShared(map.fd, 8 * CELL_WORDS);
  if (mapped !== undefined) return { ok: true, mapFd: map.fd, ...mapped };
  const reason = `map the deadline into memory: ${libc.errnoName(libc.lastErrno())}`;
  libc.close(map.fd);
  return { ok: false, reason };
}

/** The program reads the clock of the machine (time_namespaces(7)). */
function hasClockOfItsOwn(): boolean {
  try {
    return !/^boottime\s+0\s+0$/m.test(readFileSync('/proc/self/timens_offsets', 'utf8'));
  } catch {
    // No such file: a kernel without time namespaces.
    return false;
  }
}
