import { linkByName } from '../../../src/drivers/linux/links.ts';
import { openNeighbors, type LinuxNeighbors } from '../../../src/drivers/linux/neighbors.ts';
import type { NeighborClaim } from '../../../src/ports/neighbors.ts';
import type { TestHost } from '../../support/netns.ts';

const ASK_AGAIN_MS = 1000;

export interface Observer {
  neighbors: LinuxNeighbors;
  /** Whether anybody answers for `address`: decided by an answer for `witness`, asked for second on the same wire, and by no clock. */
  isAnswered(question: { address: string; witness: string }): Promise<boolean>;
  /** The next claim for the address, from now on. */
  nextClaim(address: string): Promise<NeighborClaim>;
  close(): void;
}

/** A station on the link that asks and listens. */
export function observe(station: TestHost): Observer {
  const neighbors = station.inside(() => openNeighbors(linkByName('eth0'), ['10.77.0.100', 'fd77::100']));
  const listeners = new Set<(claim: NeighborClaim) => void>();
  neighbors.onClaim((claim) => {
    for (const listener of listeners) listener(claim);
  });
  return {
    neighbors,
    isAnswered({ address, witness }) {
      return new Promise((resolve) => {
        let answered = false;
        const listener = (claim: NeighborClaim): void => {
          if (claim.kind === 'probe') return;
          if (claim.address === address) answered = true;
          if (claim.address !== witness) return;
          listeners.delete(listener);
          clearInterval(asking);
          resolve(answered);
        };
        listeners.add(listener);
        const ask = (): void => {
          neighbors.probe(address);
          neighbors.probe(witness);
        };
        ask();
        // A link that has just come up loses frames until its kernel has activated the queue and joined the solicited-node groups.
        const asking = setInterval(ask, ASK_AGAIN_MS);
      });
    },
    nextClaim(address) {
      return new Promise((resolve) => {
        const listener = (claim: NeighborClaim): void => {
          if (claim.address !== address) return;
          listeners.delete(listener);
          resolve(claim);
        };
        listeners.add(listener);
      });
    },
    close: () => neighbors.close(),
  };
}
