import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { checksum } from '../../../src/core/balancer/segment.ts';
import { parseSynAck, rstFrame, synFrame, synTemplate } from '../../../src/lab/probe/syn.ts';

const ends = { sourceMac: '02:68:61:00:00:01', targetMac: '02:00:00:00:00:02', sourcePort: 61_001, targetPort: 6443 };
const ipv4 = { ...ends, source: '10.0.0.250', target: '10.0.0.100' };
const ipv6 = { ...ends, source: 'fd00::250', target: 'fd00::100' };

/** The SYN-ACK a host would send for it: flags and acknowledgement patched in, as the parser reads no checksum. */
function answered(frame: Uint8Array, acknowledgement: number): Uint8Array {
  const tcp = frame.length - 20;
  const view = new DataView(frame.buffer, frame.byteOffset);
  view.setUint32(tcp + 8, acknowledgement);
  view.setUint8(tcp + 13, 0x12);
  return frame;
}

test('RFC 9293 section 3.1: the checksum over pseudo-header and segment comes out as 0', () => {
  const port = fc.integer({ min: 1, max: 0xffff });
  fc.assert(
    fc.property(fc.constantFrom(ipv4, ipv6), port, fc.integer({ min: 0, max: 0xffff_ffff }), (addresses, sourcePort, sequence) => {
      for (const frame of [synFrame({ ...addresses, sourcePort }, { sequence }), rstFrame({ ...addresses, sourcePort }, { sequence })]) {
        const start = frame.length - 20;
        const addressBytes = frame.subarray(addresses === ipv4 ? 26 : 22, start);
        expect(checksum([addressBytes, Uint8Array.of(0, 6, 0, 20), frame.subarray(start)])).toBe(0);
        if (addresses === ipv4) expect(checksum([frame.subarray(14, 34)])).toBe(0);
      }
    }),
  );
});

test('RFC 1624: a template with port and sequence changed, again and again, is the frame built anew', () => {
  const change = fc.record({ sourcePort: fc.integer({ min: 1, max: 0xffff }), sequence: fc.integer({ min: 0, max: 0xffff_ffff }) });
  fc.assert(
    fc.property(fc.constantFrom(ipv4, ipv6), fc.array(change, { minLength: 1 }), (addresses, changes) => {
      const { template, tcpAt } = synTemplate(addresses);
      for (const { sourcePort, sequence } of changes) {
        template.set16(tcpAt, sourcePort).set32(tcpAt + 4, sequence);
        expect(template.bytes).toEqual(synFrame({ ...addresses, sourcePort }, { sequence }));
      }
    }),
  );
});

test('a SYN-ACK is read with its MAC, ports and acknowledgement; a SYN and a RST are not one', () => {
  for (const addresses of [ipv4, ipv6]) {
    expect(parseSynAck(answered(synFrame(addresses, { sequence: 1 }), 4_000_000_000))).toEqual({
      mac: ends.sourceMac,
      sourcePort: 61_001,
      targetPort: 6443,
      acknowledgement: 4_000_000_000,
    });
    expect(parseSynAck(synFrame(addresses, { sequence: 1 }))).toBeUndefined();
    expect(parseSynAck(rstFrame(addresses, { sequence: 1 }))).toBeUndefined();
  }
});

test('any bytes and any truncation are declined without a throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => void parseSynAck(bytes)));
  const whole = answered(synFrame(ipv4, { sequence: 1 }), 2);
  for (let length = 0; length < whole.length - 6; length++) expect(parseSynAck(whole.subarray(0, length))).toBeUndefined();
});
