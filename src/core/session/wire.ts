import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { Boot, Member } from '../lease/message.ts';
import type { Hello } from './session.ts';

/**
 * A datagram between agents, big-endian:
 *
 *   magic u16 | version u8 | type u8 | key u8 | from u8 | to u8 | cluster u32 | boot u48 | counter u48 | payload | tag 16 bytes
 *
 * The tag is HMAC-SHA256 over everything before it, cut to 16 bytes (RFC 2104 section 5). A hello's payload is challenge u48, echo u48.
 */
export const TAG_BYTES = 16;
const HEADER_BYTES = 23;
const MAGIC = 0x686c;
const VERSION = 1;
const TYPE_DATA = 0;
const TYPE_HELLO = 1;
/** With the envelope, UDP and IPv6 headers within the smallest MTU that IPv6 knows, 1,280 bytes (RFC 8200 section 5). */
export const PAYLOAD_BYTES_MAX = 1280 - 40 - 8 - HEADER_BYTES - TAG_BYTES;

export interface Envelope {
  /** Which key made the tag: one byte of a digest of it. */
  key: number;
  from: Member;
  to: Member;
  /** Hash of the cluster's name and members: agents with different descriptions do not talk. */
  cluster: number;
  boot: Boot;
  counter: number;
  content: { hello: Hello } | { payload: Uint8Array };
}

/** The bytes that the tag covers. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const { content } = envelope;
  const writer = new ByteWriter().u16(MAGIC).u8(VERSION);
  writer.u8('hello' in content ? TYPE_HELLO : TYPE_DATA);
  writer.u8(envelope.key).u8(envelope.from).u8(envelope.to).u32(envelope.cluster).u48(envelope.boot).u48(envelope.counter);
  if ('hello' in content) writer.u48(content.hello.challenge).u48(content.hello.echo);
  else writer.bytes(content.payload);
  return writer.finish();
}

/** Reads the bytes before the tag; undefined when they are not a datagram of this version. */
export function decodeEnvelope(bytes: Uint8Array): Envelope | undefined {
  if (bytes.length < HEADER_BYTES || bytes.length > HEADER_BYTES + PAYLOAD_BYTES_MAX) return undefined;
  const reader = new ByteReader(bytes);
  if (reader.u16() !== MAGIC || reader.u8() !== VERSION) return undefined;
  const type = reader.u8();
  const common = { key: reader.u8(), from: reader.u8(), to: reader.u8(), cluster: reader.u32(), boot: reader.u48(), counter: reader.u48() };
  if (type === TYPE_DATA) return { ...common, content: { payload: reader.bytes(reader.remaining) } };
  if (type !== TYPE_HELLO) return undefined;
  const hello = { challenge: reader.u48(), echo: reader.u48() };
  return reader.ok && reader.remaining === 0 ? { ...common, content: { hello } } : undefined;
}
