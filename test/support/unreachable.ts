/** Run inside a lab host: tells the address, as a router would, that a packet was too large (RFC 792, RFC 1191; RFC 4443 section 3.2). Arguments: the address. */
import { parseIp } from '../../src/base/address.ts';
import { checksum } from '../../src/core/balancer/segment.ts';
import * as libc from '../../src/drivers/linux/libc.ts';
import { socketAddress } from '../../src/drivers/linux/socket-address.ts';

const target = parseIp(process.argv[2] as string) as Uint8Array;
const v6 = target.length === 16;
const message = Buffer.alloc(8 + (v6 ? 48 : 28));
message.set(v6 ? [2, 0] : [3, 4]);
message.writeUInt16BE(1400, 6);
message[8] = v6 ? 0x60 : 0x45;
// The kernel fills in that of ICMPv6.
if (!v6) message.writeUInt16BE(checksum([message]), 2);
const fd = libc.socket(v6 ? libc.AF_INET6 : libc.AF_INET, libc.SOCK_RAW, v6 ? 58 : 1);
const to = socketAddress(target, 0);
if (libc.sendto(fd, message, message.length, 0, to, to.length) < 0) throw new Error(libc.errnoName(libc.lastErrno()));
