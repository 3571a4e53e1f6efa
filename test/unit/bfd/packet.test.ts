import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { declineText } from '../../../src/core/bfd/decline.ts';
import { type ControlPacket, decodeControlPacket, diagnosticText, encodeControlPacket } from '../../../src/core/bfd/packet.ts';
import { firstPacket } from './packets.ts';

const u32 = fc.nat(0xffff_ffff);
const packets: fc.Arbitrary<ControlPacket> = fc.record({
  diagnostic: fc.nat(31),
  state: fc.constantFrom('AdminDown', 'Down', 'Init', 'Up'),
  poll: fc.boolean(),
  final: fc.boolean(),
  controlPlaneIndependent: fc.boolean(),
  demand: fc.boolean(),
  multiplier: fc.integer({ min: 1, max: 255 }),
  myDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
  yourDiscriminator: u32,
  desiredMinTxUs: u32,
  requiredMinRxUs: u32,
  requiredMinEchoRxUs: u32,
});

const reasonOf = (bytes: Uint8Array) => {
  const decoded = decodeControlPacket(bytes);
  return decoded.ok ? undefined : decoded.reason;
};

test('section 4.1: bytes on the wire', () => {
  const packet: ControlPacket = {
    ...firstPacket,
    diagnostic: 3,
    state: 'Up',
    poll: true,
    myDiscriminator: 0x01020304,
    yourDiscriminator: 0xa0b0c0d0,
    desiredMinTxUs: 50_000,
  };
  expect(Buffer.from(encodeControlPacket(packet)).toString('hex')).toBe('23e0031801020304a0b0c0d00000c3500000c35000000000');
});

test('section 4.1: the diagnostics, and the words of RFC 5880 for them', () => {
  expect([0, 1, 3, 7, 8].map(diagnosticText)).toEqual([
    'No Diagnostic',
    'Control Detection Time Expired',
    'Neighbor Signaled Session Down',
    'Administratively Down',
    'Reverse Concatenated Path Down',
  ]);
  expect(diagnosticText(31)).toBe('Reserved for future use (31)');
});

test('what is encoded reads back, also with bytes behind it', () => {
  fc.assert(
    fc.property(packets, fc.uint8Array({ maxLength: 8 }), (packet, behind) => {
      const bytes = encodeControlPacket(packet);
      const decoded = { ok: true, packet, authenticationPresent: false };
      expect(decodeControlPacket(bytes)).toEqual(decoded);
      expect(decodeControlPacket(Uint8Array.of(...bytes, ...behind))).toEqual(decoded);
    }),
  );
});

const valid = encodeControlPacket(firstPacket);

test.each([
  ['version', 0, 0x00],
  ['version', 0, 0x40],
  ['length_below_minimum', 3, 23],
  ['length_beyond_payload', 3, 25],
  ['detect_mult_zero', 2, 0],
  ['multipoint', 1, 0x41],
  ['my_discriminator_zero', 7, 0],
] as const)('section 6.8.6: discarded as %s when byte %i is %i', (reason, at, value) => {
  expect(reasonOf(valid)).toBeUndefined();
  expect(reasonOf(valid.with(at, value))).toBe(reason);
  expect(declineText(reason)).toMatch(/^packet discarded: .* \(RFC 5880 section 6\.8\.6\)$/);
});

test('section 6.8.6: the checks come in the order of the section', () => {
  const wrong = Uint8Array.of(0x40, 0x41, 0, 23, 0, 0, 0, 0, ...valid.subarray(8));
  const mended = [
    { at: 0, value: 0x20, reason: 'version' },
    { at: 3, value: 25, reason: 'length_below_minimum' },
    { at: 3, value: 24, reason: 'length_beyond_payload' },
    { at: 2, value: 3, reason: 'detect_mult_zero' },
    { at: 1, value: 0x40, reason: 'multipoint' },
    { at: 7, value: 7, reason: 'my_discriminator_zero' },
  ];
  let bytes = wrong;
  for (const { at, value, reason } of mended) {
    expect(reasonOf(bytes)).toBe(reason);
    bytes = bytes.with(at, value);
  }
  expect(reasonOf(bytes)).toBeUndefined();
});

test('section 6.8.6: an Authentication Section makes the least length 26, and is told of', () => {
  const authenticated = valid.with(1, 0x44);
  expect(reasonOf(authenticated)).toBe('length_below_minimum');
  expect(reasonOf(Uint8Array.of(...authenticated.with(3, 25), 1))).toBe('length_below_minimum');
  expect(decodeControlPacket(Uint8Array.of(...authenticated.with(3, 26), 1, 2))).toMatchObject({ ok: true, authenticationPresent: true });
});

test('every truncation is declined, and arbitrary bytes are a value and never an exception', () => {
  for (let length = 0; length < valid.length; length++) {
    expect(reasonOf(valid.subarray(0, length))).toBe(length < 4 ? 'truncated' : 'length_beyond_payload');
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(24), (bytes, kept) => {
      decodeControlPacket(bytes);
      decodeControlPacket(Uint8Array.of(...valid.subarray(0, kept), ...bytes));
    }),
  );
});
