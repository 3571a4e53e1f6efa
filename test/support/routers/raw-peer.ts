/** A BGP peer byte by byte, with a codec of its own: RFC 4271 section 4, for what no router would send. */
import type { Socket } from 'node:net';
import type { TestHost } from '../netns.ts';
import { connectFrom } from '../tcp.ts';

export const [OPEN, UPDATE, KEEPALIVE] = [1, 2, 4];
const NOTIFICATION = 3;

export interface RawMessage {
  type: number;
  body: Buffer;
}

export class RawPeer {
  readonly socket: Socket;
  /** The other side has ended the connection, or broken it off. */
  ended = false;
  #received = Buffer.alloc(0);

  /** Of a connection of either side. */
  constructor(socket: Socket) {
    this.socket = socket;
    this.socket.setNoDelay(true);
    this.socket.on('data', (bytes: Buffer) => (this.#received = Buffer.concat([this.#received, bytes])));
    this.socket.on('end', () => (this.ended = true));
    this.socket.on('error', () => (this.ended = true));
    this.socket.resume();
  }

  static connect(from: TestHost, address: string): RawPeer {
    return new RawPeer(connectFrom(from, { address, port: 179 }));
  }

  get messages(): RawMessage[] {
    const messages: RawMessage[] = [];
    for (let at = 0; at + 19 <= this.#received.length; ) {
      const length = this.#received.readUInt16BE(at + 16);
      if (length < 19 || at + length > this.#received.length) break;
      messages.push({ type: this.#received[at + 18] as number, body: this.#received.subarray(at + 19, at + length) });
      at += length;
    }
    return messages;
  }

  /** Code, subcode and data of the NOTIFICATION that came. */
  get notification(): [number, number, string] | undefined {
    const body = this.messages.find(({ type }) => type === NOTIFICATION)?.body;
    return body === undefined ? undefined : [body[0] as number, body[1] as number, body.subarray(2).toString('hex')];
  }

  count(type: number | undefined): number {
    return this.messages.filter((one) => one.type === type).length;
  }

  send(...parts: Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }
}

export function message(type: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(19, 0xff);
  header.writeUInt16BE(19 + body.length, 16);
  header[18] = type;
  return Buffer.concat([header, body]);
}

export const keepalive = message(4);

const capability = (code: number, ...value: number[]) => Buffer.from([code, value.length, ...value]);
const u16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);
export const multiprotocol = (afi: number) => capability(1, 0, afi, 0, 1);
export const fourOctetAsn = (asn: number) => capability(65, asn >>> 24, (asn >>> 16) & 0xff, (asn >>> 8) & 0xff, asn & 0xff);
const routeRefresh = capability(2);

export interface OpenFields {
  version?: number;
  asn: number;
  holdTimeS?: number;
  routerId?: readonly number[];
  capabilities?: readonly Buffer[];
}

/** Capabilities stand in one optional parameter (RFC 5492 section 4). */
export function open({ version = 4, asn, holdTimeS = 90, routerId = [10, 77, 0, 2], capabilities }: OpenFields): Buffer {
  const list = Buffer.concat(capabilities ?? [multiprotocol(1), multiprotocol(2), fourOctetAsn(asn), routeRefresh]);
  const parameters = list.length === 0 ? Buffer.from([0]) : Buffer.concat([Buffer.from([list.length + 2, 2, list.length]), list]);
  return message(
    1,
    Buffer.concat([Buffer.from([version]), u16(asn > 65_535 ? 23_456 : asn), u16(holdTimeS), Buffer.from(routerId), parameters]),
  );
}

export function attribute(flags: number, type: number, ...value: number[]): Buffer {
  return Buffer.from([flags, type, value.length, ...value]);
}

/** ORIGIN IGP, an AS_PATH of one 4-octet number, NEXT_HOP. */
export const goodAttributes = (asn: number): Buffer[] => [
  attribute(0x40, 1, 0),
  attribute(0x40, 2, 2, 1, asn >>> 24, (asn >>> 16) & 0xff, (asn >>> 8) & 0xff, asn & 0xff),
  attribute(0x40, 3, 10, 77, 0, 2),
];

export function update({
  withdrawn = [],
  attributes = [],
  nlri = [],
}: {
  withdrawn?: number[];
  attributes?: Buffer[];
  nlri?: number[];
}): Buffer {
  const list = Buffer.concat(attributes);
  return message(2, Buffer.concat([u16(withdrawn.length), Buffer.from(withdrawn), u16(list.length), list, Buffer.from(nlri)]));
}
