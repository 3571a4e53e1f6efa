/** Adds and removes the shared address by rtnetlink (include/uapi/linux/if_addr.h). */
import { ipBytes } from '../../base/address.ts';
import { done, type Effect } from '../../ports/effect.ts';
import * as libc from './libc.ts';
import { attribute, type Netlink, NETLINK_ROUTE, NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, openNetlink, uint32 } from './netlink.ts';

const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_CACHEINFO = 6;
const IFA_F_NODAD = 0x02;
const FOREVER = 0xffff_ffff;

export interface AddressRequest {
  linkIndex: number;
  address: string;
}

export interface Addresses {
  /**
   * Puts the address on the interface with a host prefix (/32, /128); success when it is there already.
   * With `validLftS` the kernel removes it after that many seconds (0.5 s late at most), counted anew by every call.
   */
  add(request: AddressRequest & { validLftS?: number }): Effect;
  /** Success when it is not there. */
  remove(request: AddressRequest): Effect;
  close(): void;
}

/** Throws HaleError `netlink_unavailable`. */
export function openAddresses(): Addresses {
  const route = openNetlink(NETLINK_ROUTE);
  return {
    add({ linkIndex, address, validLftS }) {
      const lifetimes = attribute(IFA_CACHEINFO, cacheInfo(validLftS ?? FOREVER));
      const payload = Buffer.concat([encode({ linkIndex, address }), lifetimes]);
      return ask(route, { type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_REPLACE, payload, harmless: libc.EEXIST, what: `add ${address}` });
    },
    remove({ linkIndex, address }) {
      const payload = encode({ linkIndex, address });
      return ask(route, { type: RTM_DELADDR, flags: 0, payload, harmless: libc.EADDRNOTAVAIL, what: `remove ${address}` });
    },
    close: () => route.close(),
  };
}

interface Ask {
  type: number;
  flags: number;
  payload: Uint8Array;
  /** The error number that means "it is so already". */
  harmless: number;
  what: string;
}

function ask(route: Netlink, { type, flags, payload, harmless, what }: Ask): Effect {
  const answer = route.request([{ type, flags: flags | NLM_F_ACK, payload }]);
  if (answer.ok || answer.errno === harmless) return done;
  return { ok: false, reason: `${what}: ${answer.reason}` };
}

/** struct ifaddrmsg and the address. Duplicate address detection is off: it would keep the address silent for a second, and the lease decides. */
function encode({ linkIndex, address }: AddressRequest): Buffer {
  const bytes = ipBytes(address);
  const header = Buffer.alloc(8);
  header.writeUInt8(bytes.length === 4 ? libc.AF_INET : libc.AF_INET6, 0);
  header.writeUInt8(bytes.length * 8, 1);
  header.writeUInt8(bytes.length === 4 ? 0 : IFA_F_NODAD, 2);
  header.writeUInt32LE(linkIndex, 4);
  return Buffer.concat([header, attribute(IFA_LOCAL, bytes), attribute(IFA_ADDRESS, bytes)]);
}

/**
 * struct ifa_cacheinfo: preferred and valid lifetime in seconds. Preferred 0 marks the address deprecated, so that the kernel never
 * chooses it as the source of this host's own connections (RFC 6724 section 5 rule 3; a /128 would win rule 8 against a /64).
 */
function cacheInfo(validLftS: number): Buffer {
  return Buffer.concat([uint32(0), uint32(validLftS), uint32(0), uint32(0)]);
}
