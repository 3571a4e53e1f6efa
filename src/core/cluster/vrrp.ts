import * as z from 'zod';
import { filePath, ipAddress, wholeNumber } from './values.ts';

export const virtualRouterNumber = wholeNumber({ from: 1, to: 255, of: 'the virtual router' })
  .exactOptional()
  .describe(
    "VRRP's number of this address, which nobody else in the network may use (RFC 9568 section 5.2.3). Without it, one that follows from the cluster's name, and is never 51, the number in every sample.",
  );

/** VRRP between the agents, and with keepalived or routers beside them. */
export const vrrp = z
  .strictObject({
    virtualRouterId: virtualRouterNumber,
    version: z
      .literal([2, 3])
      .default(3)
      .describe(
        'Version that is spoken: 3 (RFC 9568), or 2 (RFC 3768), which keepalived speaks unless told otherwise; 2 has no IPv6 and counts whole seconds.',
      ),
    advertisementIntervalMs: wholeNumber({ from: 10, to: 40_950, of: 'milliseconds' })
      .default(1000)
      .describe(
        'Time between two advertisements, in steps of 10 ms, or of 1000 ms with version 2. The address moves 3 to 4 of them after its holder fell silent.',
      ),
    priority: wholeNumber({ from: 20, to: 254, of: 'the priority' })
      .default(240)
      .describe(
        'Priority of the first control-plane host while it reaches a ready API server; each host after it has 25 less, or as much less as there is room for. A host that reaches none has a priority from 1 to 7, and any other router takes the address over.',
      ),
    preempt: z
      .boolean()
      .default(false)
      .describe(
        'Whether a host takes the address from a holder of lower priority. Without it the address stays where it is while its holder is well.',
      ),
    preemptDelaySeconds: wholeNumber({ from: 0, to: 1000, of: 'seconds' })
      .default(0)
      .describe('How long a host that has started, or has become well again, waits before it takes the address from another one.'),
    unicast: z
      .boolean()
      .default(false)
      .describe('Whether advertisements go to each of the other hosts, and to `peers`, instead of to the multicast group.'),
    peers: z
      .array(ipAddress, 'a list of addresses such as 10.0.0.21')
      .prefault([])
      .describe('With `unicast`, routers in the group beside the control-plane hosts, such as keepalived elsewhere.'),
    passwordFile: filePath('/etc/hale/vrrp.password')
      .exactOptional()
      .describe(
        'File with the password of VRRP version 2, of at most 8 characters, where keepalived has one (`auth_type PASS`). It goes over the wire in clear and keeps nobody out.',
      ),
    virtualMac: z
      .boolean()
      .default(false)
      .describe(
        'Whether the address has the MAC address that VRRP reserves for it (RFC 9568 section 7.3), on an interface of its own (macvlan). Not with `datapath: dsr`, and not where a switch or cloud knows only the MAC address of the host.',
      ),
  })
  .prefault({})
  .describe('VRRP, with `election: vrrp`.');
