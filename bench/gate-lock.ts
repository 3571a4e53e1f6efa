/** The gate of one address on the interface eth0 of a namespace, with or without the eBPF deadline in front of it. */
import { assert } from '../src/base/assert.ts';
import { boottime } from '../src/drivers/linux/boottime.ts';
import { type Deadline, openDeadline } from '../src/drivers/linux/deadline.ts';
import { type Gate, installGate } from '../src/drivers/linux/gate.ts';
import { passingTable } from '../src/drivers/linux/ruleset.ts';
import { linkByName } from '../src/drivers/linux/links.ts';
import { done } from '../src/ports/effect.ts';

export const ADDRESS = '10.77.0.100';

/** `table`: nftables alone, as where the kernel lacks the rest. `both`: as an agent has it. `deadline`: eBPF alone, to see its own part. */
export const LOCKS = ['table', 'both', 'deadline'] as const;
export type Lock = (typeof LOCKS)[number];
export const LOCK_NAMES: Record<Lock, string> = { table: 'nftables alone', both: 'nftables and eBPF', deadline: 'eBPF alone' };

export function openLock(lock: Lock): Pick<Gate, 'open' | 'remove'> {
  const link = linkByName('eth0');
  const deadline = lock === 'table' ? undefined : openOrFail(link.index);
  if (lock === 'deadline' && deadline !== undefined) {
    return {
      open(untilMs) {
        deadline.set(untilMs);
        return done;
      },
      remove: () => deadline.close(),
    };
  }
  const installed = installGate({
    table: passingTable({ interfaceName: link.name, addresses: [ADDRESS] }),
    mac: link.mac,
    addresses: [ADDRESS],
    clock: boottime,
    deadline,
  });
  assert(installed.ok, `this machine has nftables: ${installed.ok ? '' : installed.reason}`);
  return installed.gate;
}

function openOrFail(linkIndex: number): Deadline {
  const opened = openDeadline({ linkIndex, addresses: [ADDRESS] });
  assert(opened.ok, `this machine has the eBPF deadline: ${opened.ok ? '' : opened.reason}`);
  return opened.deadline;
}
