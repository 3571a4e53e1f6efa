import { describe, expect, test } from 'vitest';
import { describeNotification } from '../../../src/core/bgp/notification.ts';
import type { AttributeFault } from '../../../src/core/bgp/read-attributes.ts';
import { decodeUpdate } from '../../../src/core/bgp/update.ts';
import { encodeFrame } from '../../../src/core/bgp/frame.ts';
import { notificationsIn, openFrom, PlayedPeer } from '../../support/bgp-peer.ts';

const ORIGIN = '40 01 01 00';
const AS_PATH = '40 02 06 02 01 0000fdea';
const NEXT_HOP = '40 03 04 0a000001';
const GOOD = `${ORIGIN} ${AS_PATH} ${NEXT_HOP}`;
const PREFIX = '18 0a0101';
const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

function body(attributes: string, announced = PREFIX, withdrawn = ''): Uint8Array {
  const [field, gone] = [bytesOf(attributes), bytesOf(withdrawn)];
  return Uint8Array.of(0, gone.length, ...gone, field.length >> 8, field.length & 0xff, ...field, ...bytesOf(announced));
}

type Verdict = readonly [approach: AttributeFault['approach'] | 'none', detail?: string];

/** The strongest approach, and the reason or the NOTIFICATION. */
function verdict(update: Uint8Array, peer: 'external' | 'internal' = 'external'): Verdict {
  const decoded = decodeUpdate(update, { fourOctetAsn: true, internal: peer === 'internal' });
  if (!decoded.ok) return ['session-reset', describeNotification(decoded.notification).replace('UPDATE Message Error/', '')];
  const fault = decoded.faults.find(({ approach }) => approach === 'treat-as-withdraw') ?? decoded.faults[0];
  return fault === undefined ? ['none'] : [fault.approach, fault.reason];
}

const withdraw = (reason: string): Verdict => ['treat-as-withdraw', reason];
const discard = (reason: string): Verdict => ['attribute-discard', reason];
const reset = (error: string): Verdict => ['session-reset', error];

test('an UPDATE without a fault has none, from both kinds of peers', () => {
  expect(verdict(body(GOOD))).toEqual(['none']);
  expect(verdict(body(`${GOOD} 40 05 04 00000064`), 'internal')).toEqual(['none']);
  expect(verdict(body('', ''))).toEqual(['none']);
});

describe('section 3: revised error handling', () => {
  test('b: a length that exceeds the message resets the session', () => {
    expect(verdict(bytesOf('0005 0000 00'))).toEqual(reset('Malformed Attribute List'));
    expect(verdict(bytesOf('0000 0009 40010100'))).toEqual(reset('Malformed Attribute List'));
  });

  test('c: flags that conflict with the type', () => {
    expect(verdict(body(`c0 01 01 00 ${AS_PATH} ${NEXT_HOP}`))).toEqual(withdraw('attribute_flags'));
    expect(verdict(body(`${GOOD} 40 08 04 00010001`))).toEqual(withdraw('attribute_flags'));
    // The partial bit and the extended length say nothing about the kind.
    expect(verdict(body(`${GOOD} f0 08 0004 00010001`))).toEqual(['none']);
  });

  test('d: a missing well-known attribute', () => {
    expect(verdict(body(`${AS_PATH} ${NEXT_HOP}`))).toEqual(withdraw('missing_well_known'));
    expect(verdict(body(`${ORIGIN} ${NEXT_HOP}`))).toEqual(withdraw('missing_well_known'));
    expect(verdict(body(`${ORIGIN} ${AS_PATH}`))).toEqual(withdraw('missing_well_known'));
    expect(verdict(body(GOOD), 'internal')).toEqual(withdraw('missing_well_known'));
    const reach = '80 0e 15 0002 01 10 20010db8000000000000000000000001 00';
    expect(verdict(body(`${reach} ${AS_PATH}`, ''))).toEqual(withdraw('missing_well_known'));
    expect(verdict(body(`${reach} ${ORIGIN} ${AS_PATH}`, ''))).toEqual(['none']);
  });

  test('g: an attribute twice: all but the first are discarded; of those with prefixes a second resets the session', () => {
    expect(verdict(body(`${GOOD} 40 01 01 07`))).toEqual(discard('attribute_twice'));
    const unreach = '80 0f 03 0002 01';
    expect(verdict(body(`${unreach} ${unreach}`, ''))).toEqual(reset('Malformed Attribute List'));
  });

  test('h: of several the strongest counts', () => {
    expect(verdict(body(`${GOOD} 40 06 01 00 40 01 01 00`))).toEqual(discard('attribute_length'));
    expect(verdict(body(`40 01 01 09 ${AS_PATH} ${NEXT_HOP} 40 06 01 00`))).toEqual(withdraw('undefined_origin'));
    expect(verdict(body(`40 01 01 09 ${AS_PATH} ${NEXT_HOP} 40 63 00`))).toEqual(reset('Unrecognized Well-known Attribute'));
  });

  test('RFC 4271 section 6.3 goes on: an unknown well-known attribute resets, an unknown optional one is nothing', () => {
    expect(verdict(body(`${GOOD} 40 63 01 00`))).toEqual(reset('Unrecognized Well-known Attribute'));
    expect(verdict(body(`${GOOD} c0 63 01 00 80 64 00`))).toEqual(['none']);
  });
});

describe('section 4: attribute length fields', () => {
  test('an attribute that is longer than its field, or cut: the prefixes are found by the length of the field', () => {
    expect(verdict(body(`${GOOD} c0 08 40 0001`))).toEqual(withdraw('attribute_overrun'));
    expect(verdict(body(`${GOOD} c0 08`))).toEqual(withdraw('attribute_overrun'));
    expect(verdict(body(`${GOOD} d0 08 00`))).toEqual(withdraw('attribute_overrun'));
    const decoded = decodeUpdate(body(`${GOOD} c0 08 40 0001`), { fourOctetAsn: true, internal: false });
    expect(decoded).toMatchObject({ ok: true, update: { announced: ['10.1.1.0/24'] } });
  });
});

describe('section 5: prefixes', () => {
  test('5.2: a fault in an UPDATE without routes resets the session, unless it is one to discard', () => {
    expect(verdict(body('40 01 01 09', '', '08 0a'))).toEqual(reset('Malformed Attribute List'));
    expect(verdict(body('40 06 01 00', '', '08 0a'))).toEqual(discard('attribute_length'));
  });

  test('5.3: a prefix longer than its family or than the field resets the session', () => {
    expect(verdict(body(GOOD, '21 0a01010100'))).toEqual(reset('Invalid Network Field'));
    expect(verdict(body(GOOD, '18 0a01'))).toEqual(reset('Invalid Network Field'));
    expect(verdict(body('', '', '20 0a'))).toEqual(reset('Invalid Network Field'));
    expect(verdict(body('80 0f 05 0002 01 81 00', ''))).toEqual(reset('Optional Attribute Error'));
  });
});

describe('section 7: attributes', () => {
  const with_ = (attribute: string) => body(`${GOOD} ${attribute}`);

  test('7.1 ORIGIN', () => {
    expect(verdict(body(`40 01 01 03 ${AS_PATH} ${NEXT_HOP}`))).toEqual(withdraw('undefined_origin'));
    expect(verdict(body(`40 01 02 0000 ${AS_PATH} ${NEXT_HOP}`))).toEqual(withdraw('attribute_length'));
  });

  test('7.2 AS_PATH: unknown segment, empty segment, overrun', () => {
    for (const path of ['40 02 06 05 01 0000fdea', '40 02 02 02 00', '40 02 06 02 02 0000fdea', '40 02 01 02']) {
      expect(verdict(body(`${ORIGIN} ${path} ${NEXT_HOP}`))).toEqual(withdraw('malformed_as_path'));
    }
    // An empty one is right: a route of the own AS.
    expect(verdict(body(`${ORIGIN} 40 02 00 ${NEXT_HOP}`))).toEqual(['none']);
  });

  test('7.3 NEXT_HOP', () => {
    expect(verdict(body(`${ORIGIN} ${AS_PATH} 40 03 03 0a0000`))).toEqual(withdraw('attribute_length'));
    for (const hop of ['00000001', '7f000001', 'e0000001', 'ffffffff']) {
      expect(verdict(body(`${ORIGIN} ${AS_PATH} 40 03 04 ${hop}`))).toEqual(withdraw('next_hop_not_a_host_address'));
    }
  });

  test('7.4 MULTI_EXIT_DISC, 7.5 LOCAL_PREF', () => {
    expect(verdict(with_('80 04 03 000000'))).toEqual(withdraw('attribute_length'));
    expect(verdict(with_('40 05 04 00000064'))).toEqual(discard('not_from_an_external_peer'));
    expect(verdict(with_('40 05 03 000000'), 'internal')).toEqual(withdraw('attribute_length'));
  });

  test('7.6 ATOMIC_AGGREGATE, 7.7 AGGREGATOR', () => {
    expect(verdict(with_('40 06 00'))).toEqual(['none']);
    expect(verdict(with_('40 06 01 00'))).toEqual(discard('attribute_length'));
    expect(verdict(with_('c0 07 08 0000fdea 0a000001'))).toEqual(['none']);
    expect(verdict(with_('c0 07 06 fdea 0a000001'))).toEqual(discard('attribute_length'));
    // RFC 6793 section 4.1: six bytes from a speaker of 2-octet numbers.
    const old = (attribute: string) => {
      const update = body(`${ORIGIN} 40 02 04 02 01 fdea ${NEXT_HOP} ${attribute}`);
      const decoded = decodeUpdate(update, { fourOctetAsn: false, internal: false });
      return decoded.ok && decoded.faults.map(({ reason }) => reason);
    };
    expect(old('c0 07 06 fdea 0a000001')).toEqual([]);
    expect(old('c0 07 08 0000fdea 0a000001')).toEqual(['attribute_length']);
  });

  test('7.8 COMMUNITIES, 7.14 extended ones, 7.15 of IPv6, RFC 8092 section 6 large ones', () => {
    for (const attribute of ['c0 08 00', 'c0 08 03 000000', 'c0 10 07 00000000000000', 'c0 19 08 0000000000000000', 'c0 20 00']) {
      expect(verdict(with_(attribute))).toEqual(withdraw('attribute_length'));
    }
    expect(verdict(with_('c0 08 08 0001000100010002'))).toEqual(['none']);
  });

  test('7.9 ORIGINATOR_ID, 7.10 CLUSTER_LIST', () => {
    expect(verdict(with_('80 09 04 0a000001'))).toEqual(discard('not_from_an_external_peer'));
    expect(verdict(with_('80 0a 04 0a000001'))).toEqual(discard('not_from_an_external_peer'));
    const internal = (attribute: string) => verdict(body(`${GOOD} 40 05 04 00000064 ${attribute}`), 'internal');
    expect(internal('80 09 03 0a0000')).toEqual(withdraw('attribute_length'));
    expect(internal('80 0a 00')).toEqual(withdraw('attribute_length'));
    expect(internal('80 09 04 0a000001 80 0a 04 0a000001')).toEqual(['none']);
  });

  test('7.11 MP_REACH_NLRI: a next hop of a wrong length resets, another family is ignored', () => {
    const reach = (hop: string) =>
      body(
        `80 0e ${(5 + hop.length / 2).toString(16).padStart(2, '0')} 0002 01 ${(hop.length / 2).toString(16).padStart(2, '0')} ${hop} 00 ${ORIGIN} ${AS_PATH}`,
        '',
      );
    expect(verdict(reach('0a000001'))).toEqual(reset('Optional Attribute Error'));
    expect(verdict(reach('20'.repeat(16)))).toEqual(['none']);
    expect(verdict(reach('20'.repeat(32)))).toEqual(['none']);
    expect(verdict(body(`80 0e 04 0002 01 10 ${ORIGIN} ${AS_PATH}`, ''))).toEqual(reset('Optional Attribute Error'));
    expect(verdict(body(`80 0e 09 0001 80 04 0a000001 00 ${ORIGIN} ${AS_PATH}`, ''))).toEqual(discard('other_address_family'));
  });

  test('7.12 MP_UNREACH_NLRI', () => {
    expect(verdict(body('80 0f 02 0002', ''))).toEqual(reset('Optional Attribute Error'));
    expect(verdict(body('80 0f 04 0019 46 00', ''))).toEqual(discard('other_address_family'));
  });

  test('RFC 6793 section 6: AS4_PATH is never worth more than to be discarded, and nothing from a speaker of 4-octet numbers', () => {
    const old = (attribute: string) => {
      const path = '40 02 04 02 01 5ba0';
      const decoded = decodeUpdate(body(`${ORIGIN} ${path} ${NEXT_HOP} ${attribute}`), { fourOctetAsn: false, internal: false });
      return decoded.ok && decoded.faults.map(({ approach, reason }) => [approach, reason]);
    };
    expect(old('c0 11 06 0201 fa56ea01')).toEqual([]);
    expect(old('c0 11 06 0202 fa56ea01')).toEqual([discard('malformed_as_path')]);
    expect(verdict(with_('c0 11 06 0202 fa56ea01'))).toEqual(['none']);
  });
});

describe('what becomes of the session', () => {
  const established = () => {
    const peer = new PlayedPeer();
    peer.establish(openFrom());
    peer.sent();
    return peer;
  };

  test('treat-as-withdraw and attribute-discard are counted and said once; the session stays', () => {
    const peer = established();
    const faulty = encodeFrame('update', body(`40 01 01 09 ${AS_PATH} ${NEXT_HOP} 40 06 01 00`));
    const outputs = peer.receive(1, faulty, faulty);
    expect(outputs).toEqual([
      { kind: 'warned', warning: 'an UPDATE of the peer has a fault in attribute 1 (undefined_origin): treat-as-withdraw (RFC 7606)' },
    ]);
    expect(peer.state.fsm).toBe('Established');
    expect(peer.state.counters).toMatchObject({
      treatedAsWithdraw: 2,
      attributesDiscarded: 2,
      prefixesReceived: 0,
      prefixesWithdrawnByPeer: 2,
    });
  });

  test('routes of the peer are counted and forgotten', () => {
    const peer = established();
    expect(peer.receive(1, encodeFrame('update', body(GOOD, `${PREFIX} 08 0b`, '08 0c')))).toEqual([]);
    expect(peer.state.counters).toMatchObject({ prefixesReceived: 2, prefixesWithdrawnByPeer: 1 });
  });

  test('session-reset sends the NOTIFICATION', () => {
    const peer = established();
    const outputs = peer.receive(1, encodeFrame('update', body(GOOD, '21 0a01010100')));
    expect(notificationsIn(outputs)).toEqual(['UPDATE Message Error/Invalid Network Field']);
    expect(peer.state.fsm).toBe('Idle');
  });
});
