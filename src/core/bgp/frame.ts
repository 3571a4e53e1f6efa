/** BGP messages in the byte stream: RFC 4271 sections 4.1 and 6.1, RFC 2918 (ROUTE-REFRESH), RFC 7313 section 5. */
import { assert } from '../../base/assert.ts';
import { type Notification, notification } from './notification.ts';

export const messageKinds = ['open', 'update', 'notification', 'keepalive', 'routeRefresh'] as const;
export type MessageKind = (typeof messageKinds)[number];

export interface Frame {
  kind: MessageKind;
  /** Without the header. */
  body: Uint8Array;
}

const MARKER_BYTES = 16;
const HEADER_BYTES = 19;
/** RFC 4271 section 4.1; RFC 8654 is not offered. */
export const MESSAGE_BYTES_MAX = 4096;
const SHORTEST: Record<MessageKind, number> = { open: 29, update: 23, notification: 21, keepalive: 19, routeRefresh: 23 };
const LONGEST: Partial<Record<MessageKind, number>> = { keepalive: 19, routeRefresh: 23 };

export function encodeFrame(kind: MessageKind, body: Uint8Array): Uint8Array {
  const length = HEADER_BYTES + body.length;
  assert(length <= MESSAGE_BYTES_MAX, 'a BGP message has at most 4096 bytes');
  const message = new Uint8Array(length).fill(0xff, 0, MARKER_BYTES);
  message[MARKER_BYTES] = length >> 8;
  message[MARKER_BYTES + 1] = length & 0xff;
  message[MARKER_BYTES + 2] = messageKinds.indexOf(kind) + 1;
  message.set(body, HEADER_BYTES);
  return message;
}

/** What kind of message these bytes, a whole message, are. */
export function kindOf(message: Uint8Array): MessageKind {
  return messageKinds[(message[MARKER_BYTES + 2] as number) - 1] as MessageKind;
}

export interface Split {
  frames: Frame[];
  /** The beginning of a message that has not come whole, a copy; fewer than 4096 bytes. */
  rest: Uint8Array;
  /** What is wrong with the message after `frames`; nothing can be read from there on. */
  error: Notification | undefined;
}

/** Cuts what has come from a peer into messages. */
export function splitFrames(rest: Uint8Array, received: Uint8Array): Split {
  const bytes = rest.length === 0 ? received : joined(rest, received);
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= HEADER_BYTES) {
    const header = readHeader(bytes.subarray(at, at + HEADER_BYTES));
    if ('code' in header) return { frames, rest: new Uint8Array(0), error: header };
    if (bytes.length - at < header.length) break;
    frames.push({ kind: header.kind, body: bytes.slice(at + HEADER_BYTES, at + header.length) });
    at += header.length;
  }
  return { frames, rest: bytes.slice(at), error: undefined };
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

function readHeader(header: Uint8Array): { kind: MessageKind; length: number } | Notification {
  if (header.subarray(0, MARKER_BYTES).some((byte) => byte !== 0xff)) return notification('Connection Not Synchronized');
  const lengthField = header.slice(MARKER_BYTES, MARKER_BYTES + 2);
  const length = ((lengthField[0] as number) << 8) | (lengthField[1] as number);
  if (length < HEADER_BYTES || length > MESSAGE_BYTES_MAX) return notification('Bad Message Length', lengthField);
  const type = header[MARKER_BYTES + 2] as number;
  const kind = messageKinds[type - 1];
  if (kind === undefined) return notification('Bad Message Type', Uint8Array.of(type));
  if (length < SHORTEST[kind] || length > (LONGEST[kind] ?? length)) return notification('Bad Message Length', lengthField);
  return { kind, length };
}
