/**
 * Watches from outside who holds the address, in two ways that need no word from any agent: in each round it asks the link (ARP, NDP), and it
 * knocks at each host's own MAC address with a TCP SYN, so that a host which accepts without answering ARP is found as well. The source of
 * the answer tells who answered, its port who was asked: with some datapaths, and after a hand-over, these differ. What either proves is
 * for core/drill/proof.ts to say.
 *
 * It does so as a station of its own, with a MAC and an IP address that are not the client's: what it hears must not mend the client's
 * neighbour cache, for a takeover has to reach the client by its own announcement.
 *
 * Every answer says which round it answers: a SYN carries the round as its sequence number and the host it is aimed at in its port, and a question gives a sender MAC of its own
 * for each round, to which the answer is addressed. The switch floods frames to these, and nobody else takes them in.
 */
import { familyOf, formatMac, macBytes, parseMac } from '../../base/address.ts';
import type { Answer, WatchRecord } from '../../core/drill/record.ts';
import { arpGratuitousReply, arpRequest, parseArp } from '../../core/neighbor/arp.ts';
import { neighborSolicitation, parseNdp, unsolicitedAdvertisement } from '../../core/neighbor/ndp.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { everyMicroseconds } from '../../drivers/linux/interval.ts';
import { linkByName } from '../../drivers/linux/links.ts';
import { type Capture, openCapture } from './capture.ts';
import { answersFilter } from './filter.ts';
import type { WatchOptions } from './options.ts';
import { type Ends, parseSynAck, rstFrame, type SynAck, synTemplate } from './syn.ts';
import { FrameTemplate } from './template.ts';

const ROUND_US = 1000;
/** Above the ephemeral range (ip(7): 32768-60999), where the client's own connections never are. */
const FIRST_PORT = 61_001;
const PORTS = 4000;
/** Later SYN-ACKs are retransmissions and say nothing about now. */
const KNOCK_VALID_MS = 200;
/** For what is still in the kernel's queues when the last round was asked. */
const SETTLE_MS = 50;
/** Start of the sender MAC of a question, locally administered; the round follows. */
const ROUND_MAC = 0x0277;

export class AddressWatch {
  readonly #options: WatchOptions;
  readonly #mac: string;
  readonly #question: { template: FrameTemplate; macAt: number };
  readonly #knocks: readonly { template: FrameTemplate; tcpAt: number }[];
  readonly #capture: Capture;
  readonly #names: ReadonlyMap<string, string>;
  readonly #timer: { close(): void };
  readonly #askedMs: number[] = [];
  readonly #answers: Answer[] = [];

  constructor(options: WatchOptions) {
    const link = linkByName(options.interface);
    this.#options = options;
    this.#mac = stationMac(link.mac);
    this.#names = new Map(options.hosts.map(({ name, mac }) => [mac.toLowerCase(), name]));
    this.#question = questionTemplate({ mac: this.#mac, address: options.source, target: options.address });
    this.#knocks = options.hosts.map(({ mac }) => synTemplate(this.#ends(mac, FIRST_PORT)));
    const filter = answersFilter({ firstPort: FIRST_PORT });
    this.#capture = openCapture({ linkIndex: link.index, filter, onFrame: (frame, heardMs) => this.#onFrame(frame, heardMs) });
    this.#timer = everyMicroseconds(ROUND_US, () => this.#ask());
  }

  /** Leaves no host a half-open connection, for which it would go on retransmitting for a minute. */
  async close(): Promise<WatchRecord> {
    this.#timer.close();
    this.#takeBackLast();
    // A burst from a real-time process can overtake a knock on another core, or find no room in the kernel's queue. Answers are still heard, and ended.
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    this.#takeBackLast();
    this.#capture.close();
    return { askedMs: this.#askedMs, answers: this.#answers };
  }

  /** Knocks whose answers may be under way. */
  #takeBackLast(): void {
    const last = this.#askedMs.length - 1;
    for (let round = Math.max(0, last - KNOCK_VALID_MS); round <= last; round++) this.#takeBack(round);
  }

  /** The question goes first: from it a holder learns where to answer, and need not ask for it, as the holder, before it can answer a knock. */
  #ask(): void {
    const round = this.#askedMs.length;
    this.#askedMs.push(boottime.now());
    const { template, macAt } = this.#question;
    this.#capture.send(template.set32(macAt + 2, round).bytes);
    for (const [i, knock] of this.#knocks.entries()) {
      const { tcpAt } = knock;
      this.#capture.send(knock.template.set16(tcpAt, this.#portOf(round, i)).set32(tcpAt + 4, round).bytes);
    }
  }

  #takeBack(round: number): void {
    for (const [i, { mac }] of this.#options.hosts.entries()) {
      this.#capture.send(rstFrame(this.#ends(mac, this.#portOf(round, i)), { sequence: round + 1 }));
    }
  }

  #portOf(round: number, host: number): number {
    return FIRST_PORT + ((round * this.#options.hosts.length + host) % PORTS);
  }

  #ends(targetMac: string, sourcePort: number): Ends {
    const { address, port, source } = this.#options;
    return { sourceMac: this.#mac, targetMac, source, target: address, sourcePort, targetPort: port };
  }

  #onFrame(frame: Uint8Array, heardMs: number): void {
    const synAck = parseSynAck(frame);
    if (synAck !== undefined) return this.#onSynAck(synAck, heardMs);
    const { address, source } = this.#options;
    const arp = parseArp(frame);
    if (arp.ok) {
      const { operation, senderMac, senderAddress, targetAddress } = arp.value;
      if (operation === 'request' && targetAddress === source) this.#introduce(senderMac);
      if (operation === 'reply' && senderAddress === address) this.#answered(roundOf(frame), { mac: senderMac, how: 'arp', heardMs });
      return;
    }
    const ndp = parseNdp(frame);
    if (!ndp.ok) return;
    const { kind, target, linkAddress, etherSource } = ndp.value;
    if (kind === 'solicitation' && target === source) this.#introduce(etherSource);
    if (kind === 'advertisement' && target === address) {
      this.#answered(roundOf(frame), { mac: linkAddress ?? etherSource, how: 'ndp', heardMs });
    }
  }

  #onSynAck({ mac, targetPort, acknowledgement }: SynAck, heardMs: number): void {
    const round = (acknowledgement - 1) >>> 0;
    const asked = this.#hostAt(targetPort, round);
    // Also for a retransmission, or the host would go on retransmitting. Where one host steers to another, the way leads through the first.
    for (const to of new Set([mac, asked?.mac ?? mac])) {
      this.#capture.send(rstFrame(this.#ends(to, targetPort), { sequence: acknowledgement }));
    }
    const askedMs = this.#askedMs[round];
    if (asked === undefined || askedMs === undefined || heardMs - askedMs > KNOCK_VALID_MS) return;
    this.#answered(round, { mac, how: 'tcp', asked: asked.name, heardMs });
  }

  /** The inverse of `portOf`; undefined for a port from which no host was knocked at in that round. */
  #hostAt(port: number, round: number): { name: string; mac: string } | undefined {
    return this.#options.hosts.find((_, host) => this.#portOf(round, host) === port);
  }

  #answered(round: number | undefined, { mac, ...answer }: Omit<Answer, 'round' | 'host'> & { mac: string }): void {
    if (round === undefined || round >= this.#askedMs.length) return;
    this.#answers.push({ round, host: this.#names.get(mac) ?? mac, ...answer });
  }

  /** Answers a host that wants to reach this station; to that host alone, as nobody else asked. */
  #introduce(mac: string): void {
    const self = { mac: this.#mac, address: this.#options.source };
    const frame = familyOf(self.address) === 'IPv4' ? arpGratuitousReply(self) : unsolicitedAdvertisement(self);
    frame.set(macBytes(mac));
    this.#capture.send(frame);
  }
}

/** The round that an answer is addressed to; undefined for one that was meant for somebody else, or for all. */
function roundOf(frame: Uint8Array): number | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  return view.getUint16(0) === ROUND_MAC ? view.getUint32(2) : undefined;
}

function questionTemplate(asker: { mac: string; address: string; target: string }): { template: FrameTemplate; macAt: number } {
  // RFC 826: sender hardware address. RFC 4861 section 4.3: the source link-layer address ends the message; its checksum is the third byte.
  const arp = familyOf(asker.target) === 'IPv4';
  const frame = arp ? arpRequest(asker) : neighborSolicitation(asker);
  const macAt = arp ? 14 + 8 : frame.length - 6;
  const template = new FrameTemplate(frame, arp ? undefined : 14 + 40 + 2);
  return { template: template.set16(macAt, ROUND_MAC), macAt };
}

/** The switch learns it on the client's port, and the client's kernel leaves alone what is sent to it. */
function stationMac(clientMac: string): string {
  const bytes = parseMac(clientMac) ?? new Uint8Array(6);
  bytes.set([0x02, 0x68, 0x61]);
  return formatMac(bytes);
}
