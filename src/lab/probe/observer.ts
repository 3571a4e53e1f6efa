/**
 * Watches from outside who holds the address, in two ways that need no word from any agent: it asks the link all the time (ARP, NDP), and it
 * knocks at each host's own MAC address with a TCP SYN, so that a host which accepts without answering ARP is found as well.
 */
import { familyOf, formatMac, parseMac, prefixContains } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import type { Sighting } from '../../core/drill/record.ts';
import { arpRequest, parseArp } from '../../core/neighbor/arp.ts';
import { neighborSolicitation, parseNdp } from '../../core/neighbor/ndp.ts';
import { type Link, linkByName, listAddresses } from '../../drivers/linux/links.ts';
import { type Capture, openCapture } from './capture.ts';
import { answersFilter } from './filter.ts';
import type { ObserverOptions } from './options.ts';
import { parseSynAck, synFrame } from './syn.ts';

const ASK_EVERY_MS = 5;
const KNOCK_EVERY_MS = 10;
/** Above the ephemeral range (ip(7): 32768-60999), so that no socket of the client owns them and its kernel resets what is answered. */
const FIRST_PORT = 61_001;
const LAST_PORT = 65_000;
/** Later SYN-ACKs are retransmissions and say nothing about now. */
const KNOCK_VALID_MS = 200;

export interface HolderWatch {
  address: string;
  port: number;
  observer: ObserverOptions;
  now: () => number;
  onSighting: (sighting: Sighting) => void;
}

interface Knock {
  sequence: number;
  sentMs: number;
}

export class HolderObserver {
  readonly #watch: HolderWatch;
  readonly #link: Link;
  readonly #source: string;
  readonly #question: Uint8Array;
  readonly #capture: Capture;
  readonly #names: ReadonlyMap<string, string>;
  readonly #knocks = new Map<number, Knock>();
  readonly #timers: NodeJS.Timeout[];
  #nextPort = FIRST_PORT;

  constructor(watch: HolderWatch) {
    const { address, observer } = watch;
    this.#watch = watch;
    this.#link = linkByName(observer.interface);
    this.#source = ownAddress(this.#link, address);
    this.#names = new Map(observer.hosts.map(({ name, mac }) => [mac.toLowerCase(), name]));
    const mac = observerMac(this.#link.mac);
    const asker = { mac, address: observer.address, target: address };
    this.#question = familyOf(address) === 'IPv4' ? arpRequest(asker) : neighborSolicitation(asker);
    const filter = answersFilter({ firstPort: FIRST_PORT });
    this.#capture = openCapture({ linkIndex: this.#link.index, filter, onFrame: (frame) => this.#onFrame(frame) });
    this.#timers = [
      setInterval(() => this.#capture.send(this.#question), ASK_EVERY_MS),
      setInterval(() => this.#knockAtAll(), KNOCK_EVERY_MS),
    ];
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#capture.close();
  }

  #knockAtAll(): void {
    const { address, port, observer, now } = this.#watch;
    for (const host of observer.hosts) {
      const sourcePort = this.#nextPort;
      this.#nextPort = sourcePort === LAST_PORT ? FIRST_PORT : sourcePort + 1;
      const sentMs = now();
      // Different at each round of the ports, which is all that is asked of it here.
      const sequence = Math.floor(sentMs * 1000) >>> 0;
      this.#knocks.set(sourcePort, { sequence, sentMs });
      const ends = { source: this.#source, target: address, sourcePort, targetPort: port, sequence };
      this.#capture.send(synFrame({ sourceMac: this.#link.mac, targetMac: host.mac, ...ends }));
    }
  }

  #onFrame(frame: Uint8Array): void {
    const timeMs = this.#watch.now();
    const answer = this.#answerOf(frame, timeMs);
    if (answer !== undefined) this.#watch.onSighting({ timeMs, host: this.#names.get(answer.mac) ?? answer.mac, how: answer.how });
  }

  #answerOf(frame: Uint8Array, timeMs: number): { mac: string; how: Sighting['how'] } | undefined {
    const { address } = this.#watch;
    const synAck = parseSynAck(frame);
    if (synAck !== undefined) {
      const knock = this.#knocks.get(synAck.targetPort);
      if (knock === undefined || synAck.acknowledgement !== (knock.sequence + 1) >>> 0) return undefined;
      return timeMs - knock.sentMs <= KNOCK_VALID_MS ? { mac: synAck.mac, how: 'tcp' } : undefined;
    }
    const arp = parseArp(frame);
    if (arp.ok)
      return arp.value.operation === 'reply' && arp.value.senderAddress === address ? { mac: arp.value.senderMac, how: 'arp' } : undefined;
    const ndp = parseNdp(frame);
    if (!ndp.ok || ndp.value.kind !== 'advertisement' || ndp.value.target !== address) return undefined;
    return { mac: ndp.value.linkAddress ?? ndp.value.etherSource, how: 'ndp' };
  }
}

/** The client's own address in the subnet of the address under test. */
function ownAddress(link: Link, address: string): string {
  const own = listAddresses(link.index).find((entry) => prefixContains({ address: entry.address, length: entry.prefixLength }, address));
  if (own !== undefined) return own.address;
  throw new HaleError({
    code: 'probe_outside_subnet',
    kind: 'world',
    message: `interface ${link.name}: the client has no address in the subnet of ${address}`,
    remedy: 'the holder can be observed only from a host on the same link',
  });
}

/** Not the client's, for the same reason as the observer's address; the link delivers the answers to the client's port all the same. */
function observerMac(clientMac: string): string {
  const bytes = parseMac(clientMac) ?? new Uint8Array(6);
  bytes.set([0x02, 0x68, 0x61]);
  return formatMac(bytes);
}
