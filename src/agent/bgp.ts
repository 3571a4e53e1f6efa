/** hale's own BGP speaker with BFD beside it, as cluster.yaml describes them for this host. */
import { createHash, randomInt } from 'node:crypto';
import { familyOf, type Family } from '../base/address.ts';
import { HaleError } from '../base/error.ts';
import type { BgpPeerConfig } from '../core/bgp/config.ts';
import type { RouteAttributes } from '../core/bgp/route.ts';
import { peersOf } from '../core/cluster/routing-checks.ts';
import type { Cluster, ClusterHost } from '../core/cluster/schema.ts';
import { openBfdLink } from '../drivers/linux/bfd.ts';
import { openBgpTransport } from '../drivers/linux/bgp-tcp.ts';
import { readPasswordFile } from '../drivers/password-file.ts';
import { BfdEngine } from '../engine/bfd.ts';
import { BgpAdvertiser } from '../engine/bgp-advertiser.ts';
import { BgpEngine, type BgpEvent } from '../engine/bgp.ts';
import type { Advertiser } from '../ports/advertiser.ts';
import type { BgpPeerAddress, BgpTransport } from '../ports/bgp.ts';
import type { BgpPeerView } from '../ports/control.ts';
import type { Log } from '../ports/log.ts';
import type { ClaimOptions } from './open-claim.ts';
import { type BfdSince, peerViews } from './peer-views.ts';

const BGP_PORT = 179;
/** RFC 2385 section 4.5: what every router takes. */
const PASSWORD_BYTES_MAX = 80;
const CONNECT_RETRY_MS = 5000;

type Peer = Cluster['bgp']['peers'][number];

export interface BgpSpeaker {
  advertiser: Advertiser;
  peers: () => BgpPeerView[];
}

/** Throws HaleError `password_file_unusable`. */
export function openBgpSpeaker(options: ClaimOptions, attributes: RouteAttributes): BgpSpeaker {
  const { cluster, self, clock, log } = options;
  const peers = peersOf(cluster, self.host.name);
  const addresses = peers.map((peer) => peerAddress(peer, { cluster, host: self.host }));
  const engine = new BgpEngine({
    clock,
    transport: openTransport({ addresses, log }),
    peers: peers.map((peer, i) => ({ address: addresses[i] as BgpPeerAddress, config: peerConfig(peer, options) })),
    seed: randomInt(2 ** 32),
    onEvent: (event) => say(event, log),
  });
  const bfd = openBfd({ options, peers, onChange: (address, state) => engine.bfdChanged(address, state) });
  const advertiser = new BgpAdvertiser({ engine, addresses: cluster.endpoint.addresses, attributes });
  return {
    // BFD ends with the process, in silence: BIRD takes its AdminDown for an error, and refuses the next run of this agent for a minute.
    advertiser,
    peers: () =>
      peerViews({ peers: engine.status(), bfd: bfd?.engine.status() ?? [], bfdSince: bfd?.since ?? new Map(), now: clock.now() }),
  };
}

/** Where the port for BGP is taken, by the speaker of a pod network for example, this host is the one that connects. */
function openTransport({ addresses, log }: { addresses: readonly BgpPeerAddress[]; log: Log }): BgpTransport {
  const own = [...new Set(addresses.map(({ localAddress }) => localAddress as string))];
  try {
    return openBgpTransport({ listen: own.map((address) => ({ address, port: BGP_PORT })), peers: addresses });
  } catch (error) {
    if (!(error instanceof HaleError)) throw error;
    log.warn({ reason: error.message }, 'routers cannot connect to this host, which connects to them');
    return openBgpTransport({ listen: [], peers: addresses });
  }
}

function peerAddress(peer: Peer, { cluster, host }: { cluster: Cluster; host: ClusterHost }): BgpPeerAddress {
  const { address, port, hops, ttlSecurity, passwordFile } = peer;
  const key = `bgp.peers[${cluster.bgp.peers.indexOf(peer)}].passwordFile`;
  return {
    address,
    port,
    localAddress: ownAddress(host, familyOf(address)) as string,
    ttl: hops,
    ...(ttlSecurity ? { ttlSecurityHops: hops } : {}),
    ...(passwordFile === undefined ? {} : { password: readPasswordFile(passwordFile, { key, most: PASSWORD_BYTES_MAX }) }),
  };
}

function peerConfig(peer: Peer, { cluster, self: { host }, host: { restarted } }: ClaimOptions): BgpPeerConfig {
  const { bgp, endpoint } = cluster;
  const [IPv4, IPv6] = [ownAddress(host, 'IPv4'), ownAddress(host, 'IPv6')];
  return {
    localAsn: bgp.localAs,
    remoteAsn: peer.as,
    routerId: IPv4 ?? routerIdOf(host),
    holdTimeMs: bgp.holdTimeSeconds * 1000,
    connectRetryMs: CONNECT_RETRY_MS,
    passive: false,
    families: [...new Set(endpoint.addresses.map(familyOf))],
    nextHops: { ...(IPv4 === undefined ? {} : { IPv4 }), ...(IPv6 === undefined ? {} : { IPv6 }) },
    ...(bgp.gracefulRestartSeconds === 0
      ? {}
      : { gracefulRestart: { restartTimeS: bgp.gracefulRestartSeconds, restarted, forwardingPreserved: restarted } }),
  };
}

function ownAddress(host: ClusterHost, family: Family): string | undefined {
  return host.addresses.find(({ address }) => familyOf(address) === family)?.address;
}

/** A host with IPv6 alone has no number of 32 bits of its own (RFC 6286 asks for one that is unique in its AS). */
function routerIdOf({ name, addresses }: ClusterHost): string {
  const digest = createHash('sha256').update(`${name} ${addresses[0]?.address}`).digest();
  // Never 0.0.0.0.
  return [...digest.subarray(0, 3), (digest[3] as number) | 1].join('.');
}

interface BfdOptions {
  options: ClaimOptions;
  peers: readonly Peer[];
  onChange: (address: string, state: 'up' | 'down') => void;
}

function openBfd({ options, peers, onChange }: BfdOptions): { engine: BfdEngine; since: BfdSince } | undefined {
  const { cluster, self, clock, log } = options;
  const watched = peers.filter(({ bfd }) => bfd);
  if (watched.length === 0) return undefined;
  const { intervalMs, multiplier } = cluster.bgp.bfd;
  const since: BfdSince = new Map(watched.map(({ address }) => [address, clock.now()]));
  const engine = new BfdEngine({
    clock,
    link: openBfdLink(),
    sessions: watched.map(({ address, hops }) => ({
      localAddress: ownAddress(self.host, familyOf(address)) as string,
      remoteAddress: address,
      multihop: hops > 1,
      transmitMs: intervalMs,
      receiveMs: intervalMs,
      multiplier,
    })),
    seed: randomInt(2 ** 32),
    onChange({ session, state, diagnostic, remoteState }) {
      const { remoteAddress: peer } = session;
      since.set(peer, clock.now());
      log[state === 'Down' ? 'warn' : 'info']({ peer, state, diagnostic }, 'BFD session changed');
      // The router's administrator ended BFD, not the way to the router (RFC 5882 section 4.1).
      if (state === 'Up') onChange(peer, 'up');
      else if (state === 'Down' && remoteState !== 'AdminDown') onChange(peer, 'down');
    },
  });
  return { engine, since };
}

function say(event: BgpEvent, log: Log): void {
  const { peer } = event;
  switch (event.kind) {
    case 'established':
      return log.info({ peer }, 'BGP session established');
    case 'down':
      return log.warn({ peer, error: event.error.text, notification: event.error.notification }, 'BGP session ended');
    case 'failed':
      return log.debug({ peer, error: event.error.text }, 'no BGP session');
    default:
      return log.warn({ peer, warning: event.warning }, 'BGP');
  }
}
