import * as z from 'zod';
import { asNumber } from './providers.ts';
import { community, dnsName, filePath, ipAddress, port, wholeNumber } from './values.ts';

const COMMUNITIES = 'a list of at most 64 communities such as 65000:100 or no-export';
const UINT32 = 4_294_967_295;

const peer = z.strictObject({
  address: ipAddress.describe('Address of the router.'),
  as: asNumber.describe("Number of the router's autonomous system; that of `localAs` for internal BGP."),
  port: port.default(179).describe('TCP port of the router.'),
  hosts: z
    .array(dnsName('cp1'), 'a list of names of control-plane hosts')
    .exactOptional()
    .describe('Control-plane hosts that talk to this router, such as those of one rack. Without it, all.'),
  passwordFile: filePath('/etc/hale/bgp.password')
    .exactOptional()
    .describe('File with the key of the TCP MD5 signature (RFC 2385), at most 80 characters, on each host.'),
  hops: wholeNumber({ from: 1, to: 255, of: 'hops' })
    .default(1)
    .describe('How far away the router is at most: 1 on the same link, more for multihop sessions.'),
  ttlSecurity: z
    .boolean()
    .default(false)
    .describe('Whether packets that come from further away than `hops` are dropped (RFC 5082). The router must send with a TTL of 255.'),
  bfd: z.boolean().default(false).describe('Whether BFD watches the way to the router (RFC 5880); the router must have a session too.'),
});

const bfd = z
  .strictObject({
    intervalMs: wholeNumber({ from: 10, to: 60_000, of: 'milliseconds' })
      .default(300)
      .describe('Shortest time between two packets of BFD, sent and received.'),
    multiplier: wholeNumber({ from: 1, to: 50, of: 'packets' })
      .default(3)
      .describe('So many packets in a row must be lost for the way to be down.'),
  })
  .prefault({})
  .describe('BFD, for peers with `bfd: true`.');

/** BGP to the routers around, which then share the connections out (ECMP). */
export const bgp = z
  .strictObject({
    localAs: asNumber.default(65_000).describe("Number of the hosts' autonomous system."),
    peers: z
      .array(peer, 'a list of routers, each with an address and an autonomous system')
      .prefault([])
      .describe('The routers, at least one for each host.'),
    holdTimeSeconds: wholeNumber({ from: 3, to: 65_535, of: 'seconds' })
      .default(90)
      .describe(
        'After so long without a message the router takes a host for dead, unless it offers less (RFC 4271 section 4.2); a third of it lies between two messages.',
      ),
    communities: z.array(community, COMMUNITIES).max(64, COMMUNITIES).prefault([]).describe('Communities of the route (RFC 1997).'),
    med: wholeNumber({ from: 0, to: UINT32, of: 'the metric' }).exactOptional().describe('Multi-exit discriminator of the route.'),
    localPreference: wholeNumber({ from: 0, to: UINT32, of: 'the preference' })
      .default(100)
      .describe('Local preference of the route, for peers of the same autonomous system.'),
    gracefulRestartSeconds: wholeNumber({ from: 0, to: 4095, of: 'seconds' })
      .default(0)
      .describe(
        'How long routers keep the route while the agent of a host is restarted (RFC 4724); 0 for not at all. They keep it for a dead host too, so it does not go with BFD.',
      ),
    drainSeconds: wholeNumber({ from: 0, to: 600, of: 'seconds' })
      .default(5)
      .describe('How long a host that is drained or stopped announces GRACEFUL_SHUTDOWN (RFC 8326) before it withdraws the route.'),
    bfd,
  })
  .prefault({})
  .describe('BGP, with `advertise: bgp`; with `advertise: frr` and `advertise: bird` only what the route carries.');
