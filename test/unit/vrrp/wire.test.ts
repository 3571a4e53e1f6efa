import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIp } from '../../../src/base/address.ts';
import {
  type Advertisement,
  decodeAdvertisement,
  encodeAdvertisement,
  isGreaterAddress,
  type VrrpEnvelope,
} from '../../../src/core/vrrp/wire.ts';

const four: VrrpEnvelope = { from: '10.77.0.2', to: '224.0.0.18' };
const six: VrrpEnvelope = { from: 'fe80::ff:fe00:7702', to: 'ff02::12' };
const advert: Advertisement = {
  version: 3,
  virtualRouterId: 7,
  priority: 100,
  maxAdvertiseIntervalMs: 1000,
  addresses: ['10.77.0.100'],
};
const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const encode = (message: Advertisement, envelope = four) =>
  encodeAdvertisement(message, { ...envelope, checksumForm: 'with-pseudo-header' });

/** Captured from keepalived 2.2.7. */
const captured = {
  version3: hex('31 07 64 01 00 64 75 04 0a4d0064'),
  version2: hex('21 07 64 01 01 01 33 2b 0a4d0064 7333637265740000'),
};

describe('RFC 9568 section 5.2: version 3', () => {
  test('what keepalived sends is read, and written alike', () => {
    expect(decodeAdvertisement(captured.version3, four)).toEqual({ ok: true, message: advert, checksumForm: 'with-pseudo-header' });
    expect(encode(advert)).toEqual(captured.version3);
  });

  test('section 5.2.8: the IPv4 checksum covers the message alone, or a pseudo-header too as RFC 5798 was read; IPv6 always the latter', () => {
    const bare = encodeAdvertisement(advert, { ...four, checksumForm: 'message-only' });
    expect(bare).not.toEqual(captured.version3);
    expect(decodeAdvertisement(bare, four)).toEqual({ ok: true, message: advert, checksumForm: 'message-only' });
    const message = { ...advert, addresses: ['fe80::7', 'fd77::100'] };
    const bytes = encodeAdvertisement(message, { ...six, checksumForm: 'message-only' });
    expect(bytes).toEqual(encode(message, six));
    expect(decodeAdvertisement(bytes, six)).toEqual({ ok: true, message, checksumForm: undefined });
    expect(decodeAdvertisement(bytes, { ...six, from: 'fe80::1' })).toMatchObject({ ok: false, reason: 'checksum' });
  });

  test('section 5.2.6: the reserved bits are sent as zero and ignored', () => {
    const bytes = Uint8Array.from(captured.version3);
    bytes[4] = 0xf0;
    bytes[6] = 0x75 - 0xf0 + 0x100;
    bytes[7] = 0x04 - 1;
    // One's complement: what is added to one word is taken from the checksum.
    expect(decodeAdvertisement(bytes, four)).toMatchObject({ ok: true, message: advert });
  });

  test('section 6.1: intervals of 10 ms up to 40.95 s', () => {
    for (const maxAdvertiseIntervalMs of [10, 40_950]) {
      const message = { ...advert, maxAdvertiseIntervalMs };
      expect(decodeAdvertisement(encode(message), four)).toMatchObject({ message });
    }
  });
});

describe('RFC 9568 section 7.1, RFC 3768 section 7.1: what is declined', () => {
  const changed = (at: number, value: number, bytes = captured.version3) => Uint8Array.from(bytes, (byte, i) => (i === at ? value : byte));
  /** With the checksum as it must be. */
  const repaired = (at: number, value: number) => {
    const bytes = changed(at, value);
    bytes.set([0, 0], 6);
    let sum = 0;
    for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
    sum = (sum & 0xffff) + (sum >>> 16);
    bytes.set([(~sum >> 8) & 0xff, ~sum & 0xff], 6);
    return bytes;
  };
  test.each<[string, Uint8Array, VrrpEnvelope, object]>([
    ['nothing', new Uint8Array(0), four, { reason: 'packet-length' }],
    ['half a header', captured.version3.subarray(0, 7), four, { reason: 'packet-length' }],
    ['an address cut off', captured.version3.subarray(0, 11), four, { reason: 'packet-length', virtualRouterId: 7 }],
    ['a byte too many', Uint8Array.of(...captured.version3, 0), four, { reason: 'packet-length' }],
    ['version 2 without the place for a password', captured.version2.subarray(0, 12), four, { reason: 'packet-length' }],
    ['version 4', changed(0, 0x41), four, { reason: 'version', version: 4 }],
    ['version 2 over IPv6', captured.version2, six, { reason: 'version', version: 2 }],
    ['type 2', changed(0, 0x32), four, { reason: 'type' }],
    ['a wrong checksum', changed(7, 0x05), four, { reason: 'checksum' }],
    ['virtual router 0', repaired(1, 0), four, { reason: 'virtual-router-id', virtualRouterId: 0 }],
    ['no address (erratum 8299)', hex('31 07 64 00 00 64 6a 94'), four, { reason: 'no-addresses' }],
    ['no interval', repaired(5, 0), four, { reason: 'interval' }],
  ])('%s', (_, bytes, envelope, declined) => {
    expect(decodeAdvertisement(bytes, envelope)).toMatchObject({ ok: false, ...declined });
  });
});

describe('RFC 3768 section 5.3 and RFC 2338 section 5.3.6: version 2', () => {
  const message = { ...advert, version: 2 as const };
  const withPassword = { ...four, password: 's3cret' };

  test('what keepalived sends with a password is read, and written alike; the checksum has no pseudo-header', () => {
    expect(decodeAdvertisement(captured.version2, withPassword)).toEqual({ ok: true, message, checksumForm: undefined });
    expect(encode(message, withPassword)).toEqual(captured.version2);
    expect(decodeAdvertisement(captured.version2, { ...withPassword, from: '10.77.0.9' })).toMatchObject({ ok: true });
  });

  test('another password, none, one too many, and an authentication header are declined, and the password does not come out', () => {
    const decode = (password: string | undefined) => decodeAdvertisement(captured.version2, { ...four, password });
    expect(decode('s3creT')).toEqual({ ok: false, reason: 'auth-password', version: 2, virtualRouterId: 7, authType: 1 });
    expect(decode('s3cret12')).toMatchObject({ reason: 'auth-password' });
    expect(decode(undefined)).toEqual({ ok: false, reason: 'auth-type', version: 2, virtualRouterId: 7, authType: 1 });
    expect(decodeAdvertisement(encode(message), withPassword)).toMatchObject({ reason: 'auth-type', authType: 0 });
    // Type 2, with the checksum one less in that byte.
    const header = Uint8Array.from(captured.version2, (byte, i) => (i === 4 ? 2 : i === 6 ? byte - 1 : byte));
    expect(decodeAdvertisement(header, withPassword)).toMatchObject({ reason: 'auth-type', authType: 2 });
  });
});

test('RFC 9568 section 6.4.3: addresses are compared as unsigned numbers in network order', () => {
  expect(isGreaterAddress('10.0.0.10', '10.0.0.9')).toBe(true);
  expect(isGreaterAddress('10.0.0.9', '10.0.0.10')).toBe(false);
  expect(isGreaterAddress('200.0.0.1', '10.0.0.1')).toBe(true);
  expect(isGreaterAddress('10.0.0.9', '10.0.0.9')).toBe(false);
  expect(isGreaterAddress('fe80::1:0', 'fe80::2')).toBe(true);
});

const envelopes = fc.constantFrom(four, six, { ...four, password: 'x' }, { ...four, password: '12345678' });
const messageFor = (envelope: VrrpEnvelope): fc.Arbitrary<Advertisement> => {
  const length = envelope.from.includes(':') ? 16 : 4;
  const version = length === 16 ? fc.constant(3 as const) : fc.constantFrom<(2 | 3)[]>(2, 3);
  return version.chain((chosen) =>
    fc.record({
      version: fc.constant(chosen),
      virtualRouterId: fc.integer({ min: 1, max: 255 }),
      priority: fc.integer({ min: 0, max: 255 }),
      maxAdvertiseIntervalMs: fc.integer({ min: 1, max: chosen === 2 ? 255 : 4095 }).map((units) => units * (chosen === 2 ? 1000 : 10)),
      addresses: fc.array(fc.uint8Array({ minLength: length, maxLength: length }).map(formatIp), { minLength: 1, maxLength: 20 }),
    }),
  );
};

test('every message is read as it was written', () => {
  const cases = envelopes.chain((envelope) => fc.tuple(fc.constant(envelope), messageFor(envelope)));
  fc.assert(
    fc.property(cases, fc.constantFrom('with-pseudo-header' as const, 'message-only' as const), ([envelope, message], checksumForm) => {
      expect(decodeAdvertisement(encodeAdvertisement(message, { ...envelope, checksumForm }), envelope)).toMatchObject({
        ok: true,
        message,
      });
    }),
  );
});

test('any bytes are a value', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), envelopes, (bytes, envelope) => {
      expect(typeof decodeAdvertisement(bytes, envelope).ok).toBe('boolean');
    }),
  );
});
