import type { ControlPacket } from '../../../src/core/bfd/packet.ts';
import { createSession, session, type SessionInput, type SessionOutput } from '../../../src/core/bfd/session.ts';
import type { SessionState } from '../../../src/core/bfd/variables.ts';
import { firstPacket } from './packets.ts';

export const FAST = { transmitMs: 50, receiveMs: 50, multiplier: 3 };

/** One session at a time of its own, and all that it has put out. */
export class Play {
  now = 0;
  state: SessionState;
  outputs: SessionOutput[] = [];

  constructor(options: Partial<Parameters<typeof createSession>[0]> = {}) {
    this.state = createSession({ localDiscriminator: 42, timers: FAST, role: 'active', seed: 1, ...options });
    this.input({ kind: 'tick' });
  }

  /** In state Up with a peer that has said the same timers, no Poll under way. */
  static up(options: Partial<Parameters<typeof createSession>[0]> = {}): Play {
    const play = new Play(options);
    play.hear({ state: 'Down' });
    play.hear({ state: 'Init', yourDiscriminator: 42 });
    play.run(200, { hear: { state: 'Up' }, everyMs: 40 });
    play.hear({ state: 'Up', final: true });
    play.hear({ state: 'Up' });
    play.outputs.length = 0;
    return play;
  }

  input(input: SessionInput): SessionOutput[] {
    const { state, outputs } = session.step(this.state, input, this.now);
    this.state = state;
    this.outputs.push(...outputs);
    return outputs;
  }

  /** A packet of a peer with discriminator 7 that knows ours unless told otherwise, with fast timers once it is Up. */
  hear(packet: Partial<ControlPacket>, { authenticationPresent = false } = {}): SessionOutput[] {
    const isUp = packet.state === 'Up';
    const known = packet.state === 'Down' ? {} : { yourDiscriminator: 42 };
    const whole = { ...firstPacket, ...known, ...(isUp ? { desiredMinTxUs: 50_000 } : {}), ...packet };
    return this.input({ kind: 'packet', packet: whole, authenticationPresent });
  }

  /** Ticks whenever the machine wants to be woken, and hears a packet again and again. */
  run(forMs: number, { hear, everyMs = Number.POSITIVE_INFINITY }: { hear?: Partial<ControlPacket>; everyMs?: number } = {}): void {
    const end = this.now + forMs;
    let hearAt = this.now + everyMs;
    for (;;) {
      const next = Math.min(session.wakeAt(this.state), hearAt);
      if (next > end) break;
      this.now = Math.max(this.now, next);
      if (hearAt <= this.now) {
        this.hear(hear ?? {});
        hearAt += everyMs;
      } else this.input({ kind: 'tick' });
    }
    this.now = end;
  }

  get sent(): ControlPacket[] {
    return this.outputs.flatMap((output) => (output.kind === 'send' ? [output.packet] : []));
  }

  get changes(): string[] {
    return this.outputs.flatMap((output) => (output.kind === 'state-changed' ? [`${output.from} ${output.to} ${output.diagnostic}`] : []));
  }
}
