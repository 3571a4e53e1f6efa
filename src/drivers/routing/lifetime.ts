/** The shared address on `lo` with a lifetime: the routing daemon follows the kernel, so its route ends with an agent that is dead or frozen. */
import { HaleError } from '../../base/error.ts';
import { openAddresses } from '../linux/addresses.ts';
import { LOOPBACK, onLoopback } from '../linux/dsr/serving.ts';

/** Renewed every second, as the lifetime of the elected holder's address (../linux/endpoint.ts). */
export const RENEW_MS = 1000;
const LIFETIME_S = 3;

export interface Lifetimes {
  /** Of addresses that are there, counted anew; who puts them there is another's matter. Those that are missing. */
  renew(): { missing: string[]; problem: string | undefined };
  /** Those that are there stay until somebody takes them away. */
  end(): void;
  close(): void;
}

/** Throws HaleError `netlink_unavailable`. */
export function openLifetimes(shared: readonly string[]): Lifetimes {
  const addresses = openAddresses();
  const put = (validLftS?: number): ReturnType<Lifetimes['renew']> => {
    const there = lookAtLoopback();
    if ('problem' in there) return { missing: [], problem: there.problem };
    const present = shared.filter((address) => there.addresses.has(address));
    const effects = present.map((address) => addresses.add({ linkIndex: LOOPBACK, address, ...(validLftS && { validLftS }) }));
    const failed = effects.find((effect) => !effect.ok);
    return {
      missing: shared.filter((address) => !there.addresses.has(address)),
      problem: failed?.ok === false ? failed.reason : undefined,
    };
  };
  return {
    renew: () => put(LIFETIME_S),
    end: () => void put(),
    close: () => addresses.close(),
  };
}

function lookAtLoopback(): { addresses: Set<string> } | { problem: string } {
  try {
    return { addresses: onLoopback() };
  } catch (error) {
    if (error instanceof HaleError) return { problem: error.message };
    throw error;
  }
}
