import { utf8 } from '../../../base/utf8.ts';
import { ALARM_NAMES, type AlarmName } from '../alarms.ts';
import { BYTES, exactVarint, VARINT, WireReader } from '../data-folder/wire.ts';

/** Entries of etcd's small buckets. Each is undefined where it is not what etcd writes. */

export interface RecordedMember {
  /** Hexadecimal. */
  id: string;
  name: string;
  peerUrls: string[];
  clientUrls: string[];
  isLearner: boolean;
}

export interface RecordedAlarm {
  /** Hexadecimal. */
  memberId: string;
  alarm: AlarmName;
}

/** The id stands in the key in hexadecimal, and in the JSON as a number beyond 2^53. */
export function readMember(key: string, json: string): RecordedMember | undefined {
  const id = /^\{"id":(\d{1,20}),/.exec(json)?.[1];
  if (id === undefined || BigInt(id).toString(16).padStart(key.length, '0') !== key) return undefined;
  let member: unknown;
  try {
    member = JSON.parse(json);
  } catch {
    return undefined;
  }
  const { name = '', peerURLs, clientURLs = [], isLearner = false } = member as Record<string, unknown>;
  if (typeof name !== 'string' || typeof isLearner !== 'boolean' || !isTexts(peerURLs) || !isTexts(clientURLs)) return undefined;
  return { id: BigInt(id).toString(16), name, peerUrls: peerURLs, clientUrls: clientURLs, isLearner };
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

/** rpc.proto, AlarmMember. */
export function readAlarm(bytes: Uint8Array): RecordedAlarm | undefined {
  const fields = new WireReader(bytes);
  let memberId = 0n;
  let alarm: AlarmName | undefined = 'NONE';
  while (fields.next()) {
    if (fields.wireType !== VARINT) return undefined;
    if (fields.field === 1) memberId = exactVarint(fields.view());
    else if (fields.field === 2) alarm = ALARM_NAMES[fields.value];
    else return undefined;
  }
  return fields.ok && alarm !== undefined ? { memberId: memberId.toString(16), alarm } : undefined;
}

/** lease.proto, Lease. */
export function readLeaseId(bytes: Uint8Array): bigint | undefined {
  const fields = new WireReader(bytes);
  let id = 0n;
  while (fields.next()) {
    if (fields.wireType !== VARINT || fields.field > 3) return undefined;
    if (fields.field === 1) id = exactVarint(fields.view());
  }
  return fields.ok ? id : undefined;
}

/** auth.proto, User. The rest of it, a hash of the password among it, is not looked at. */
export function readUserName(bytes: Uint8Array): string | undefined {
  const fields = new WireReader(bytes);
  let name: string | undefined;
  while (fields.next()) {
    if (fields.wireType === BYTES && fields.field === 1) name = utf8(fields.view());
  }
  return fields.ok ? name : undefined;
}
