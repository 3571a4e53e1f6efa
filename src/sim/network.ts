import type { Random } from '../base/random.ts';
import type { Schedule } from './schedule.ts';

export interface NetworkQuality {
  lossProbability: number;
  duplicateProbability: number;
  delayMinMs: number;
  delayMaxMs: number;
}

type Receiver = (from: number, payload: Uint8Array) => void;

/** A network between numbered hosts that loses, delays, duplicates and, as a consequence of different delays, reorders. Links can be cut one way. */
export class SimNetwork {
  quality: NetworkQuality;
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #receivers = new Map<number, Receiver>();
  readonly #cut = new Set<string>();

  constructor(options: { schedule: Schedule; random: Random; quality: NetworkQuality }) {
    this.#schedule = options.schedule;
    this.#random = options.random;
    this.quality = options.quality;
  }

  attach(host: number, receiver: Receiver): void {
    this.#receivers.set(host, receiver);
  }

  detach(host: number): void {
    this.#receivers.delete(host);
  }

  cut(from: number, to: number): void {
    this.#cut.add(`${from}>${to}`);
  }

  healAll(): void {
    this.#cut.clear();
  }

  send(from: number, to: number, payload: Uint8Array): void {
    const { lossProbability, duplicateProbability } = this.quality;
    if (this.#cut.has(`${from}>${to}`) || this.#random.chance(lossProbability)) return;
    this.#deliverLater(from, to, payload);
    if (this.#random.chance(duplicateProbability)) this.#deliverLater(from, to, payload);
  }

  #deliverLater(from: number, to: number, payload: Uint8Array): void {
    const delayMs = this.#random.between(this.quality.delayMinMs, this.quality.delayMaxMs);
    this.#schedule.plan(this.#schedule.now + delayMs, () => this.#receivers.get(to)?.(from, payload));
  }
}
