import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { fitnessLevels, type LeaseMessage, type Round, refusalReasons, requestPurposes } from './message.ts';

/**
 * A lease message on the wire, big-endian:
 *
 *   version u8 | kind u8 | fields of the kind
 *
 * Rounds are boot u48, seq u48; terms u48; waits u32 in microseconds; choices u8, an index into their list;
 * flags u8, 0 or 1. So a message has one encoding only.
 */
const WIRE_VERSION = 1;

const kinds: readonly LeaseMessage['kind'][] = [
  'poll',
  'request',
  'grant',
  'refusal',
  'release',
  'handover',
  'ready',
  'yield',
  'heartbeat',
];
const flags: readonly boolean[] = [false, true];
/** No cluster gets there: a thousand elections a second would take 4,000 years. What says more is damaged; to follow the highest number of 48 bits would be to start at 0 again. */
const TERM_MAX = 2 ** 47;
const WAIT_US_MAX = 0xffff_ffff;
/** Whole microseconds in a double of milliseconds come out of the multiplication a hair too large. */
const ROUNDING_US = 0.001;

export type Decoded = { ok: true; message: LeaseMessage } | { ok: false; reason: 'version' | 'kind' | 'length' | 'value' };

export function encodeLeaseMessage(message: LeaseMessage): Uint8Array {
  const writer = new ByteWriter().u8(WIRE_VERSION).u8(kinds.indexOf(message.kind));
  if ('round' in message) writer.u48(message.round.boot).u48(message.round.seq);
  if ('term' in message) writer.u48(message.term);
  if (message.kind === 'request') writer.u8(requestPurposes.indexOf(message.purpose));
  if (message.kind === 'grant' || message.kind === 'refusal') writer.u8(message.poll ? 1 : 0);
  if (message.kind === 'refusal') {
    writer.u8(refusalReasons.indexOf(message.reason)).u32(Math.min(Math.ceil(message.waitMs * 1000 - ROUNDING_US), WAIT_US_MAX));
  }
  if (message.kind === 'handover') writer.u8(message.successor);
  if (message.kind === 'heartbeat') {
    writer.u8(fitnessLevels.indexOf(message.fitness)).u16(message.heard).u16(message.readyBackends).u48(message.mac);
  }
  return writer.finish();
}

/** Reads what came from the network. Malformed bytes are a value with the reason. */
export function decodeLeaseMessage(bytes: Uint8Array): Decoded {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== WIRE_VERSION) return { ok: false, reason: reader.ok ? 'version' : 'length' };
  const kind = kinds[reader.u8()];
  if (!reader.ok) return { ok: false, reason: 'length' };
  if (kind === undefined) return { ok: false, reason: 'kind' };
  const message = readFields(kind, reader);
  if (!reader.ok || reader.remaining > 0) return { ok: false, reason: 'length' };
  const lawful = message !== undefined && !('term' in message && message.term > TERM_MAX);
  return lawful ? { ok: true, message } : { ok: false, reason: 'value' };
}

function readFields(kind: LeaseMessage['kind'], reader: ByteReader): LeaseMessage | undefined {
  switch (kind) {
    case 'poll':
      return { kind, round: readRound(reader) };
    case 'request': {
      const round = readRound(reader);
      const term = reader.u48();
      const purpose = requestPurposes[reader.u8()];
      return purpose && { kind, round, term, purpose };
    }
    case 'grant': {
      const common = { round: readRound(reader), term: reader.u48() };
      const poll = flags[reader.u8()];
      return poll === undefined ? undefined : { kind, ...common, poll };
    }
    case 'refusal': {
      const common = { round: readRound(reader), term: reader.u48() };
      const poll = flags[reader.u8()];
      const reason = refusalReasons[reader.u8()];
      const waitMs = reader.u32() / 1000;
      return poll === undefined || reason === undefined ? undefined : { kind, ...common, poll, reason, waitMs };
    }
    case 'release':
    case 'ready':
    case 'yield':
      return { kind, round: readRound(reader), term: reader.u48() };
    case 'handover':
      return { kind, term: reader.u48(), successor: reader.u8() };
    case 'heartbeat': {
      const term = reader.u48();
      const fitness = fitnessLevels[reader.u8()];
      return fitness && { kind, term, fitness, heard: reader.u16(), readyBackends: reader.u16(), mac: reader.u48() };
    }
  }
}

function readRound(reader: ByteReader): Round {
  return { boot: reader.u48(), seq: reader.u48() };
}
