/** VRRP messages, and the packets that carry them. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { formatIp } from '../../../src/base/address.ts';
import { checksum } from '../../../src/core/balancer/segment.ts';
import {
  type Advertisement,
  type ChecksumForm,
  decodeAdvertisement,
  encodeAdvertisement,
  type VrrpEnvelope,
} from '../../../src/core/vrrp/wire.ts';
import { parseIpv4Packet, parseIpv6Packet } from '../../../src/drivers/linux/vrrp.ts';
import type { Target } from '../target.ts';

const four: VrrpEnvelope = { from: '10.0.0.12', to: '224.0.0.18', password: 's3cret' };
const six: VrrpEnvelope = { from: 'fe80::12', to: 'ff02::12' };
const three: Advertisement = { version: 3, virtualRouterId: 7, priority: 100, maxAdvertiseIntervalMs: 1000, addresses: ['10.0.0.100'] };
const encode = (message: Advertisement, envelope: VrrpEnvelope, checksumForm: ChecksumForm = 'with-pseudo-header') =>
  encodeAdvertisement(message, { ...envelope, checksumForm });

/** The first byte says which family carries the rest. */
const over = (envelope: VrrpEnvelope, bytes: Uint8Array) => Uint8Array.of(envelope === six ? 1 : 0, ...bytes);
const envelopeOf = (input: Uint8Array) => ((input[0] ?? 0) % 2 === 1 ? six : four);
const CHECKSUM_AT = 1 + 6;

const vrrp: Target = {
  name: 'vrrp',
  property:
    'a VRRP message is declined with a reason, or its fields stand at the offsets of RFC 9568 section 5.2, and written again it is the same',
  seeds: [
    over(four, encode(three, four)),
    over(four, encode(three, four, 'message-only')),
    over(four, encode({ ...three, version: 2 }, four)),
    over(four, encode({ ...three, version: 2 }, { ...four, password: undefined })),
    over(six, encode({ ...three, addresses: ['fe80::7', 'fd00::100'] }, six)),
  ],
  maxLength: 256,
  /** The checksum without a pseudo-header, which is right over IPv4. */
  repair(input) {
    if (input.length < CHECKSUM_AT + 2 || input.length % 2 === 0) return input;
    const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
    view.setUint16(CHECKSUM_AT, 0);
    view.setUint16(CHECKSUM_AT, checksum([input.subarray(1)]));
    return input;
  },
  run(input) {
    const envelope = envelopeOf(input);
    const bytes = input.subarray(1);
    const decoded = decodeAdvertisement(bytes, envelope);
    if (!decoded.ok) return ok(decoded.reason.length > 0);
    const { message, checksumForm = 'with-pseudo-header' } = decoded;
    const { version, virtualRouterId, priority, addresses, maxAdvertiseIntervalMs } = message;
    deepEqual([(version << 4) | 1, virtualRouterId, priority, addresses.length], [...bytes.subarray(0, 4)]);
    const length = envelope === six ? 16 : 4;
    for (const [i, address] of addresses.entries()) equal(address, formatIp(bytes.subarray(8 + i * length, 8 + (i + 1) * length)));
    ok(maxAdvertiseIntervalMs > 0 && virtualRouterId > 0 && addresses.length > 0);
    // What is ignored is written as zero: the reserved bits, and with them the checksum.
    if (version === 3 && (bytes[4] as number) >= 0x10) return;
    const again = encode(message, envelope, checksumForm);
    // One's complement has two zeros.
    const isSame = (at: number) => at === 6 || at === 7 || again[at] === bytes[at];
    ok(again.length === bytes.length && again.every((_, at) => isSame(at)), 'written again it is another');
    deepEqual(decodeAdvertisement(again, envelope), decoded);
  },
};

const header4 = Uint8Array.of(0x45, 0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0, 10, 0, 0, 12, 224, 0, 0, 18);
const header6 = Uint8Array.of(0x60, 0, 0, 0, 0, 12, 112, 255, ...Array.from({ length: 32 }, (_, i) => i));

const packet: Target = {
  name: 'vrrp-packet',
  property: 'an IP packet is declined, or its message lies within it, after the header',
  seeds: [Uint8Array.of(...header4, ...encode(three, four)), Uint8Array.of(...header6, ...encode(three, four))],
  maxLength: 128,
  run(input) {
    const v4 = parseIpv4Packet(input);
    const v6 = parseIpv6Packet(input);
    ok(v4 === undefined || v6 === undefined, 'of both families');
    if (v4 !== undefined)
      deepEqual([v4.ttl, v4.from, v4.to], [input[8], formatIp(input.subarray(12, 16)), formatIp(input.subarray(16, 20))]);
    if (v6 !== undefined)
      deepEqual([v6.ttl, v6.from, v6.to], [input[7], formatIp(input.subarray(8, 24)), formatIp(input.subarray(24, 40))]);
    const found = v4 ?? v6;
    if (found === undefined) return;
    const at = found.bytes.byteOffset - input.byteOffset;
    ok(at >= (v4 ? 20 : 40) && at + found.bytes.length <= input.length, 'outside the packet');
  },
};

export const vrrpTargets: readonly Target[] = [vrrp, packet];
