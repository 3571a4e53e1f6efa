import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Passes bytes on to a server, and from it only so many on each connection: then it holds the rest back, so that an answer stands still at a place that a test chose. */
export interface MeteredRelay {
  port: number;
  /** Of bytes that each connection, also one that is open, may bring from the server; all by default. */
  allow(bytes: number): void;
  /** Returns when the server has more for some connection than it may bring. */
  untilHeld(): Promise<void>;
  close(): void;
}

export async function startMeteredRelay(target: { host: string; port: number }): Promise<MeteredRelay> {
  const wakers = new Set<() => void>();
  const sockets = new Set<Socket>();
  let allowed = Number.POSITIVE_INFINITY;
  let isHeld = false;
  let tellHeld = () => {};
  const server = createServer({ noDelay: true }, (from) => {
    const to = connect({ ...target, noDelay: true });
    let brought = 0;
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => (sockets.delete(one), other.destroy()));
    }
    from.pipe(to);
    const pass = () => {
      if (brought >= allowed && to.readableLength > 0) {
        isHeld = true;
        tellHeld();
      }
      while (brought < allowed) {
        const size = Math.min(to.readableLength, allowed - brought);
        const bytes = size === 0 ? null : (to.read(size) as Buffer | null);
        if (bytes === null) return;
        brought += bytes.length;
        from.write(bytes);
      }
    };
    to.on('readable', pass);
    to.on('end', () => from.end());
    wakers.add(pass);
    from.on('close', () => wakers.delete(pass));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    allow(bytes) {
      allowed = bytes;
      isHeld = false;
      for (const wake of wakers) wake();
    },
    untilHeld: () => new Promise<void>((resolve) => (isHeld ? resolve() : (tellHeld = resolve))),
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
