import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIp, formatPrefix, parseIp } from '../../../src/base/address.ts';
import { origins, type PathAttributes, segmentKinds } from '../../../src/core/bgp/attributes.ts';
import { noCapabilities, type Capabilities } from '../../../src/core/bgp/capability.ts';
import { encodeFrame, messageKinds, splitFrames } from '../../../src/core/bgp/frame.ts';
import { decodeNotification, describeNotification, encodeNotification } from '../../../src/core/bgp/notification.ts';
import { decodeOpen, encodeOpen, objectionTo } from '../../../src/core/bgp/open.ts';
import { decodeUpdate, encodeUpdate, type Update } from '../../../src/core/bgp/update.ts';
import { capabilities, config, KEEPALIVE, openFrom, ROUTER_ID } from '../../support/bgp-peer.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const NOTHING = new Uint8Array(0);
const MARKER = 'ff'.repeat(16);

/** What a stream ends with: the error's words and its data. */
function errorIn(stream: Uint8Array): [string, string] | undefined {
  const { error } = splitFrames(NOTHING, stream);
  return error && [describeNotification(error), hex(error.data)];
}

describe('section 4.1: header', () => {
  test('bytes on the wire: marker of ones, length, type', () => {
    expect(hex(KEEPALIVE)).toBe(`${MARKER}001304`);
    expect(hex(encodeFrame('notification', Uint8Array.of(6, 2)))).toBe(`${MARKER}0015030602`);
    expect(messageKinds.map((kind) => encodeFrame(kind, NOTHING)[18])).toEqual([1, 2, 3, 4, 5]);
  });

  test('a stream gives the same messages wherever it is cut', () => {
    const kinds = fc.constantFrom(...messageKinds);
    const lengths = { open: [10, 200], update: [4, 4077], notification: [2, 100], keepalive: [0, 0], routeRefresh: [4, 4] } as const;
    const frames = fc.array(
      kinds.chain((kind) => fc.uint8Array({ minLength: lengths[kind][0], maxLength: lengths[kind][1] }).map((body) => ({ kind, body }))),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(frames, fc.array(fc.nat(3000), { minLength: 1 }), (given, cuts) => {
        const stream = Buffer.concat(given.map(({ kind, body }) => encodeFrame(kind, body)));
        const found = [];
        let rest: Uint8Array = NOTHING;
        for (let at = 0, i = 0; at < stream.length; i++) {
          const length = 1 + (cuts[i % cuts.length] as number);
          const split = splitFrames(rest, Uint8Array.from(stream.subarray(at, at + length)));
          expect(split.error).toBeUndefined();
          found.push(...split.frames);
          rest = split.rest;
          at += length;
        }
        expect(found).toEqual(given);
        expect(rest).toHaveLength(0);
      }),
    );
  });

  test('no bytes make the splitter throw, and what it keeps is less than a message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, marked) => {
        const stream = marked ? Uint8Array.from([...bytesOf(MARKER), ...bytes]) : bytes;
        const { rest } = splitFrames(NOTHING, stream);
        expect(rest.length).toBeLessThan(4096);
      }),
    );
  });
});

describe('section 6.1: errors of the header', () => {
  test('a marker that is not all ones: Connection Not Synchronized', () => {
    expect(errorIn(KEEPALIVE.with(15, 0xfe))).toEqual(['Message Header Error/Connection Not Synchronized', '']);
  });

  test('a length below 19, above 4096, or wrong for the type: Bad Message Length with the field', () => {
    const header = (length: string, type: string) => bytesOf(MARKER + length + type);
    const bad = (field: string) => ['Message Header Error/Bad Message Length', field];
    expect(errorIn(header('0012', '04'))).toEqual(bad('0012'));
    expect(errorIn(header('1001', '02'))).toEqual(bad('1001'));
    expect(errorIn(header('001c', '01'))).toEqual(bad('001c'));
    expect(errorIn(header('0016', '02'))).toEqual(bad('0016'));
    expect(errorIn(header('0014', '03'))).toEqual(bad('0014'));
    expect(errorIn(header('0014', '04'))).toEqual(bad('0014'));
    expect(errorIn(header('0018', '05'))).toEqual(bad('0018'));
    expect(errorIn(header('1000', '02'))).toBeUndefined();
  });

  test('an unknown type: Bad Message Type with the type', () => {
    expect(errorIn(bytesOf(`${MARKER}001306`))).toEqual(['Message Header Error/Bad Message Type', '06']);
    expect(errorIn(bytesOf(`${MARKER}001300`))).toEqual(['Message Header Error/Bad Message Type', '00']);
  });

  test('messages before a broken one are read', () => {
    const { frames, error } = splitFrames(NOTHING, Uint8Array.from([...KEEPALIVE, ...KEEPALIVE.with(18, 9)]));
    expect(frames).toEqual([{ kind: 'keepalive', body: NOTHING }]);
    expect(error).toMatchObject({ code: 1, subcode: 3 });
  });
});

describe('section 4.2: OPEN', () => {
  const open = { asn: 65_001, holdTimeS: 90, routerId: '10.0.0.11', capabilities: noCapabilities() };

  test('bytes on the wire, without and with capabilities in one parameter', () => {
    expect(hex(encodeOpen(open))).toBe('04 fde9 005a 0a00000b 00'.replaceAll(' ', ''));
    const all: Capabilities = {
      ...noCapabilities(),
      families: ['IPv4', 'IPv6'],
      routeRefresh: true,
      fourOctetAsn: 4_200_000_001,
      gracefulRestart: { restarting: true, restartTimeS: 120, families: [{ family: 'IPv6', forwardingPreserved: true }] },
    };
    const parameter = '0104 0001 0001  0104 0002 0001  0200  4006 8078 0002 01 80  4104 fa56ea01'.replaceAll(' ', '');
    expect(hex(encodeOpen({ ...open, asn: 23_456, capabilities: all }))).toBe(`045ba0005a0a00000b1e021c${parameter}`);
  });

  const asns = fc.integer({ min: 1, max: 0xffff_ffff });
  const families = fc.uniqueArray(fc.constantFrom('IPv4' as const, 'IPv6' as const));
  const restart = fc.record({
    restarting: fc.boolean(),
    restartTimeS: fc.nat(4095),
    families: families.chain((list) =>
      fc.tuple(...list.map((family) => fc.boolean().map((forwardingPreserved) => ({ family, forwardingPreserved })))),
    ),
  });
  const opens = fc.record({
    asn: fc.nat(0xffff),
    holdTimeS: fc.nat(0xffff),
    routerId: fc.ipV4(),
    capabilities: fc.record({
      families,
      otherFamilies: fc.constant(0),
      routeRefresh: fc.boolean(),
      fourOctetAsn: fc.option(asns, { nil: undefined }),
      gracefulRestart: fc.option(restart, { nil: undefined }),
      unknown: fc.constant<number[]>([]),
    }),
  });

  test('what is encoded is decoded as the same', () => {
    fc.assert(
      fc.property(opens, (value) => {
        expect(decodeOpen(encodeOpen(value))).toEqual({ ok: true, value });
      }),
    );
  });

  test('no bytes make the decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const decoded = decodeOpen(bytes.length > 0 ? bytes.with(0, 4) : bytes);
        if (!decoded.ok) expect(decoded.notification.code).toBe(2);
      }),
    );
  });
});

describe('section 6.2: errors of an OPEN', () => {
  const refusal = (body: Uint8Array) => {
    const decoded = decodeOpen(body);
    if (decoded.ok) return undefined;
    return [describeNotification(decoded.notification), hex(decoded.notification.data)];
  };
  const body = openFrom().slice(19);

  test('another version: Unsupported Version Number, with the one that is supported', () => {
    expect(refusal(body.with(0, 3))).toEqual(['OPEN Message Error/Unsupported Version Number', '0004']);
    expect(refusal(body.with(0, 5))).toEqual(['OPEN Message Error/Unsupported Version Number', '0004']);
  });

  test('an unknown parameter: Unsupported Optional Parameter; one that is cut: OPEN Message Error', () => {
    expect(refusal(bytesOf('04 fdea 005a 0a000001 04 0102 0000'))).toEqual(['OPEN Message Error/Unsupported Optional Parameter', '']);
    expect(refusal(bytesOf('04 fdea 005a 0a000001 04 0203 0200'))).toEqual(['OPEN Message Error', '']);
    expect(refusal(bytesOf('04 fdea 005a 0a000001 05 0202 0200'))).toEqual(['OPEN Message Error', '']);
    // More than the length says.
    expect(refusal(bytesOf('04 fdea 005a 0a000001 04 0202 0200 0202 0200'))).toEqual(['OPEN Message Error', '']);
  });

  test.each(['0201 00', '0103 000100', '4103 000001', '4003 007800', '40 05 0078 000101'])(
    'a known capability whose length is wrong (%s): OPEN Message Error; an unknown one may have any',
    (capability) => {
      const [bytes, unknown] = [bytesOf(capability), bytesOf(capability).with(0, 0x83)];
      const open = (parameter: Uint8Array) =>
        Uint8Array.from([...bytesOf('04 fdea 005a 0a000001'), parameter.length + 2, 2, parameter.length, ...parameter]);
      expect(refusal(open(bytes))).toEqual(['OPEN Message Error', '']);
      expect(decodeOpen(open(unknown))).toMatchObject({ ok: true, value: { capabilities: { unknown: [0x83] } } });
    },
  );

  test('parameters of exactly 255 bytes are not taken for the extended length', () => {
    // One unknown capability of 251 bytes.
    const parameters = [2, 253, 0x83, 251, ...Array.from({ length: 251 }, () => 0)];
    expect(parameters).toHaveLength(255);
    const open = Uint8Array.from([...bytesOf('04 fdea 005a 0a000001 ff'), ...parameters]);
    expect(decodeOpen(open)).toMatchObject({ ok: true, value: { capabilities: { unknown: [0x83] } } });
  });

  test('RFC 9072: parameters of extended length', () => {
    const extended = decodeOpen(bytesOf('04 fdea 005a 0a000001 ff ff 0009 02 0006 4104 00010000'));
    expect(extended).toMatchObject({ ok: true, value: { capabilities: { fourOctetAsn: 65_536 } } });
    expect(refusal(bytesOf('04 fdea 005a 0a000001 ff ff 0009 02 0006 4104 0001'))).toEqual(['OPEN Message Error', '']);
  });

  test('AS number, identifier, hold time, in this order', () => {
    const open = { asn: 65_002, holdTimeS: 9, routerId: ROUTER_ID, capabilities: capabilities() };
    const objection = (given: object, to: object = {}) => {
      const found = objectionTo({ ...open, ...given }, { ...config, ...to });
      return found && describeNotification(found);
    };
    expect(objection({})).toBeUndefined();
    expect(objection({ capabilities: capabilities({ fourOctetAsn: 65_003 }), routerId: '0.0.0.0' })).toBe('OPEN Message Error/Bad Peer AS');
    expect(objection({ asn: 65_003, capabilities: noCapabilities() })).toBe('OPEN Message Error/Bad Peer AS');
    // RFC 7607.
    expect(objection({ asn: 0 })).toBe('OPEN Message Error/Bad Peer AS');
    expect(objection({ routerId: '0.0.0.0', holdTimeS: 1 })).toBe('OPEN Message Error/Bad BGP Identifier');
    // RFC 6286 section 2.2: unique within an AS only.
    expect(objection({ routerId: config.routerId })).toBeUndefined();
    expect(objection({ routerId: config.routerId }, { localAsn: 65_002 })).toBe('OPEN Message Error/Bad BGP Identifier');
    expect(objection({ holdTimeS: 1 })).toBe('OPEN Message Error/Unacceptable Hold Time');
    expect(objection({ holdTimeS: 2 })).toBe('OPEN Message Error/Unacceptable Hold Time');
    expect([0, 3].map((holdTimeS) => objection({ holdTimeS }))).toEqual([undefined, undefined]);
  });
});

describe('section 4.3: UPDATE', () => {
  const route: Update = {
    withdrawn: [],
    attributes: {
      origin: 'IGP',
      asPath: [{ kind: 'AS_SEQUENCE', asns: [65_001] }],
      nextHop: '10.0.0.11',
      med: 10,
      communities: [0xffff_0000],
    },
    announced: ['10.0.0.100/32'],
  };

  test('bytes on the wire: announced, with 4-octet and 2-octet numbers; withdrawn', () => {
    const tail = '400304 0a00000b 800404 0000000a c00804 ffff0000  20 0a000064';
    const wide = `0000 0022 400101 00 400206 0201 0000fde9 ${tail}`;
    const narrow = `0000 0020 400101 00 400204 0201 fde9 ${tail}`;
    expect(hex(encodeUpdate(route, { fourOctetAsn: true }))).toBe(hex(bytesOf(wide)));
    expect(hex(encodeUpdate(route, { fourOctetAsn: false }))).toBe(hex(bytesOf(narrow)));
    const gone = { withdrawn: ['10.0.0.100/32', '10.0.0.0/9'], attributes: {}, announced: [] };
    expect(hex(encodeUpdate(gone, { fourOctetAsn: true }))).toBe(hex(bytesOf('0008 20 0a000064 09 0a00 0000')));
  });

  const v4 = fc.ipV4().chain((address) => fc.nat(32).map((length) => masked(address, length)));
  const v6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).chain((bytes) => fc.nat(128).map((length) => masked(formatIp(bytes), length)));
  const hop = fc.tuple(fc.integer({ min: 1, max: 126 }), fc.nat(255), fc.nat(255), fc.nat(255)).map((bytes) => bytes.join('.'));
  const u32 = fc.nat(0xffff_ffff);
  const path = (asn: fc.Arbitrary<number>) =>
    fc.array(fc.record({ kind: fc.constantFrom(...segmentKinds), asns: fc.array(asn, { minLength: 1, maxLength: 5 }) }), { maxLength: 3 });
  const v6Hop = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatIp);
  const reach = fc.oneof(
    fc.record(
      { family: fc.constant('IPv6' as const), nextHop: v6Hop, linkLocal: v6Hop, prefixes: fc.array(v6) },
      { requiredKeys: ['family', 'nextHop', 'prefixes'] },
    ),
    fc.record({ family: fc.constant('IPv4' as const), nextHop: fc.ipV4(), prefixes: fc.array(v4) }),
  );
  const unreach = fc.oneof(
    fc.record({ family: fc.constant('IPv6' as const), prefixes: fc.array(v6) }),
    fc.record({ family: fc.constant('IPv4' as const), prefixes: fc.array(v4) }),
  );
  const updates = (fourOctetAsn: boolean): fc.Arbitrary<Update> => {
    const optional = {
      med: u32,
      communities: fc.array(u32, { minLength: 1, maxLength: 100 }),
      mpReach: reach,
      mpUnreach: unreach,
      ...(fourOctetAsn ? {} : { as4Path: path(u32) }),
    };
    const mandatory = {
      origin: fc.constantFrom(...origins),
      asPath: path(fourOctetAsn ? u32 : fc.nat(0xffff)),
      nextHop: hop,
      localPreference: u32,
    };
    const attributes = fc.record({ ...mandatory, ...optional }, { requiredKeys: ['origin', 'asPath', 'nextHop', 'localPreference'] });
    return fc.record({
      withdrawn: fc.array(v4, { maxLength: 20 }),
      attributes: attributes as fc.Arbitrary<PathAttributes>,
      announced: fc.array(v4, { maxLength: 20 }),
    });
  };

  test.each([true, false])('what is encoded is decoded as the same, without a fault (4-octet numbers: %s)', (fourOctetAsn) => {
    fc.assert(
      fc.property(updates(fourOctetAsn), (update) => {
        const decoded = decodeUpdate(encodeUpdate(update, { fourOctetAsn }), { fourOctetAsn, internal: true });
        expect(decoded).toEqual({ ok: true, update, faults: [] });
      }),
    );
  });

  test('the bits after a prefix say nothing', () => {
    const decoded = decodeUpdate(bytesOf('0003 09 0aff 0000'), { fourOctetAsn: true, internal: false });
    expect(decoded).toMatchObject({ ok: true, update: { withdrawn: ['10.128.0.0/9'] } });
  });

  test('no bytes make the decoder throw; it asks for a reset only with a NOTIFICATION of an UPDATE', () => {
    const noise = fc.uint8Array({ minLength: 4, maxLength: 120 });
    // Lengths that fit let the noise into the attributes.
    const fitting = fc.uint8Array({ maxLength: 100 }).map((field) => Uint8Array.of(0, 0, 0, field.length, ...field));
    fc.assert(
      fc.property(fc.oneof(noise, fitting), fc.boolean(), fc.boolean(), (body, fourOctetAsn, internal) => {
        const decoded = decodeUpdate(body, { fourOctetAsn, internal });
        if (!decoded.ok) expect(decoded.notification.code).toBe(3);
      }),
    );
  });
});

describe('section 4.5: NOTIFICATION', () => {
  test('bytes on the wire, and back', () => {
    const given = { code: 6, subcode: 2, data: Uint8Array.of(1, 0x61) };
    expect(hex(encodeNotification(given))).toBe('06020161');
    expect(decodeNotification(encodeNotification(given))).toEqual(given);
  });

  test('every code and subcode of the registries has a name', () => {
    const name = (code: number, subcode: number) => describeNotification({ code, subcode, data: NOTHING });
    const names = [1, 2, 3, 4, 5, 6, 7, 8].map((code) => name(code, 0));
    expect(names).toEqual([
      'Message Header Error',
      'OPEN Message Error',
      'UPDATE Message Error',
      'Hold Timer Expired',
      'Finite State Machine Error',
      'Cease',
      'ROUTE-REFRESH Message Error',
      'Send Hold Timer Expired',
    ]);
    expect(name(3, 11)).toBe('UPDATE Message Error/Malformed AS_PATH');
    expect(name(5, 2)).toBe('Finite State Machine Error/Receive Unexpected Message in OpenConfirm State');
    expect(name(6, 10)).toBe('Cease/BFD Down');
    expect(name(6, 77)).toBe('Cease/subcode 77');
    expect(name(99, 1)).toBe('error code 99/subcode 1');
    for (const [code, last] of [
      [1, 3],
      [2, 7],
      [3, 11],
      [5, 3],
      [6, 10],
      [7, 1],
    ] as const) {
      for (let subcode = 1; subcode <= last; subcode++) expect(name(code, subcode)).not.toContain('subcode');
    }
  });
});

/** The prefix without the bits after its length. */
function masked(address: string, length: number): string {
  const given = parseIp(address) as Uint8Array;
  const bytes = given.map((byte, i) => byte & ~(0xff >> Math.min(8, Math.max(0, length - 8 * i))));
  return formatPrefix({ address: formatIp(bytes), length });
}
