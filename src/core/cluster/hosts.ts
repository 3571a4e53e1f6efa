import * as z from 'zod';
import { dnsName, listOf, oneOrTwo, prefixedAddress, zoneName } from './values.ts';

/* The machines of a cluster. */

const BMC = 'an address or a name, with its port where that is not the usual one, such as 10.1.0.11';

const host = z
  .strictObject({
    name: dnsName('cp1').describe('Name of the host, which is also the name of its node.'),
    address: oneOrTwo(
      prefixedAddress,
      'an address with its prefix length such as 10.0.0.11/24, or a list of one IPv4 and one IPv6 address',
    ).describe("The host's own address with the prefix length of its subnet. A list of two, one IPv4 and one IPv6, for dual stack."),
    zone: zoneName.exactOptional().describe('Failure domain that the host is in, for example an availability zone.'),
    rack: zoneName.exactOptional().describe('Rack that the host is in; `hale sim survive` lets racks fail.'),
    switch: zoneName.exactOptional().describe('Switch that the host is connected to; `hale sim survive` lets switches fail.'),
    bmc: z
      .string(BMC)
      .regex(/^[A-Za-z0-9.:[\]-]{1,253}$/, BMC)
      .exactOptional()
      .describe("Address or name of the host's management controller (BMC), for `heal.power`."),
  })
  .transform(({ address, ...rest }) => ({ ...rest, addresses: listOf(address) }));

/** A list of hosts, of at most `max`. */
export function hostList(options: { max: number; expects: string }) {
  return z.array(host, options.expects).max(options.max, options.expects);
}
