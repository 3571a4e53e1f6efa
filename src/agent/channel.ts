import { isBalancerPayload } from '../core/balancer/wire.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { randomNonce, readKeyFile } from '../drivers/datagram/keys.ts';
import { openUdp } from '../drivers/datagram/udp.ts';
import { type Rejection, SealedDatagram, type SealedDatagramOptions } from '../engine/datagram.ts';
import type { Clock } from '../ports/clock.ts';
import type { Datagram } from '../ports/datagram.ts';
import type { Log } from '../ports/log.ts';
import { clusterDigest } from './digest.ts';
import type { Members } from './members.ts';
import type { Metrics } from './metrics.ts';

const LOG_AGAIN_MS = 60_000;

export interface ChannelOptions {
  cluster: Cluster;
  members: Members;
  self: number;
  /** Number of this run. */
  boot: number;
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

/** The one channel to the other agents, which carries the messages of the election and of the balancer. */
export class Channel {
  readonly #options: ChannelOptions;
  readonly #datagram: SealedDatagram;
  readonly #rejectionLoggedAt = new Map<Rejection, number>();

  static async open(options: ChannelOptions): Promise<Channel> {
    const { cluster, members, self } = options;
    const keys = readKeyFile(cluster.agent.keyFile);
    const packets = await openUdp({ address: members.addresses[self] as string, port: cluster.agent.port });
    return new Channel(options, { keys, packets });
  }

  private constructor(options: ChannelOptions, opened: Pick<SealedDatagramOptions, 'keys' | 'packets'>) {
    this.#options = options;
    const { cluster, members, self, boot, clock } = options;
    this.#datagram = new SealedDatagram({
      ...opened,
      self,
      addresses: members.addresses,
      cluster: clusterDigest(cluster),
      boot,
      clock,
      randomNonce,
      onRejected: (reason, from) => this.#onRejected(reason, from),
    });
  }

  send(to: number, payload: Uint8Array): void {
    this.#datagram.send(to, payload);
  }

  /** The election's part; all else goes to `receive`. */
  forLease(receive: (from: number, payload: Uint8Array) => 'malformed' | undefined): Datagram {
    return {
      send: (to, payload) => this.send(to, payload),
      onReceive: (handler) =>
        this.#datagram.onReceive((from, payload) => {
          if (!isBalancerPayload(payload)) handler(from, payload);
          else if (receive(from, payload) === 'malformed') this.#options.metrics.rejected.inc({ reason: 'malformed' });
        }),
      close: () => this.close(),
    };
  }

  /** For each peer what the guardian sends it when this process is dead. */
  lastWords(): { to: string; datagrams: string[] }[] {
    const { members, self } = this.#options;
    return members.addresses.flatMap((to, member) => {
      if (member === self) return [];
      return [{ to, datagrams: this.#datagram.lastWords(member).map((bytes) => Buffer.from(bytes).toString('base64')) }];
    });
  }

  close(): void {
    this.#datagram.close();
  }

  /** Counts all, and says once a minute for each reason that it happens: a wrong key on one host must not go unnoticed, nor fill the log. */
  #onRejected(reason: Rejection, from: string): void {
    const { metrics, clock, log } = this.#options;
    metrics.rejected.inc({ reason });
    const now = clock.now();
    if (now - (this.#rejectionLoggedAt.get(reason) ?? Number.NEGATIVE_INFINITY) < LOG_AGAIN_MS) return;
    this.#rejectionLoggedAt.set(reason, now);
    // A peer's new run is unknown until it has answered a challenge: that is how every restart looks.
    const level = reason === 'unknown-session' ? 'debug' : 'warn';
    log[level]({ reason, from }, 'datagrams are rejected; more of this kind in the next minute are only counted');
  }
}
