import { assert } from '../../base/assert.ts';
import { parseIp } from '../../base/address.ts';
import * as libc from './libc.ts';
import type { Link } from './links.ts';

const IPPROTO_IPV6 = 41;
const IPV6_ADD_MEMBERSHIP = 20;

export type GroupJoined = { ok: true; leave(): void } | { ok: false; reason: string };

/** Makes the interface a member of an IPv6 multicast group for as long as this process wants or lives (ipv6(7), RFC 3493 section 5.2). */
export function joinGroup({ link, group }: { link: Link; group: string }): GroupJoined {
  const bytes = parseIp(group);
  assert(bytes?.length === 16, `${group} is an IPv6 group`);
  const fd = libc.socket(libc.AF_INET6, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0);
  // struct ipv6_mreq: group, interface index.
  const request = Buffer.concat([bytes, libc.cInt(link.index)]);
  if (fd >= 0 && libc.setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, request, request.length) === 0) {
    return { ok: true, leave: () => void libc.close(fd) };
  }
  const reason = `join ${group} on ${link.name}: ${libc.errnoName(libc.lastErrno())}`;
  if (fd >= 0) libc.close(fd);
  return { ok: false, reason };
}
