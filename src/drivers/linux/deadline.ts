/**
 * A lock before the gate: drops what belongs to an address from a moment of boot time on. Being a moment, not a duration, it counts
 * suspended time, and a write that was held up cannot open it late. The kernel keeps it, closed once the deadline is past, when this
 * process dies.
 */
import { readFileSync } from 'node:fs';
import { done, type Effect } from '../../ports/effect.ts';
import { createCell, loadClassifier } from './bpf/calls.ts';
import { type Attached, attachPrograms, removeLeftover } from './bpf/clsact.ts';
import { incomingProgram, outgoingProgram } from './bpf/deadline-program.ts';
import * as libc from './libc.ts';
import { NETLINK_ROUTE, openNetlink } from './netlink.ts';

const NS_PER_MS = 1e6;
const CELL_BYTES = 8;

export interface Deadline {
  /** Open until that moment of CLOCK_BOOTTIME in ms; 0 closes. A store to memory that the kernel's program reads: no system call. */
  set(untilMs: number): void;
  /** Takes the lock away, so that the address is guarded no more. */
  close(): Effect;
}

export type DeadlineOpened = { ok: true; deadline: Deadline } | { ok: false; reason: string };

/** Attaches the lock, closed; one that an earlier process left is replaced at one instant. Needs Linux 5.8, CAP_BPF and CAP_NET_ADMIN, outside user namespaces. */
export function openDeadline(options: { linkIndex: number; addresses: readonly string[] }): DeadlineOpened {
  const route = openNetlink(NETLINK_ROUTE);
  const cell = openCell();
  if (!cell.ok) return refused(cell.reason);
  const attached = attach(cell.mapFd);
  // The filter keeps the program, and the program the map.
  libc.close(cell.mapFd);
  if (!attached.ok) {
    cell.unmap();
    return refused(attached.reason);
  }
  let untilNs: BigUint64Array | undefined = new BigUint64Array(cell.memory);
  return {
    ok: true,
    deadline: {
      set(untilMs) {
        if (untilNs !== undefined) Atomics.store(untilNs, 0, BigInt(Math.max(0, Math.floor(untilMs * NS_PER_MS))));
      },
      close() {
        if (untilNs === undefined) return done;
        untilNs = undefined;
        cell.unmap();
        const detached = attached.detach();
        route.close();
        return detached;
      },
    },
  };

  function refused(reason: string): DeadlineOpened {
    // A lock of an earlier process that nobody can open any more would keep the address dead.
    removeLeftover(route, options.linkIndex);
    route.close();
    return { ok: false, reason };
  }

  function attach(mapFd: number): Attached {
    const ingress = loadClassifier('hale_incoming', incomingProgram({ addresses: options.addresses, mapFd }));
    if (!ingress.ok) return ingress;
    const egress = loadClassifier('hale_outgoing', outgoingProgram({ addresses: options.addresses, mapFd }));
    const programs = egress.ok && { ingress: ingress.fd, egress: egress.fd };
    const result = programs ? attachPrograms({ route, linkIndex: options.linkIndex, programs }) : (egress as Refused);
    libc.close(ingress.fd);
    if (egress.ok) libc.close(egress.fd);
    return result;
  }
}

type Refused = { ok: false; reason: string };

function openCell(): { ok: true; mapFd: number; memory: ArrayBuffer; unmap(): void } | Refused {
  if (hasClockOfItsOwn()) return { ok: false, reason: 'this process runs in a time namespace, with a boot-time clock of its own' };
  const map = createCell('hale_deadline');
  if (!map.ok) return map;
  const mapped = libc.mapShared(map.fd, CELL_BYTES);
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
