import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { session, type SessionInput } from '../../../src/core/bfd/session.ts';
import { detectionEndsAt } from '../../../src/core/bfd/timing.ts';
import { firstPacket } from './packets.ts';
import { FAST, Play } from './play.ts';

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
    play.hear({ state: 'Down' });
    play.run(5000, { hear: { state: 'Down' }, everyMs: 900 });
    expect(play.sent.length).toBeGreaterThan(4);
    expect(play.sent.every(({ state, yourDiscriminator }) => state === 'AdminDown' && yourDiscriminator === 7)).toBe(true);
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

  test('while one of both is not Up, its wish does not count', () => {
    const play = new Play();
    play.hear({ state: 'Down', demand: true });
    play.outputs.length = 0;
    play.run(5000, { hear: { state: 'Down', demand: true }, everyMs: 900 });
    expect(play.state.state).toBe('Init');
    expect(play.sent.length).toBeGreaterThan(4);
    const up = Play.up();
    up.run(1000, { hear: { state: 'Init', demand: true }, everyMs: 40 });
    expect(up.sent.length).toBeGreaterThan(15);
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
