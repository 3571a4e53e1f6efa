import type { Accepted, MemberWish } from '../../src/core/etcd/members/target.ts';
import { createEtcdAdmin } from '../../src/drivers/etcd/admin.ts';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import { changeMembers, type MemberChangeEvent, type MemberChangeOutcome } from '../../src/engine/etcd/member-change.ts';
import { planChange } from '../../src/engine/etcd/member-plan.ts';
import { withOperationLock } from '../../src/engine/etcd/operation-lock.ts';
import type { EtcdAdmin } from '../../src/ports/etcd-admin.ts';
import type { EtcdCluster } from './etcd-cluster.ts';

export interface ChangeOptions {
  accepts?: Accepted;
  /** Dies at a call, as by kill -9: nothing is sent any more. Its lock is taken away, in place of 20 s of waiting. */
  dies?: Death;
  /** When it dies is told by an event, too. */
  onEvent?: (event: MemberChangeEvent, die: () => void) => void | Promise<void>;
  waitMs?: number;
  signal?: AbortSignal;
}

export interface Death {
  call: keyof EtcdAdmin;
  /** Whether etcd still gets the call. */
  at: 'before' | 'after';
}

export class Died extends Error {}

/** What `hale etcd member` does, in this process. */
export async function change(cluster: EtcdCluster, wish: MemberWish, options: ChangeOptions = {}): Promise<MemberChangeOutcome> {
  const real = createEtcdAdmin({ ...cluster, timeoutMs: 1000 });
  const { etcd, die, isDead } = mortal(real, options.dies);
  try {
    const { accepts = {} } = options;
    const looked = { etcd: real, urls: cluster.endpoints, clock: boottime };
    const { target, plan } = await planChange({ ...looked, wish, accepts, urlsOf: () => undefined });
    const who = { host: 'here', pid: process.pid, since: '' };
    const lock = {
      etcd,
      clock: boottime,
      what: `member ${wish.verb}`,
      who,

      waitFor: () => true,
      underAlarm: 'work' as const,
    };
    return await withOperationLock({ ...lock, ...(options.signal && { signal: options.signal }) }, async (held) =>
      changeMembers({
        etcd,
        urls: cluster.endpoints,
        clock: boottime,
        target,
        plan,
        held,
        waitMs: options.waitMs ?? 30_000,
        onEvent: (event) => void options.onEvent?.(event, die),
      }),
    );
  } finally {
    if (isDead()) await real.deleteRange(Buffer.from('/hale/etcd/operation'));
    real.close();
  }
}

/** Where a process can die: between any two calls. */
function mortal(etcd: EtcdAdmin, death: Death | undefined): { etcd: EtcdAdmin; die: () => void; isDead: () => boolean } {
  let isDead = false;
  const die = () => {
    isDead = true;
  };
  const call =
    (name: keyof EtcdAdmin, real: (...args: never[]) => Promise<unknown>) =>
    async (...args: never[]) => {
      if (death?.call === name && death.at === 'before') die();
      if (isDead) throw new Died(name);
      const result = await real(...args);
      if (death?.call === name) die();
      if (isDead) throw new Died(name);
      return result;
    };
  const kept = ['close', 'useEndpoints', 'watch', 'snapshot'];
  const entries = Object.entries(etcd).map(([name, real]) => [name, kept.includes(name) ? real : call(name as keyof EtcdAdmin, real)]);
  return { etcd: Object.fromEntries(entries) as EtcdAdmin, die, isDead: () => isDead };
}
