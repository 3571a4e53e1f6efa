import type { Random } from '../base/random.ts';
import { HOSTS_MAX, type Quality } from './scenario.ts';
import type { Schedule } from './schedule.ts';

/** What travels: the bytes, and what stands for the seal where they are not sealed. */
export interface Packet<Seal> {
  from: number;
  bytes: Uint8Array;
  seal: Seal;
}

/** A network between numbered hosts that loses, delays, duplicates and, as a consequence of different delays, reorders. Each direction of a link has its own quality. */
export class SimNetwork<Seal> {
  #common: Quality;
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #receivers: ((packet: Packet<Seal>) => void)[] = [];
  readonly #qualities: (Quality | undefined)[] = [];
  readonly #cut: boolean[] = [];

  constructor(options: { schedule: Schedule; random: Random; quality: Quality }) {
    this.#schedule = options.schedule;
    this.#random = options.random;
    this.#common = options.quality;
  }

  attach(host: number, receiver: (packet: Packet<Seal>) => void): void {
    this.#receivers[host] = receiver;
  }

  setQuality(quality: Quality): void {
    this.#common = quality;
  }

  setLink(from: number, to: number, quality: Quality): void {
    this.#qualities[linkOf(from, to)] = quality;
  }

  cut(from: number, to: number): void {
    this.#cut[linkOf(from, to)] = true;
  }

  heal(from: number, to: number): void {
    this.#cut[linkOf(from, to)] = false;
  }

  /** All links whole, and as good as `quality`. */
  repair(quality: Quality): void {
    this.#cut.length = 0;
    this.#qualities.length = 0;
    this.#common = quality;
  }

  /** Of this direction now; undefined when it is cut. */
  qualityOf(from: number, to: number): Quality | undefined {
    const link = linkOf(from, to);
    return this.#cut[link] ? undefined : (this.#qualities[link] ?? this.#common);
  }

  send(to: number, packet: Packet<Seal>): void {
    const quality = this.qualityOf(packet.from, to);
    if (quality === undefined || (quality.lossProbability > 0 && this.#random.chance(quality.lossProbability))) return;
    this.#deliverLater(to, packet, quality);
    if (quality.duplicateProbability > 0 && this.#random.chance(quality.duplicateProbability)) this.#deliverLater(to, packet, quality);
  }

  #deliverLater(to: number, packet: Packet<Seal>, quality: Quality): void {
    const delayMs = this.#random.between(quality.delayMinMs, quality.delayMaxMs);
    this.#schedule.plan(this.#schedule.now + delayMs, () => this.#receivers[to]?.(packet));
  }
}

function linkOf(from: number, to: number): number {
  return from * HOSTS_MAX + to;
}
