/** Tells routers of the address: by hale's own BGP speaker, or through a routing daemon of this host. */
import { hostPrefix } from '../base/address.ts';
import { openBird } from '../drivers/routing/bird.ts';
import { openFrr } from '../drivers/routing/frr.ts';
import type { RoutesStatus } from '../ports/control.ts';
import { type BgpSpeaker, openBgpSpeaker } from './bgp.ts';
import type { ClaimOptions } from './open-claim.ts';
import { RouteClaim } from './routes.ts';

/** A router may take a moment to act. */
const HOLD_SPARE_MS = 5000;

/** Throws a HaleError when what is needed cannot be opened. */
export function openRouteClaim(options: ClaimOptions): RouteClaim {
  const { cluster, self, clock, log, host, tenure } = options;
  const opened = openAdvertiser(options);
  const prefixes = cluster.endpoint.addresses.map(hostPrefix);
  const by = cluster.advertise as RoutesStatus['by'];
  return new RouteClaim({
    self: self.index,
    clock,
    advertiser: opened.advertiser,
    drainMs: cluster.bgp.drainSeconds * 1000,
    holdMs: cluster.bgp.holdTimeSeconds * 1000 + HOLD_SPARE_MS,
    serveUntil(untilMs) {
      const held = host.endpoint.hold(untilMs);
      if (!held.ok) log.error({ reason: held.reason }, 'this host cannot serve the address');
    },
    status: () => ({ by, prefixes, peers: opened.peers() }),
    onChange: ({ from, to }) => {
      const facts = { routes: prefixes, by };
      log.info(facts, SAID[to]);
      if (from === 'withdrawn') tenure.begin({ facts, handedOver: false });
      if (to === 'withdrawn') tenure.end({ facts, reason: 'withdrawn', handedOver: from === 'draining' });
    },
  });
}

const SAID = { announced: 'routes announced', draining: 'routers are asked to prefer others', withdrawn: 'routes withdrawn' } as const;

function openAdvertiser(options: ClaimOptions): Pick<BgpSpeaker, 'advertiser' | 'peers'> {
  const { cluster } = options;
  const { bgp, endpoint, advertise } = cluster;
  const attributes = {
    communities: bgp.communities,
    localPreference: bgp.localPreference,
    ...(bgp.med === undefined ? {} : { med: bgp.med }),
  };
  if (advertise === 'bgp') return openBgpSpeaker(options, attributes);
  const open = advertise === 'frr' ? openFrr : openBird;
  return { advertiser: open({ addresses: endpoint.addresses, attributes, clock: options.clock }), peers: () => [] };
}
