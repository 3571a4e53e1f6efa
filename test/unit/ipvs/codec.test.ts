/** Answers of Linux 6.1.192 (Debian's cloud kernel) to the dumps that `ipvsadm -Ln` asks for, and its text file of the same moment. */
import { expect, test } from 'vitest';
import {
  addServer,
  addService,
  decodeServer,
  decodeService,
  deleteServer,
  type IpvsRequest,
} from '../../../src/drivers/linux/ipvs/codec.ts';
import { parseConnections } from '../../../src/drivers/linux/ipvs/connections.ts';
import { parseMasquerade } from '../../../src/drivers/linux/ipvs/masquerade.ts';

const service4 = [
  '010100002c01010006000100020000000600020006000000140003000a4d006400000000000000000000000006000400192b0000070006006c630000',
  '0c00070002000000ffffffff080008000000000008000900ffffffff5c000a000800010000000000080002000000000008000300000000000c000400',
  '00000000000000000c0005000000000000000000080006000000000008000700000000000800080000000000080009000000000008000a0000000000',
  '7c000c000c00010000000000000000000c00020000000000000000000c00030000000000000000000c00040000000000000000000c00050000000000',
  '000000000c00060000000000000000000c00070000000000000000000c00080000000000000000000c00090000000000000000000c000a0000000000',
  '00000000',
].join('');
const service6 = [
  '010100002c010100060001000a000000060002000600000014000300fd77000000000000000000000000010006000400192b00000700060072720000',
  '0c00070002000000ffffffff080008000000000008000900800000005c000a000800010000000000080002000000000008000300000000000c000400',
  '00000000000000000c0005000000000000000000080006000000000008000700000000000800080000000000080009000000000008000a0000000000',
  '7c000c000c00010000000000000000000c00020000000000000000000c00030000000000000000000c00040000000000000000000c00050000000000',
  '000000000c00060000000000000000000c00070000000000000000000c00080000000000000000000c00090000000000000000000c000a0000000000',
  '00000000',
].join('');
const server4 = [
  '0501000050010200140001000a4d000200000000000000000000000006000200192c00000800030000000000080004000300000005000d0000000000',
  '06000e000000000006000f00000000000800050000000000080006000000000008000700000000000800080000000000080009000000000006000b00',
  '020000005c000a000800010000000000080002000000000008000300000000000c00040000000000000000000c000500000000000000000008000600',
  '0000000008000700000000000800080000000000080009000000000008000a00000000007c000c000c00010000000000000000000c00020000000000',
  '000000000c00030000000000000000000c00040000000000000000000c00050000000000000000000c00060000000000000000000c00070000000000',
  '000000000c00080000000000000000000c00090000000000000000000c000a000000000000000000',
].join('');
const server6 = [
  '050100005001020014000100fd77000000000000000000000000000206000200192c00000800030000000000080004000000000005000d0000000000',
  '06000e000000000006000f00000000000800050000000000080006000000000008000700000000000800080000000000080009000000000006000b00',
  '0a0000005c000a000800010000000000080002000000000008000300000000000c00040000000000000000000c000500000000000000000008000600',
  '0000000008000700000000000800080000000000080009000000000008000a00000000007c000c000c00010000000000000000000c00020000000000',
  '000000000c00030000000000000000000c00040000000000000000000c00050000000000000000000c00060000000000000000000c00070000000000',
  '000000000c00080000000000000000000c00090000000000000000000c000a000000000000000000',
].join('');

const message = (hex: string) => ({ type: 32, flags: 2, payload: Buffer.from(hex, 'hex') });
const end4 = { address: '10.77.0.100', port: 6443 };
const end6 = { address: 'fd77::100', port: 6443 };
const none = { connections: 0, packets: 0, bytes: 0 };
const hexOf = ({ payload }: IpvsRequest) => Buffer.from(payload).toString('hex');

test('virtual servers of a real dump, IPv4 and IPv6', () => {
  expect(decodeService(message(service4))).toEqual({ ...end4, scheduler: 'lc', counters: none });
  expect(decodeService(message(service6))).toEqual({ ...end6, scheduler: 'rr', counters: none });
});

test('real servers of a real dump, IPv4 and IPv6', () => {
  const rest = { port: 6444, masquerading: true, active: 0, counters: none };
  expect(decodeServer(message(server4), end4)).toEqual({ ...rest, address: '10.77.0.2', weight: 3 });
  expect(decodeServer(message(server6), end6)).toEqual({ ...rest, address: 'fd77::2', weight: 0 });
});

test('the counters of both directions are added up', () => {
  const counted = Buffer.from(server4, 'hex');
  // The nested attribute IPVS_DEST_ATTR_STATS64 begins with connections, packets in and out, bytes in and out, eight bytes each.
  const stats = counted.indexOf(Buffer.from('7c000c00', 'hex')) + 4;
  for (let i = 0; i < 5; i++) counted.writeBigUInt64LE(BigInt(10 ** i), stats + 12 * i + 4);
  expect(decodeServer({ ...message(''), payload: counted }, end4)?.counters).toEqual({ connections: 1, packets: 110, bytes: 11_000 });
});

test('a service by firewall mark, of UDP or cut short is passed over', () => {
  const change = (at: string, to: string) => decodeService(message(service4.replace(at, to)));
  expect(change('0600020006000000', '0600020011000000')).toBeUndefined();
  expect(change('140003000a4d0064', '140009000a4d0064')).toBeUndefined();
  expect(decodeService(message(service4.slice(0, 60)))).toBeUndefined();
  expect(decodeServer(message(server4.slice(0, 60)), end4)).toBeUndefined();
});

test('what is asked for has the attributes of the answers', () => {
  const key = service4.slice(16, service4.indexOf('07000600'));
  for (const request of [addService(end4, 'lc'), addServer(end4, { ...end4, weight: 1 }), deleteServer(end4, end4)])
    expect(hexOf(request)).toContain(key);
  expect(hexOf(addService(end4, 'lc'))).toContain('070006006c6300000c00070000000000ffffffff080008000000000008000900ffffffff');
  expect(decodeService({ ...message(''), payload: addService(end6, 'rr').payload })).toEqual({
    ...end6,
    scheduler: 'rr',
    counters: undefined,
  });
});

test('connections of /proc/net/ip_vs_conn', () => {
  const text = `Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A4D0002 819E 0A4D0064 192B 0A4D0003 192B ESTABLISHED     895
TCP fd77:0000:0000:0000:0000:0000:0000:0009 819F fd77:0000:0000:0000:0000:0000:0000:0100 192B fd77:0000:0000:0000:0000:0000:0000:0002 192B SYN_RECV         59
UDP 0A4D0002 819E 0A4D0064 192B 0A4D0003 192B UDP             299
`;
  expect(parseConnections(text)).toEqual([
    { client: { address: '10.77.0.2', port: 33_182 }, frontend: end4, server: { address: '10.77.0.3', port: 6443 }, established: true },
    { client: { address: 'fd77::9', port: 33_183 }, frontend: end6, server: { address: 'fd77::2', port: 6443 }, established: false },
  ]);
});

test('the rules of an earlier run, from nft 1.0.6', () => {
  const rule = (comment: string, packets: number) =>
    `{"rule": {"family": "inet", "table": "hale-ipvs", "chain": "outgoing", "handle": 2, "comment": "${comment}", "expr": [{"counter": {"packets": ${packets}, "bytes": ${packets * 60}}}, {"masquerade": null}]}}`;
  const json = `{"nftables": [{"table": {"family": "inet", "name": "hale-ipvs", "handle": 1}}, ${rule('10.77.0.100 6443', 3)}, ${rule('fd77::100 6443', 0)}]}`;
  expect(parseMasquerade(json)).toEqual([
    { ...end4, packets: 3, bytes: 180 },
    { ...end6, packets: 0, bytes: 0 },
  ]);
  expect(parseMasquerade('')).toEqual([]);
});
