import type { Effect } from './effect.ts';

/** The shared address on this host's interface: what makes this host, and no other, answer for it. */
export interface EndpointAddress {
  /** Answers for the address until `untilMs` of the port's Clock, never later: the kernel closes it even if this process is stopped. Called again at every renewal. */
  hold(untilMs: number): Effect;
  /** Stops answering at once, for connections under way too. Harmless when not holding. */
  withdraw(): Effect;
  /** Stops answering in favour of a member that is prepared: for a grace time, connections under way go on here and new ones are passed to it. */
  yieldTo(successorMac: string): Effect;
  /** Gets ready to follow another holder: serves what that one passes on, and once this host holds, passes back to it what began there. */
  prepare(options: { predecessorMac: string; untilMs: number }): Effect;
  /** Tells neighbours who answers now: gratuitous ARP (RFC 5227 section 3) and unsolicited neighbour advertisement (RFC 4861 section 7.2.6). */
  announce(): void;
}
