import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ControlPacket } from '../../../src/core/bfd/packet.ts';
import { createSession, session, type SessionInput, type SessionOutput } from '../../../src/core/bfd/session.ts';
import {
  detectionEndsAt,
  detectionTimeMs,
  receiveIntervalMs,
  remoteDetectionTimeMs,
  transmitIntervalMs,
  transmitsAt,
} from '../../../src/core/bfd/timing.ts';
import type { SessionState } from '../../../src/core/bfd/variables.ts';
import { firstPacket } from './packets.ts';

const FAST = { transmitMs: 50, receiveMs: 50, multiplier: 3 };

/** One session at a time of its own, and all that it has put out. */
class Play {
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

describe('section 6.2, 6.8.6: the state machine', () => {
  test('section 6.8.1: a session begins Down, with nobody known, and speaks slowly', () => {
    const play = new Play();
    expect(play.state).toMatchObject({
      state: 'Down',
      diagnostic: 0,
      remote: { state: 'Down', discriminator: 0, minRxUs: 1, demand: false },
    });
    expect(play.sent).toEqual([
      { ...firstPacket, myDiscriminator: 42, desiredMinTxUs: 1_000_000, requiredMinRxUs: 50_000, poll: false, final: false },
    ]);
  });

  test('Down hears Down: Init; Init hears Init or Up: Up', () => {
    for (const state of ['Init', 'Up'] as const) {
      const play = new Play();
      play.hear({ state: 'Down' });
      play.hear({ state });
      expect(play.changes).toEqual(['Down Init No Diagnostic', 'Init Up No Diagnostic']);
    }
  });

  test('Down hears Init: Up at once; Down hears Up: stays Down, so that the peer goes down first', () => {
    const play = new Play();
    play.hear({ state: 'Up' });
    expect(play.changes).toEqual([]);
    play.hear({ state: 'Init' });
    expect(play.changes).toEqual(['Down Up No Diagnostic']);
  });

  test('Init hears Down: stays; Up hears Init or Up: stays', () => {
    const play = new Play();
    play.hear({ state: 'Down' });
    play.hear({ state: 'Down' });
    expect(play.state.state).toBe('Init');
    const up = Play.up();
    up.hear({ state: 'Init' });
    up.hear({ state: 'Up' });
    expect(up.changes).toEqual([]);
  });

  test('Up hears Down, Init and Up hear AdminDown: Down, because the neighbor signaled it', () => {
    for (const state of ['Down', 'AdminDown'] as const) {
      const play = Play.up();
      play.hear({ state });
      expect(play.changes).toEqual(['Up Down Neighbor Signaled Session Down']);
      expect(play.sent.at(-1)).toMatchObject({ state: 'Down', diagnostic: 3 });
    }
    const play = new Play();
    play.hear({ state: 'Down' });
    play.hear({ state: 'AdminDown' });
    expect(play.changes.at(-1)).toBe('Init Down Neighbor Signaled Session Down');
    play.hear({ state: 'AdminDown' });
    expect(play.changes).toHaveLength(2);
  });

  test('a packet with an Authentication Section is discarded, and changes nothing', () => {
    const play = Play.up();
    const before = play.state;
    expect(play.hear({ state: 'Down' }, { authenticationPresent: true })).toEqual([{ kind: 'declined', reason: 'authentication_present' }]);
    expect(play.state).toEqual(before);
  });
});

describe('section 6.8.16: administrative control', () => {
  test('admin-down says so at once and goes on saying so; what is heard is declined, and its Poll not answered', () => {
    const play = Play.up();
    play.input({ kind: 'admin-down' });
    expect(play.changes).toEqual(['Up AdminDown Administratively Down']);
    expect(play.sent).toMatchObject([{ state: 'AdminDown', diagnostic: 7 }]);
    expect(play.hear({ state: 'Up', poll: true })).toEqual([{ kind: 'declined', reason: 'admin_down' }]);
    play.run(5000, { hear: { state: 'Down', yourDiscriminator: 42 }, everyMs: 900 });
    expect(play.sent.length).toBeGreaterThan(4);
    expect(play.sent.every(({ state }) => state === 'AdminDown')).toBe(true);
    expect(play.changes).toHaveLength(1);
  });

  test('admin-up begins anew from Down; said twice, or of a session that is not AdminDown, it does nothing', () => {
    const play = Play.up();
    play.input({ kind: 'admin-up' });
    expect(play.state.state).toBe('Up');
    play.input({ kind: 'admin-down' });
    play.input({ kind: 'admin-down' });
    play.input({ kind: 'admin-up' });
    expect(play.changes).toEqual(['Up AdminDown Administratively Down', 'AdminDown Down No Diagnostic']);
    play.hear({ state: 'Down' });
    expect(play.state.state).toBe('Init');
  });
});

describe('section 6.8.4: the Detection Time', () => {
  test("is the peer's multiplier times the slower of its wish to send and ours to receive", () => {
    const play = Play.up();
    play.hear({ state: 'Up', multiplier: 5, desiredMinTxUs: 80_000 });
    expect([detectionTimeMs(play.state), receiveIntervalMs(play.state)]).toEqual([400, 80]);
    play.hear({ state: 'Up', multiplier: 5, desiredMinTxUs: 10_000 });
    expect(detectionTimeMs(play.state)).toBe(250);
  });

  test.each(['Init', 'Up'] as const)('ends a session that is %s: Control Detection Time Expired', (state) => {
    const play = state === 'Up' ? Play.up() : new Play();
    if (state === 'Init') play.hear({ state: 'Down' });
    const end = play.now + (state === 'Up' ? 150 : 3000);
    play.run(end - play.now - 0.001);
    expect(play.state.state).toBe(state);
    play.run(0.001);
    expect(play.changes.at(-1)).toBe(`${state} Down Control Detection Time Expired`);
    expect(play.sent.at(-1)).toMatchObject({ state: 'Down', diagnostic: 1, yourDiscriminator: 0 });
  });

  test('is judged at a tick only: a packet that was read late counts', () => {
    const play = Play.up();
    play.now += 10_000;
    play.hear({ state: 'Up' });
    play.input({ kind: 'tick' });
    expect(play.state.state).toBe('Up');
  });

  test('sections 6.8.1 and 6.8.18: after it nothing of the peer is kept, in whatever state', () => {
    const play = new Play();
    play.hear({ state: 'Up', requiredMinRxUs: 0 });
    expect(play.state.remote).toMatchObject({ discriminator: 7, minRxUs: 0 });
    play.run(150);
    expect(play.state).toMatchObject({ state: 'Down', heardAt: undefined, remote: { discriminator: 0, minRxUs: 1, demand: false } });
  });
});

describe('section 6.8.7: transmission', () => {
  test('the interval is the slower of our wish to send and the peer to receive, and follows at once', () => {
    const play = Play.up();
    expect([transmitIntervalMs(play.state), remoteDetectionTimeMs(play.state)]).toEqual([50, 150]);
    play.hear({ state: 'Up', requiredMinRxUs: 400_000 });
    expect(transmitIntervalMs(play.state)).toBe(400);
    play.run(100, { hear: { state: 'Up', requiredMinRxUs: 400_000 }, everyMs: 45 });
    // Section 6.8.3: not longer than the new interval between the previous packet and the next.
    play.hear({ state: 'Up', requiredMinRxUs: 20_000 });
    expect(transmitsAt(play.state)).toBeLessThanOrEqual(play.state.sentAt + 50);
  });

  test.each([
    [3, 75, 100],
    [1, 75, 90],
  ])('with a multiplier of %i each interval is %i to %i %% of it, drawn for each packet', (multiplier, low, high) => {
    const play = Play.up({ timers: { ...FAST, multiplier } });
    const factors: number[] = [];
    for (let i = 0; i < 500; i++) {
      const from = play.state.sentAt;
      play.run(transmitsAt(play.state) - play.now, { hear: { state: 'Up' }, everyMs: 30 });
      factors.push(((play.state.sentAt - from) / 50) * 100);
    }
    expect(Math.min(...factors)).toBeGreaterThanOrEqual(low - 1e-6);
    expect(Math.max(...factors)).toBeLessThanOrEqual(high + 1e-6);
    expect(Math.max(...factors) - Math.min(...factors)).toBeGreaterThan((high - low) * 0.9);
  });

  test('section 6.1: the passive role waits for a packet, and falls silent again when nobody is there', () => {
    const play = new Play({ role: 'passive' });
    play.run(10_000);
    expect(play.sent).toEqual([]);
    play.hear({ state: 'Down' });
    expect(play.sent).toMatchObject([{ state: 'Init', yourDiscriminator: 7 }]);
    play.run(3000);
    const count = play.sent.length;
    play.run(10_000);
    expect(play.state.state).toBe('Down');
    expect(play.sent).toHaveLength(count);
  });

  test('section 6.8.18: a peer that receives nothing is sent nothing but the answer to its Poll', () => {
    const play = Play.up();
    play.hear({ state: 'Up', requiredMinRxUs: 0 });
    play.run(5000, { hear: { state: 'Up', requiredMinRxUs: 0 }, everyMs: 40 });
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 70 } });
    expect(play.sent).toEqual([]);
    expect(play.hear({ state: 'Up', requiredMinRxUs: 0, poll: true })).toMatchObject([{ kind: 'send', packet: { final: true } }]);
  });

  test('what is new is said at once, and once', () => {
    const play = new Play();
    play.outputs.length = 0;
    play.hear({ state: 'Down' });
    expect(play.sent).toMatchObject([{ state: 'Init', yourDiscriminator: 7 }]);
    play.hear({ state: 'Down' });
    expect(play.sent).toHaveLength(1);
  });

  test('sections 6.5 and 6.8.6: a Poll is answered at once with Final, and never with both bits', () => {
    const play = Play.up();
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 80 } });
    play.outputs.length = 0;
    expect(play.hear({ state: 'Up', poll: true })).toMatchObject([{ kind: 'send', packet: { poll: false, final: true, state: 'Up' } }]);
  });

  test('an answer does not put off what is due: a peer that polls without end hears our Poll too', () => {
    const play = Play.up();
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 80 } });
    play.outputs.length = 0;
    play.run(300, { hear: { state: 'Up', poll: true }, everyMs: 20 });
    expect(play.sent.some(({ poll }) => poll)).toBe(true);
    expect(play.sent.some(({ poll, final }) => poll && final)).toBe(false);
  });

  test('section 6.6: our own Demand mode and Echo are never offered', () => {
    const play = Play.up();
    play.run(1000, { hear: { state: 'Up' }, everyMs: 40 });
    expect(play.sent.every(({ demand, requiredMinEchoRxUs }) => !demand && requiredMinEchoRxUs === 0)).toBe(true);
  });
});

describe('section 6.6: Demand mode of the peer', () => {
  const demanding = { state: 'Up', demand: true } as const;

  test('periodic packets cease while both are Up, and its Poll is answered', () => {
    const play = Play.up();
    play.run(1000, { hear: demanding, everyMs: 40 });
    const count = play.sent.length;
    play.run(1000, { hear: demanding, everyMs: 40 });
    expect(play.sent).toHaveLength(count);
    expect(play.hear({ ...demanding, poll: true })).toMatchObject([{ packet: { final: true } }]);
    play.run(100, { hear: { state: 'Up' }, everyMs: 40 });
    expect(play.sent.length).toBeGreaterThan(count + 1);
  });

  test('what changes is said by a Poll Sequence until it is answered', () => {
    const play = Play.up();
    play.run(1000, { hear: demanding, everyMs: 40 });
    play.outputs.length = 0;
    play.input({ kind: 'timers', timers: { ...FAST, multiplier: 5 } });
    play.run(300, { hear: demanding, everyMs: 40 });
    expect(play.sent.length).toBeGreaterThan(3);
    expect(play.sent.every(({ poll, multiplier }) => poll && multiplier === 5)).toBe(true);
    play.hear({ ...demanding, final: true });
    play.outputs.length = 0;
    play.run(300, { hear: demanding, everyMs: 40 });
    expect(play.sent).toEqual([]);
  });
});

describe('section 6.8.3: timers', () => {
  test('not faster than 1 s while not Up; the wish itself from Up on, asked by Poll', () => {
    const play = new Play();
    play.hear({ state: 'Down' });
    play.run(2900);
    expect(play.sent.every(({ desiredMinTxUs }) => desiredMinTxUs === 1_000_000)).toBe(true);
    expect(play.sent.length).toBeLessThan(6);
    play.outputs.length = 0;
    play.hear({ state: 'Init' });
    expect(play.sent).toMatchObject([{ state: 'Up', desiredMinTxUs: 50_000, poll: true }]);
    expect(transmitIntervalMs(play.state)).toBe(50);
  });

  test('going down is slow again from the next packet on', () => {
    const play = Play.up();
    play.hear({ state: 'Down', yourDiscriminator: 42 });
    expect(play.sent).toMatchObject([{ state: 'Down', desiredMinTxUs: 1_000_000 }]);
    expect(transmitIntervalMs(play.state)).toBe(1000);
  });

  test('slower transmission waits until the peer has answered; faster does not', () => {
    const play = Play.up();
    play.input({ kind: 'timers', timers: { ...FAST, transmitMs: 200 } });
    expect(play.sent).toMatchObject([{ desiredMinTxUs: 200_000, poll: true }]);
    play.run(500, { hear: { state: 'Up' }, everyMs: 40 });
    expect(transmitIntervalMs(play.state)).toBe(50);
    play.hear({ state: 'Up', final: true });
    expect(transmitIntervalMs(play.state)).toBe(200);
    play.hear({ state: 'Up' });
    play.input({ kind: 'timers', timers: { ...FAST, transmitMs: 20 } });
    expect(transmitIntervalMs(play.state)).toBe(50);
    play.hear({ state: 'Up', requiredMinRxUs: 10_000 });
    expect(transmitIntervalMs(play.state)).toBe(20);
  });

  test('less Required Min RX shortens the Detection Time only when the peer has answered; more lengthens it at once', () => {
    const play = Play.up();
    const fastPeer = { state: 'Up', desiredMinTxUs: 10_000 } as const;
    play.hear(fastPeer);
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 20 } });
    expect([play.sent[0]?.requiredMinRxUs, detectionTimeMs(play.state)]).toEqual([20_000, 150]);
    play.hear({ ...fastPeer, final: true });
    expect(detectionTimeMs(play.state)).toBe(60);
    play.hear(fastPeer);
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 90 } });
    expect(detectionTimeMs(play.state)).toBe(270);
  });

  test('section 6.5: Poll is set on the periodic packets until Final comes, and there are no more packets than else', () => {
    const play = Play.up();
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 90 } });
    play.outputs.length = 0;
    play.run(1000, { hear: { state: 'Up' }, everyMs: 40 });
    expect(play.sent.every(({ poll }) => poll)).toBe(true);
    expect(play.sent.length).toBeLessThanOrEqual(1000 / (50 * 0.75) + 1);
    play.hear({ state: 'Up', final: true });
    play.outputs.length = 0;
    play.run(200, { hear: { state: 'Up' }, everyMs: 40 });
    expect(play.sent.some(({ poll }) => poll)).toBe(false);
  });

  test('a second change waits until the first has been answered and a packet without Final has come', () => {
    const play = Play.up();
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 60 } });
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 70 } });
    play.outputs.length = 0;
    play.run(100, { hear: { state: 'Up' }, everyMs: 40 });
    expect(play.sent.every(({ requiredMinRxUs }) => requiredMinRxUs === 60_000)).toBe(true);
    play.outputs.length = 0;
    play.hear({ state: 'Up', final: true });
    play.hear({ state: 'Up', final: true });
    expect(play.sent).toEqual([]);
    play.hear({ state: 'Up' });
    expect(play.sent).toMatchObject([{ requiredMinRxUs: 70_000, poll: true }]);
  });

  test('a Final that nobody asked for ends nothing', () => {
    const play = new Play();
    play.hear({ state: 'Down' });
    play.hear({ state: 'Init', final: true });
    play.run(60);
    expect(play.sent.at(-1)).toMatchObject({ state: 'Up', poll: true });
  });

  test('section 6.8.12: the multiplier is told without a Poll', () => {
    const play = Play.up();
    play.input({ kind: 'timers', timers: { ...FAST, multiplier: 9 } });
    expect(play.sent).toMatchObject([{ multiplier: 9, poll: false }]);
  });
});

describe('whatever comes', () => {
  const u32 = fc.oneof(fc.nat(0xffff_ffff), fc.nat(2_000_000), fc.constantFrom(0, 1, 0xffff_ffff));
  const inputs: fc.Arbitrary<SessionInput> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('packet' as const),
        authenticationPresent: fc.nat(9).map((drawn) => drawn === 0),
        packet: fc.record({
          diagnostic: fc.nat(31),
          state: fc.constantFrom('AdminDown', 'Down', 'Init', 'Up'),
          poll: fc.boolean(),
          final: fc.boolean(),
          controlPlaneIndependent: fc.boolean(),
          demand: fc.boolean(),
          multiplier: fc.integer({ min: 1, max: 255 }),
          myDiscriminator: fc.integer({ min: 1, max: 3 }),
          yourDiscriminator: u32,
          desiredMinTxUs: u32,
          requiredMinRxUs: u32,
          requiredMinEchoRxUs: u32,
        }),
      }),
    },
    fc.record({ kind: fc.constantFrom('tick' as const, 'admin-down' as const, 'admin-up' as const) }),
    fc.record({
      kind: fc.constant('timers' as const),
      timers: fc.record({
        transmitMs: fc.integer({ min: 1, max: 5000 }),
        receiveMs: fc.integer({ min: 1, max: 5000 }),
        multiplier: fc.integer({ min: 1, max: 255 }),
      }),
    }),
  );

  test('nothing throws, a session that is not Up is slow, Poll and Final never meet, and after a tick nothing is overdue', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3000), inputs), { maxLength: 80 }), fc.nat(), (script, seed) => {
        const play = new Play({ seed });
        for (const [waitMs, input] of script) {
          play.now += waitMs;
          play.input(input);
          play.input({ kind: 'tick' });
          expect(session.wakeAt(play.state)).toBeGreaterThan(play.now);
          if (play.state.heardAt !== undefined) expect(detectionEndsAt(play.state)).toBeGreaterThan(play.now);
        }
        for (const packet of play.sent) {
          expect(packet.poll && packet.final).toBe(false);
          if (packet.state !== 'Up') expect(packet.desiredMinTxUs).toBeGreaterThanOrEqual(1_000_000);
        }
      }),
    );
  });
});
