/**
 * What a NOTIFICATION says: RFC 4271 sections 4.5 and 6, RFC 4486 (Cease), RFC 9003 (shutdown communication), RFC 5492 section 5,
 * RFC 6608 (Finite State Machine Error), RFC 7313 section 5, RFC 8538 (Hard Reset), RFC 9234 (Role Mismatch), RFC 9384 (BFD Down), RFC 9687.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { printable } from '../../base/printable.ts';
import { utf8, utf8Bytes } from '../../base/utf8.ts';

export interface Notification {
  code: number;
  subcode: number;
  data: Uint8Array;
}

/** Names as in IANA's registry "BGP Error (Notification) Codes" and its subcodes; subcode 0 says nothing more. */
const CODES: readonly (readonly [code: number, name: string, subcodes: readonly (readonly [subcode: number, name: string])[]])[] = [
  [
    1,
    'Message Header Error',
    [
      [1, 'Connection Not Synchronized'],
      [2, 'Bad Message Length'],
      [3, 'Bad Message Type'],
    ],
  ],
  [
    2,
    'OPEN Message Error',
    [
      [1, 'Unsupported Version Number'],
      [2, 'Bad Peer AS'],
      [3, 'Bad BGP Identifier'],
      [4, 'Unsupported Optional Parameter'],
      [5, 'Authentication Failure'],
      [6, 'Unacceptable Hold Time'],
      [7, 'Unsupported Capability'],
      [11, 'Role Mismatch'],
    ],
  ],
  [
    3,
    'UPDATE Message Error',
    [
      [1, 'Malformed Attribute List'],
      [2, 'Unrecognized Well-known Attribute'],
      [3, 'Missing Well-known Attribute'],
      [4, 'Attribute Flags Error'],
      [5, 'Attribute Length Error'],
      [6, 'Invalid ORIGIN Attribute'],
      [7, 'AS Routing Loop'],
      [8, 'Invalid NEXT_HOP Attribute'],
      [9, 'Optional Attribute Error'],
      [10, 'Invalid Network Field'],
      [11, 'Malformed AS_PATH'],
    ],
  ],
  [4, 'Hold Timer Expired', []],
  [
    5,
    'Finite State Machine Error',
    [
      [1, 'Receive Unexpected Message in OpenSent State'],
      [2, 'Receive Unexpected Message in OpenConfirm State'],
      [3, 'Receive Unexpected Message in Established State'],
    ],
  ],
  [
    6,
    'Cease',
    [
      [1, 'Maximum Number of Prefixes Reached'],
      [2, 'Administrative Shutdown'],
      [3, 'Peer De-configured'],
      [4, 'Administrative Reset'],
      [5, 'Connection Rejected'],
      [6, 'Other Configuration Change'],
      [7, 'Connection Collision Resolution'],
      [8, 'Out of Resources'],
      [9, 'Hard Reset'],
      [10, 'BFD Down'],
    ],
  ],
  [7, 'ROUTE-REFRESH Message Error', [[1, 'Invalid Message Length']]],
  [8, 'Send Hold Timer Expired', []],
];

/** Those that this speaker sends, by name. */
const SENT = {
  'Connection Not Synchronized': [1, 1],
  'Bad Message Length': [1, 2],
  'Bad Message Type': [1, 3],
  'OPEN Message Error': [2, 0],
  'Unsupported Version Number': [2, 1],
  'Bad Peer AS': [2, 2],
  'Bad BGP Identifier': [2, 3],
  'Unsupported Optional Parameter': [2, 4],
  'Unacceptable Hold Time': [2, 6],
  'Unsupported Capability': [2, 7],
  'Malformed Attribute List': [3, 1],
  'Unrecognized Well-known Attribute': [3, 2],
  'Optional Attribute Error': [3, 9],
  'Invalid Network Field': [3, 10],
  'Hold Timer Expired': [4, 0],
  'Receive Unexpected Message in OpenSent State': [5, 1],
  'Receive Unexpected Message in OpenConfirm State': [5, 2],
  'Receive Unexpected Message in Established State': [5, 3],
  'Administrative Shutdown': [6, 2],
  'Connection Collision Resolution': [6, 7],
  'BFD Down': [6, 10],
} as const;

export type NotificationName = keyof typeof SENT;

const CEASE = 6;
const ADMINISTRATIVE_SHUTDOWN = 2;
const ADMINISTRATIVE_RESET = 4;
const COLLISION_RESOLUTION = 7;
const HARD_RESET = 9;
/** RFC 9003 section 2: in bytes of UTF-8. */
const COMMUNICATION_BYTES_MAX = 255;

export function notification(name: NotificationName, data: Uint8Array = new Uint8Array(0)): Notification {
  const [code, subcode] = SENT[name];
  return { code, subcode, data };
}

/** Cease/Administrative Shutdown with a text for the peer's operator (RFC 9003), cut at 255 bytes between two characters. */
export function administrativeShutdown(text: string): Notification {
  const whole = utf8Bytes(text);
  let length = Math.min(whole.length, COMMUNICATION_BYTES_MAX);
  while (length < whole.length && ((whole[length] as number) & 0xc0) === 0x80) length--;
  return notification('Administrative Shutdown', new ByteWriter().u8(length).bytes(whole.subarray(0, length)).finish());
}

export function isCollisionResolution({ code, subcode }: Notification): boolean {
  return code === CEASE && subcode === COLLISION_RESOLUTION;
}

/** The body of the message. */
export function encodeNotification({ code, subcode, data }: Notification): Uint8Array {
  return new ByteWriter().u8(code).u8(subcode).bytes(data).finish();
}

/** A body of at least two bytes; whatever it says is a NOTIFICATION (RFC 4271 section 6.4). */
export function decodeNotification(body: Uint8Array): Notification {
  return { code: body[0] as number, subcode: body[1] as number, data: body.slice(2) };
}

/** `Cease/Administrative Shutdown: maintenance`; numbers where there is no name. */
export function describeNotification({ code, subcode, data }: Notification): string {
  const known = CODES.find(([number]) => number === code);
  const name = known?.[1] ?? `error code ${code}`;
  if (subcode === 0) return name;
  const subname = known?.[2].find(([number]) => number === subcode)?.[1] ?? `subcode ${subcode}`;
  const detail = detailOf({ code, subcode, data });
  return detail === '' ? `${name}/${subname}` : `${name}/${subname}: ${detail}`;
}

function detailOf({ code, subcode, data }: Notification): string {
  if (code !== CEASE) return '';
  // RFC 8538 section 3.1: the reason stands inside, without the text of its own marker.
  if (subcode === HARD_RESET && data.length >= 2) return describeNotification(decodeNotification(data));
  if (subcode !== ADMINISTRATIVE_SHUTDOWN && subcode !== ADMINISTRATIVE_RESET) return '';
  const reader = new ByteReader(data);
  const text = reader.bytes(reader.u8());
  return reader.ok ? printable(utf8(text)).trim() : '';
}
