import { type Addresses, openAddresses } from '../../drivers/linux/addresses.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { isExiting } from '../../drivers/linux/exiting.ts';
import { closeGate } from '../../drivers/linux/gate.ts';
import { type Netlink, NETLINK_NETFILTER, openNetlink } from '../../drivers/linux/netlink.ts';
import { linkByName } from '../../drivers/linux/links.ts';
import { openUdpSender, type UdpSender } from '../../drivers/linux/udp.ts';
import { openVrrpSender, type VrrpSender } from '../../drivers/linux/vrrp.ts';
import { done, type Effect } from '../../ports/effect.ts';
import type { GuardianLog } from './log.ts';
import { pause } from './pause.ts';
import type { Will } from './will.ts';

const LOOK_AGAIN_MS = 0.1;
const CLOSE_AGAIN_MS = 20;
const SAY_AGAIN_MS = 2;

/** A will with everything opened that carrying it out needs, so that at the end only few system calls are left. */
export class Executor {
  readonly #will: Will;
  readonly #log: GuardianLog;
  readonly #netfilter: Netlink | undefined;
  readonly #addresses: Addresses;
  readonly #peers: { sender: UdpSender; datagrams: Uint8Array[] }[];
  readonly #routers: { sender: VrrpSender; to: string; message: Uint8Array }[];

  constructor(will: Will, log: GuardianLog) {
    const { from, port } = will;
    this.#will = will;
    this.#log = log;
    this.#netfilter = will.gate !== null ? openNetlink(NETLINK_NETFILTER) : undefined;
    this.#addresses = openAddresses();
    this.#peers = will.lastWords.map(({ to, datagrams }) => ({
      sender: openUdpSender({ from, to, port }),
      datagrams: datagrams.map((text) => Buffer.from(text, 'base64')),
    }));
    this.#routers = will.resignations.map(({ interfaceName, family, from: source, to, message }) => ({
      sender: openVrrpSender({ link: linkByName(interfaceName), source, family }),
      to,
      message: Buffer.from(message, 'base64'),
    }));
  }

  /** Gives its sockets back, for a newer will. */
  close(): void {
    this.#netfilter?.close();
    this.#addresses.close();
    for (const { sender } of [...this.#peers, ...this.#routers]) sender.close();
  }

  /** To be called when the pipe has ended. What comes first is what must be true before the next may happen. */
  execute(): void {
    const endedAt = boottime.now();
    const until = endedAt + this.#will.leaseMs;
    const retry = (work: () => Effect, againMs: number): Effect => {
      let effect = work();
      for (; !effect.ok && boottime.now() < until; effect = work()) pause(againMs);
      return effect;
    };
    const dead = retry(() => this.#agentIsDead(), LOOK_AGAIN_MS);
    if (!dead.ok) return this.#log.error({ reason: dead.reason }, 'the pipe has ended and the agent lives: nothing is withdrawn');
    const withdrawn = retry(() => this.#withdraw(), CLOSE_AGAIN_MS);
    if (!withdrawn.ok) {
      return this.#log.error({ reason: withdrawn.reason }, 'the agent is dead and the address cannot be withdrawn: its lease runs out');
    }
    const afterMs = Math.round((boottime.now() - endedAt) * 1000) / 1000;
    const failures = this.#release();
    this.#log.warn({ afterMs, ...(failures.length > 0 && { failures }) }, 'the agent is dead: address withdrawn, lease given back');
  }

  /** The end of the pipe alone says so as well, unless the agent has closed it. A dead parent's number may belong to somebody else. */
  #agentIsDead(): Effect {
    const { agentPid } = this.#will;
    return process.ppid !== agentPid || isExiting(agentPid) ? done : { ok: false, reason: `process ${agentPid} runs` };
  }

  #withdraw(): Effect {
    const { gate } = this.#will;
    const closed = this.#netfilter === undefined || gate === null ? done : closeGate(this.#netfilter, gate);
    const removed = this.#will.addresses.map((address) => this.#addresses.remove({ linkIndex: this.#will.linkIndex, address }));
    return [closed, ...removed].find((effect) => !effect.ok) ?? done;
  }

  /** Only once the kernel has confirmed that this host answers no more. */
  #release(): string[] {
    const failures = new Set<string>();
    for (const { sender, to, message } of this.#routers) {
      const sent = sender.send({ to, bytes: message });
      if (!sent.ok) failures.add(sent.reason);
    }
    const rounds = Math.max(0, ...this.#peers.map(({ datagrams }) => datagrams.length));
    for (let round = 0; round < rounds; round++) {
      if (round > 0) pause(SAY_AGAIN_MS);
      for (const { sender, datagrams } of this.#peers) {
        const sent = sender.send(datagrams[round] as Uint8Array);
        if (!sent.ok) failures.add(sent.reason);
      }
    }
    return [...failures];
  }
}
