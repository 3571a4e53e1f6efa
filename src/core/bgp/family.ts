/** Address families and prefixes on the wire: RFC 4760 sections 3 to 5, RFC 4271 section 4.3. */
import { type Family, formatIp, formatPrefix, ipBytes, parsePrefix } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import type { ByteReader, ByteWriter } from '../../base/bytes.ts';

const AFIS: Record<Family, number> = { IPv4: 1, IPv6: 2 };
const SAFI_UNICAST = 1;
export const FAMILY_BYTES = 3;

export const addressBytes: Record<Family, number> = { IPv4: 4, IPv6: 16 };

/** AFI and SAFI in three bytes. */
export function writeFamily(writer: ByteWriter, family: Family): ByteWriter {
  return writer.u16(AFIS[family]).u8(SAFI_UNICAST);
}

/** Undefined for what is neither IPv4 nor IPv6 unicast. */
function familyOfNumbers(afi: number, safi: number): Family | undefined {
  if (safi !== SAFI_UNICAST) return undefined;
  return afi === AFIS.IPv4 ? 'IPv4' : afi === AFIS.IPv6 ? 'IPv6' : undefined;
}

export function readFamily(reader: ByteReader): Family | undefined {
  return familyOfNumbers(reader.u16(), reader.u8());
}

export function writePrefix(writer: ByteWriter, prefix: string): ByteWriter {
  const parsed = parsePrefix(prefix);
  assert(parsed !== undefined, `${prefix} is a prefix`);
  const bytes = ipBytes(parsed.address);
  return writer.u8(parsed.length).bytes(bytes.subarray(0, Math.ceil(parsed.length / 8)));
}

/** All prefixes of a field, or undefined where one is longer than its family or than the field (RFC 7606 section 5.3). */
export function readPrefixes(reader: ByteReader, family: Family): string[] | undefined {
  const prefixes: string[] = [];
  while (reader.remaining > 0) {
    const length = reader.u8();
    if (length > addressBytes[family] * 8) return undefined;
    const given = reader.bytes(Math.ceil(length / 8));
    if (!reader.ok) return undefined;
    const bytes = new Uint8Array(addressBytes[family]);
    bytes.set(given);
    // RFC 4271 section 4.3: the bits after the prefix say nothing.
    if (length % 8 !== 0) bytes[length >> 3] = (bytes[length >> 3] as number) & (0xff00 >> (length % 8));
    prefixes.push(formatPrefix({ address: formatIp(bytes), length }));
  }
  return prefixes;
}
