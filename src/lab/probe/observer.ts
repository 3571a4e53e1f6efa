/**
 * Watches from outside who holds the address, in two ways that need no word from any agent: it asks the link all the time (ARP, NDP), and it
 * knocks at each host's own MAC address with a TCP SYN, so that a host which accepts without answering ARP is found as well.
 *
 * It does so as a station of its own, with a MAC and an IP address that are not the client's: what it hears must not mend the client's
 * neighbour cache, for a takeover has to reach the client by its own announcement.
 */
import { familyOf, formatMac, parseMac } from '../../base/address.ts';
import type { Sighting } from '../../core/drill/record.ts';
import { arpGratuitousReply, arpRequest, parseArp } from '../../core/neighbor/arp.ts';
import { macBytes } from '../../core/neighbor/ethernet.ts';
import { neighborSolicitation, parseNdp, unsolicitedAdvertisement } from '../../core/neighbor/ndp.ts';
import { linkByName } from '../../drivers/linux/links.ts';
import { type Capture, openCapture } from './capture.ts';
import { answersFilter } from './filter.ts';
import type { ObserverOptions } from './options.ts';
import { type Ends, parseSynAck, rstFrame, type SynAck, synFrame } from './syn.ts';

const ASK_EVERY_MS = 5;
/** A multiple of the above: each knock follows a question in the same turn. */
const ASKS_PER_KNOCK = 2;
/** Above the ephemeral range (ip(7): 32768-60999), where the client's own connections never are. */
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
  readonly #mac: string;
  readonly #question: Uint8Array;
  readonly #capture: Capture;
  readonly #names: ReadonlyMap<string, string>;
  readonly #knocks = new Map<number, Knock>();
  readonly #timer: NodeJS.Timeout;
  #nextPort = FIRST_PORT;
  #asked = 0;

  constructor(watch: HolderWatch) {
    const { address, observer } = watch;
    const link = linkByName(observer.interface);
    this.#watch = watch;
    this.#mac = observerMac(link.mac);
    this.#names = new Map(observer.hosts.map(({ name, mac }) => [mac.toLowerCase(), name]));
    const asker = { mac: this.#mac, address: observer.address, target: address };
    this.#question = familyOf(address) === 'IPv4' ? arpRequest(asker) : neighborSolicitation(asker);
    const filter = answersFilter({ firstPort: FIRST_PORT });
    this.#capture = openCapture({ linkIndex: link.index, filter, onFrame: (frame) => this.#onFrame(frame) });
    this.#timer = setInterval(() => this.#ask(), ASK_EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#capture.close();
  }

  /** The question goes first: from it a holder learns the observer's MAC, and need not ask for it, as the holder, before it can answer a knock. */
  #ask(): void {
    this.#capture.send(this.#question);
    this.#asked++;
    if (this.#asked % ASKS_PER_KNOCK !== 0) return;
    for (const { mac } of this.#watch.observer.hosts) this.#knock(mac);
  }

  #knock(mac: string): void {
    const port = this.#nextPort;
    this.#nextPort = port === LAST_PORT ? FIRST_PORT : port + 1;
    const sentMs = this.#watch.now();
    // Different each time a port comes round, which is all that is asked of it here.
    const sequence = Math.floor(sentMs * 1000) >>> 0;
    this.#knocks.set(port, { sequence, sentMs });
    this.#capture.send(synFrame(this.#ends(mac, port), { sequence }));
  }

  #ends(targetMac: string, sourcePort: number): Ends {
    const { address, port, observer } = this.#watch;
    return { sourceMac: this.#mac, targetMac, source: observer.address, target: address, sourcePort, targetPort: port };
  }

  #onFrame(frame: Uint8Array): void {
    const synAck = parseSynAck(frame);
    if (synAck !== undefined) return this.#onSynAck(synAck);
    const arp = parseArp(frame);
    if (arp.ok) {
      const { operation, senderMac, senderAddress, targetAddress } = arp.value;
      if (operation === 'reply') this.#sighted(senderAddress, { mac: senderMac, how: 'arp' });
      else if (targetAddress === this.#watch.observer.address) this.#introduce(senderMac);
      return;
    }
    const ndp = parseNdp(frame);
    if (!ndp.ok) return;
    const { kind, target, linkAddress, etherSource } = ndp.value;
    if (kind === 'advertisement') this.#sighted(target, { mac: linkAddress ?? etherSource, how: 'ndp' });
    else if (target === this.#watch.observer.address) this.#introduce(etherSource);
  }

  #onSynAck({ mac, targetPort, acknowledgement }: SynAck): void {
    const knock = this.#knocks.get(targetPort);
    if (knock === undefined) return;
    // Also for a retransmission, or the host would go on retransmitting.
    this.#capture.send(rstFrame(this.#ends(mac, targetPort), { sequence: acknowledgement }));
    if (acknowledgement !== (knock.sequence + 1) >>> 0 || this.#watch.now() - knock.sentMs > KNOCK_VALID_MS) return;
    this.#sighted(this.#watch.address, { mac, how: 'tcp' });
  }

  #sighted(address: string, { mac, how }: { mac: string; how: Sighting['how'] }): void {
    if (address !== this.#watch.address) return;
    this.#watch.onSighting({ timeMs: this.#watch.now(), host: this.#names.get(mac) ?? mac, how });
  }

  /** Answers a host that wants to reach the observer; to that host alone, as nobody else asked. */
  #introduce(mac: string): void {
    const self = { mac: this.#mac, address: this.#watch.observer.address };
    const frame = familyOf(self.address) === 'IPv4' ? arpGratuitousReply(self) : unsolicitedAdvertisement(self);
    frame.set(macBytes(mac));
    this.#capture.send(frame);
  }
}

/** The switch learns it on the client's port, and the client's kernel leaves alone what is sent to it. */
function observerMac(clientMac: string): string {
  const bytes = parseMac(clientMac) ?? new Uint8Array(6);
  bytes.set([0x02, 0x68, 0x61]);
  return formatMac(bytes);
}
