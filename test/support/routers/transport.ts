import { type BgpTransportOptions, openBgpTransport } from '../../../src/drivers/linux/bgp-tcp.ts';
import type { BgpTransport } from '../../../src/ports/bgp.ts';
import type { TestHost } from '../netns.ts';

/** The transport of a host: what connects later does so in the host's namespace too. */
export function transportIn(host: TestHost, options: BgpTransportOptions): BgpTransport {
  const transport = host.inside(() => openBgpTransport(options));
  return {
    connect: (peer, handlers) => host.inside(() => transport.connect(peer, handlers)),
    onAccepted: (handler) => transport.onAccepted(handler),
    close: () => transport.close(),
  };
}
