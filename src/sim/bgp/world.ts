import type { Family } from '../../base/address.ts';
import { createRandom, type Random } from '../../base/random.ts';
import type { BgpPeerConfig } from '../../core/bgp/config.ts';
import type { BgpRoute } from '../../core/bgp/route.ts';
import { BgpEngine, type BgpEvent } from '../../engine/bgp.ts';
import type { BgpTransport } from '../../ports/bgp.ts';
import type { Clock } from '../../ports/clock.ts';
import { Schedule } from '../schedule.ts';
import { Tap } from './tap.ts';
import { SimTcp } from './tcp.ts';

export const SPEAKER = '10.0.0.11';
const SPEAKER_ASN = 4_200_000_011;
const SHARED = ['10.0.0.100/32', 'fd00::100/128'];

/** A simulated router: the production engine, which announces nothing, with a tap that keeps what it hears. */
interface SimRouter {
  address: string;
  config: BgpPeerConfig;
  engine: BgpEngine;
  tap: Tap;
  isDown: boolean;
}

export type WorldEvent = { at: number; host: string } & BgpEvent;

export interface WorldOptions {
  seed: number;
  peers: number;
  latencyMs: { min: number; max: number };
  /** After each event of an engine. */
  onEvent: (event: WorldEvent) => void;
}

/** One speaker and its routers on one network, in simulated time. */
export class BgpWorld {
  readonly schedule = new Schedule();
  readonly random: Random;
  readonly tcp: SimTcp;
  readonly routers: SimRouter[];
  readonly speakerTap: Tap;
  readonly speaker: BgpEngine;
  readonly #clock: Clock;
  readonly #onEvent: (event: WorldEvent) => void;
  routes: readonly BgpRoute[] = [];

  constructor({ seed, peers, latencyMs, onEvent }: WorldOptions) {
    this.random = createRandom(seed);
    this.#onEvent = onEvent;
    const { schedule } = this;
    this.tcp = new SimTcp({ schedule, random: this.random, latencyMs });
    this.#clock = {
      now: () => schedule.now,
      at: (time, callback) => schedule.plan(time, callback),
    };
    const pairs = Array.from({ length: peers }, (_, i) => pairOf(i, this.random));
    const configs = new Map(pairs.map(({ address, speaker }) => [address, speaker]));
    this.speakerTap = new Tap({ configOf: (remote) => configs.get(remote) as BgpPeerConfig, now: () => schedule.now });
    this.routers = pairs.map(({ address, router }) => this.#router({ address, config: router }));
    this.speaker = this.#engine({
      host: SPEAKER,
      transport: this.speakerTap.of(this.tcp.host(SPEAKER)),
      peers: pairs.map(({ address, speaker }) => [address, speaker]),
    });
  }

  /** Each shared address with these attributes; none of them withdraws all. */
  setRoutes(attributes: Omit<BgpRoute, 'prefix'> | undefined): void {
    this.routes = attributes === undefined ? [] : SHARED.map((prefix) => ({ prefix, ...attributes }));
    this.speaker.setRoutes(this.routes);
  }

  /** Its power goes, and comes back later. */
  crash(router: SimRouter, { forMs }: { forMs: number }): void {
    if (router.isDown) return;
    router.isDown = true;
    this.tcp.crash(router.address);
    router.engine.stop({ message: 'nobody hears this' });
    router.tap.connections.clear();
    this.schedule.plan(this.schedule.now + forMs, () => Object.assign(router, this.#router(router)));
  }

  #router({ address, config }: { address: string; config: BgpPeerConfig }): SimRouter {
    const tap = new Tap({ configOf: () => config, now: () => this.schedule.now });
    const engine = this.#engine({ host: address, transport: tap.of(this.tcp.host(address)), peers: [[SPEAKER, config]] });
    engine.setRoutes([]);
    return { address, config, engine, tap, isDown: false };
  }

  #engine(options: { host: string; transport: BgpTransport; peers: [address: string, config: BgpPeerConfig][] }): BgpEngine {
    const { host, transport, peers } = options;
    return new BgpEngine({
      clock: this.#clock,
      transport,
      seed: this.random.below(2 ** 32),
      peers: peers.map(([address, config]) => ({ address: { address, port: 179, ttl: 1 }, config })),
      onEvent: (event) => this.#onEvent({ at: this.schedule.now, host, ...event }),
    });
  }
}

const FAMILIES: readonly (readonly Family[])[] = [['IPv4'], ['IPv4', 'IPv6'], ['IPv6']];
const HOLD_TIMES_MS = [3000, 9000, 90_000];

/** Both ends' configuration of the i-th peer. */
function pairOf(i: number, random: Random): { address: string; speaker: BgpPeerConfig; router: BgpPeerConfig } {
  const pick = <T>(choices: readonly T[]): T => choices[random.below(choices.length)] as T;
  const address = `10.${1 + (i >> 16)}.${(i >> 8) & 0xff}.${i & 0xff}`;
  const remoteAsn = pick([SPEAKER_ASN, 64_512 + (i % 1000), 4_200_100_000 + i]);
  // At least one of the two connects.
  const passive = pick(['neither', 'neither', 'speaker', 'router']);
  const gracefulRestart = { restartTimeS: 120, restarted: false, forwardingPreserved: true };
  const common = { connectRetryMs: 5000, families: pick(FAMILIES), ...(random.chance(0.5) ? { gracefulRestart } : {}) };
  return {
    address,
    speaker: {
      ...common,
      localAsn: SPEAKER_ASN,
      remoteAsn,
      routerId: SPEAKER,
      holdTimeMs: pick(HOLD_TIMES_MS),
      passive: passive === 'speaker',
      nextHops: { IPv6: 'fd00::11' },
    },
    router: {
      ...common,
      families: ['IPv4', 'IPv6'],
      localAsn: remoteAsn,
      remoteAsn: SPEAKER_ASN,
      // On both sides of the speaker's own, so that both sides win collisions.
      routerId: random.chance(0.5) ? address : `9.0.${(i >> 8) & 0xff}.${i & 0xff}`,
      holdTimeMs: pick(HOLD_TIMES_MS),
      passive: passive === 'router',
    },
  };
}
