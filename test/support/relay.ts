import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Passes bytes on to a place that can be changed, as a balancer does; for clients that must not know. */
export interface Relay {
  port: number;
  /** Where new connections go; undefined: they are refused. */
  target: { host: string; port: number } | undefined;
  /** Resets what is open. */
  reset(): void;
  /** What is open passes nothing on any more, and says nothing of it. */
  hang(): void;
  close(): void;
}

export async function startRelay(host: string): Promise<Relay> {
  const pairs = new Set<[Socket, Socket]>();
  const server = createServer({ noDelay: true }, (from) => {
    from.on('error', () => undefined);
    if (relay.target === undefined) return void from.resetAndDestroy();
    const to = connect({ ...relay.target, noDelay: true });
    const pair: [Socket, Socket] = [from, to];
    pairs.add(pair);
    // Ends come as ends and losses as resets, whichever side they come from.
    for (const [one, other] of [pair, [to, from] as const]) {
      one.on('error', () => other.resetAndDestroy());
      one.on('close', () => (pairs.delete(pair), other.destroy()));
      one.pipe(other);
    }
  });
  await once(server.listen(0, host), 'listening');
  const relay: Relay = {
    port: (server.address() as AddressInfo).port,
    target: undefined,
    reset: () => {
      for (const [from, to] of pairs) {
        from.resetAndDestroy();
        to.destroy();
      }
    },
    hang: () => {
      for (const [one, other] of [...pairs, ...[...pairs].map(([from, to]) => [to, from] as const)]) one.unpipe(other).pause();
    },
    close: () => {
      server.close();
      relay.reset();
    },
  };
  return relay;
}
