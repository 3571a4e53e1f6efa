/** What the kernel answers over netlink, and what hale tells it. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { familyOf, formatIp, parseIp } from '../../../src/base/address.ts';
import { decodeFilter } from '../../../src/drivers/linux/bpf/clsact.ts';
import { decodeConnection } from '../../../src/drivers/linux/conntrack.ts';
import { decodeAddress, decodeLink } from '../../../src/drivers/linux/links.ts';
import {
  attribute,
  attributes,
  decodeMessages,
  decodeRefusal,
  encodeMessages,
  nested,
  type NetlinkMessage,
  uint32,
  zeroTerminated,
} from '../../../src/drivers/linux/netlink.ts';
import { addElement } from '../../../src/drivers/linux/nft-sets.ts';
import type { Target } from '../target.ts';

const HEADER_BYTES = 16;
const NLMSG_ERROR = 2;
const RTM_NEWLINK = 16;
const RTM_NEWADDR = 20;
const RTM_NEWTFILTER = 44;

const link = Buffer.concat([
  Buffer.from('00000100020000004310010000000000', 'hex'),
  attribute(3, zeroTerminated('eth0')),
  attribute(4, uint32(1500)),
  attribute(1, Uint8Array.of(2, 0, 0x5e, 0x10, 0, 1)),
]);
const address = Buffer.concat([
  Buffer.from('0218800002000000', 'hex'),
  attribute(1, Uint8Array.of(10, 0, 0, 11)),
  attribute(2, Uint8Array.of(10, 0, 0, 11)),
]);
const address6 = Buffer.concat([Buffer.from('0a40800002000000', 'hex'), attribute(1, parseIp('fd00::11') as Uint8Array)]);
const filter = Buffer.concat([
  Buffer.from('00000000020000000100000001000000000300c0', 'hex'),
  attribute(1, zeroTerminated('bpf')),
  nested(2, [attribute(7, zeroTerminated('hale'))]),
]);
/** struct nlmsgerr with -ENOENT, the header of the request, and the kernel's words. */
const refused = Buffer.concat([
  Buffer.from('feffffff', 'hex'),
  uint32(HEADER_BYTES),
  Buffer.alloc(12),
  attribute(1, zeroTerminated('no such')),
]);

const ACK_TLVS = 0x200;
const CAPPED = 0x100;
const dump = encodeMessages(
  [
    { type: RTM_NEWLINK, flags: 0, payload: link },
    { type: RTM_NEWADDR, flags: 0, payload: address },
    { type: RTM_NEWADDR, flags: 0, payload: address6 },
    { type: RTM_NEWTFILTER, flags: 0, payload: filter },
  ],
  1,
);
const errors = [0, ACK_TLVS, ACK_TLVS | CAPPED].map((flags) => encodeMessages([{ type: NLMSG_ERROR, flags, payload: refused }], 1));

/** The length of the first message as it is, so that changes in it are read. */
function repairLength(datagram: Uint8Array): Uint8Array {
  if (datagram.length >= HEADER_BYTES) new DataView(datagram.buffer, datagram.byteOffset).setUint32(0, datagram.length, true);
  return datagram;
}

const netlink: Target = {
  name: 'netlink',
  property: 'messages lie within the datagram and survive being encoded again; links, addresses, filters and refusals in them are values',
  seeds: [dump, ...errors],
  repair: repairLength,
  run(input) {
    const messages = [...decodeMessages(Buffer.from(input))];
    const bytes = messages.reduce((sum, { payload }) => sum + HEADER_BYTES + payload.length, 0);
    ok(bytes <= input.length, `${bytes} bytes of messages in ${input.length}`);
    const again = [...decodeMessages(Buffer.from(encodeMessages(messages, 1)))];
    deepEqual(again.map(plain), messages.map(plain));
    for (const message of messages) checkAnswer(message);
  },
};

/** Requests carry NLM_F_REQUEST besides. */
function plain({ type, flags, payload }: NetlinkMessage) {
  return { type, flags: flags | 1, payload: Buffer.from(payload).toString('hex') };
}

function checkAnswer(message: NetlinkMessage): void {
  if (message.type === NLMSG_ERROR) {
    const refusal = decodeRefusal(message);
    if (refusal !== undefined) ok(refusal.errno !== 0 && refusal.reason !== '', 'a refusal without a reason');
  }
  const found = decodeAddress(message);
  if (found !== undefined) {
    equal(formatIp(parseIp(found.address) as Uint8Array), found.address);
    equal(found.family, familyOf(found.address));
  }
  const decodedLink = decodeLink(message);
  if (decodedLink !== undefined) ok(Number.isInteger(decodedLink.mtu) && !decodedLink.name.includes('\0'), 'a link without MTU and name');
  const name = decodeFilter(message)?.name;
  ok(name === undefined || !name.includes('\0'), 'the name of a filter ends at its zero');
}

const netlinkAttributes: Target = {
  name: 'netlink-attributes',
  property: 'attributes lie within the bytes, and those found are found again when they are encoded',
  seeds: [link.subarray(16), address.subarray(8), filter.subarray(20), Buffer.concat([attribute(1, new Uint8Array(0))])],
  maxLength: 256,
  run(input) {
    const found = attributes(input);
    const size = [...found.values()].reduce((sum, value) => sum + 4 + value.length, 0);
    ok(size <= input.length, `${size} bytes of attributes in ${input.length}`);
    const again = attributes(Buffer.concat([...found].map(([type, value]) => attribute(type, value))));
    deepEqual([...again].map(hexed), [...found].map(hexed));
  },
};

function hexed([type, value]: [number, Buffer]): [number, string] {
  return [type, value.toString('hex')];
}

const NFGEN_BYTES = 4;

/** First byte: length of the key; then the timeout, two bytes; then key and data. */
const nftElement: Target = {
  name: 'nft-element',
  property: 'the element that the kernel is told has the key, the data and the timeout that were meant',
  seeds: [Uint8Array.of(4, 0, 300, 10, 0, 0, 100), Uint8Array.of(4, 1, 0, 10, 0, 0, 100, 2, 0, 0, 0, 0, 1)],
  maxLength: 64,
  run(input) {
    const [keyLength = 0, high = 0, low = 0] = input;
    const [key, data] = [input.subarray(3, 3 + keyLength), input.subarray(3 + keyLength)];
    const timeoutMs = high * 256 + low;
    const { payload } = addElement({ table: 'hale', set: 'lease4', key, ...(data.length > 0 && { data }) }, timeoutMs);
    const list = attributes(payload.subarray(NFGEN_BYTES));
    equal(list.get(1)?.toString(), 'hale\0');
    equal(list.get(2)?.toString(), 'lease4\0');
    const element = attributes(attributes(list.get(3) as Buffer).get(1) as Buffer);
    const valueOf = (type: number) =>
      attributes(element.get(type) ?? Buffer.alloc(0))
        .get(1)
        ?.toString('hex');
    equal(valueOf(1), Buffer.from(key).toString('hex'));
    equal(valueOf(2), data.length > 0 ? Buffer.from(data).toString('hex') : undefined);
    equal(element.get(4)?.readBigUInt64BE(0), BigInt(timeoutMs));
  },
};

const CONNTRACK_NEW = 0x100;

function tuple(type: number, from: string, to: string): Buffer {
  const [source, destination] = [parseIp(from) as Uint8Array, parseIp(to) as Uint8Array];
  const [first, second] = source.length === 4 ? [1, 2] : [3, 4];
  const ip = nested(1, [attribute(first, source), attribute(second, destination)]);
  return nested(type, [
    ip,
    nested(2, [attribute(1, Uint8Array.of(6)), attribute(2, Uint8Array.of(0xb2, 1)), attribute(3, Uint8Array.of(0x19, 0x2b))]),
  ]);
}

function tracked(family: number, [from, to, server]: [string, string, string]): Buffer {
  const established = nested(4, [nested(1, [attribute(1, Uint8Array.of(3))])]);
  return Buffer.concat([
    Uint8Array.of(family, 0, 0, 0),
    tuple(1, from, to),
    tuple(2, server, from),
    established,
    attribute(12, Uint8Array.of(1, 2, 3, 4)),
  ]);
}

const conntrack: Target = {
  name: 'conntrack',
  property: 'a tracked connection has whole ends, and the name to delete it by is of the connection that was read',
  seeds: [tracked(2, ['10.0.0.9', '10.0.0.100', '10.0.0.12']), tracked(10, ['fd00::9', 'fd00::100', 'fd00::12'])],
  maxLength: 256,
  run(input) {
    const found = decodeConnection({ type: CONNTRACK_NEW, flags: 0, payload: input });
    if (found === undefined) return;
    for (const end of [found.client, found.asked, found.server]) {
      equal(formatIp(parseIp(end.address) as Uint8Array), end.address);
      ok(end.port >= 0 && end.port <= 0xffff, `port ${end.port}`);
    }
    const { family, name } = found.entry;
    const reply = attributes(input.subarray(NFGEN_BYTES)).get(2) as Buffer;
    const again = decodeConnection({
      type: CONNTRACK_NEW,
      flags: 0,
      payload: Buffer.concat([Uint8Array.of(family, 0, 0, 0), name, nested(2, [reply])]),
    });
    deepEqual([again?.client, again?.asked, again?.server], [found.client, found.asked, found.server]);
  },
};

export const kernelTargets: readonly Target[] = [netlink, netlinkAttributes, nftElement, conntrack];
