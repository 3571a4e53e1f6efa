import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { arpAnnouncement, arpGratuitousReply, arpProbe, arpRequest, parseArp } from '../../../src/core/neighbor/arp.ts';
import { claimOfArp } from '../../../src/core/neighbor/claim.ts';
import { formatIp, formatMac } from '../../../src/base/address.ts';

const mac = '02:00:5e:10:00:01';
const address = '10.0.0.100';
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const header = 'ffffffffffff02005e1000010806000108000604';

const macs = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => formatMac(bytes.with(0, ((bytes[0] as number) & 0xfe) | 2)));
const ips = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => formatIp(bytes.with(0, 10)));
const claimIn = (frame: Uint8Array) => {
  const parsed = parseArp(frame);
  return parsed.ok ? claimOfArp(parsed.value) : parsed.reason;
};

test('bytes on the wire: probe (RFC 5227 section 1.1) and announcement, gratuitous reply (section 3, RFC 5944 section 4.6)', () => {
  expect(hex(arpProbe({ mac, address }))).toBe(`${header}000102005e100001000000000000000000000a000064`);
  expect(hex(arpAnnouncement({ mac, address }))).toBe(`${header}000102005e1000010a0000640000000000000a000064`);
  expect(hex(arpGratuitousReply({ mac, address }))).toBe(`${header}000202005e1000010a00006402005e1000010a000064`);
});

test('what each packet claims: a probe claims nothing yet, every other sender address is a claim (RFC 5227 section 2.4)', () => {
  fc.assert(
    fc.property(macs, ips, ips, (sender, own, target) => {
      expect(claimIn(arpProbe({ mac: sender, address: own }))).toEqual({ address: own, mac: sender, kind: 'probe' });
      expect(claimIn(arpAnnouncement({ mac: sender, address: own }))).toEqual({ address: own, mac: sender, kind: 'announcement' });
      expect(claimIn(arpGratuitousReply({ mac: sender, address: own }))).toEqual({ address: own, mac: sender, kind: 'announcement' });
      expect(claimIn(arpRequest({ mac: sender, address: own, target }))).toEqual({ address: own, mac: sender, kind: 'announcement' });
    }),
  );
  const reply = arpRequest({ mac, address, target: '10.0.0.7' }).with(21, 2);
  expect(claimIn(reply)).toEqual({ address, mac, kind: 'answer' });
});

test('padding to 60 bytes is accepted; every truncation is declined', () => {
  const frame = arpAnnouncement({ mac, address });
  expect(claimIn(Buffer.concat([frame, Buffer.alloc(60 - frame.length)]))).toEqual({ address, mac, kind: 'announcement' });
  for (let length = 0; length < frame.length; length++) expect(claimIn(frame.subarray(0, length))).toBe('truncated');
});

test.each([
  ['not_arp', 12, 0x86],
  ['not_ethernet_ipv4', 15, 6],
  ['not_ethernet_ipv4', 16, 0x86],
  ['not_ethernet_ipv4', 18, 8],
  ['not_ethernet_ipv4', 19, 16],
  ['unknown_operation', 21, 3],
  ['sender_not_a_station', 22, 0x01],
])('declined as %s when byte %i is %i', (reason, at, value) => {
  expect(claimIn(arpAnnouncement({ mac, address }).with(at, value))).toBe(reason);
});

test('arbitrary bytes, also behind a right header, are a value and never an exception', () => {
  const start = arpAnnouncement({ mac, address }).subarray(0, 22);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(22), (bytes, kept) => {
      parseArp(bytes);
      parseArp(Uint8Array.of(...start.subarray(0, kept), ...bytes));
    }),
  );
});
